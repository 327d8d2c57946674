//! The one TLS implementation of the process, installed once.
//!
//! HTTP clients that are built without one panic, even for plain HTTP, so everything that builds one
//! calls this first.

use std::sync::Once;

/// Installs it, if nobody has.
pub fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Only fails when one is installed already, which is just as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
