//! The web page is part of the binary: what `web/` built is looked at again when it changed.

fn main() {
    println!("cargo::rerun-if-changed=web/dist");
}
