//! One making of one image, however many jobs wait for it.
//!
//! All who want an image that is being made poll the same future. It lives as long as one of them
//! does: when the last job that waits is cancelled, the build in the engine ends with it.

use std::collections::HashMap;

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};

use super::{PackagesError, derive::Made};

/// What a making ends with: the image's id, and how it was made.
pub(super) type Landed = Result<(String, Made), PackagesError>;
type Flight = Shared<BoxFuture<'static, Landed>>;

/// The makings that go on, by the image's reference.
#[derive(Debug, Default)]
pub(super) struct Flights(HashMap<String, WeakShared<BoxFuture<'static, Landed>>>);

impl Flights {
    /// The making of this image that goes on, else a new one.
    pub(super) fn join(
        &mut self,
        image: &str,
        make: impl FnOnce() -> BoxFuture<'static, Landed>,
    ) -> Flight {
        // One that has ended is not joined: the image may have been removed since.
        self.0.retain(|_, flight| flight.upgrade().is_some_and(|flight| flight.peek().is_none()));
        if let Some(flight) = self.0.get(image).and_then(WeakShared::upgrade) {
            return flight;
        }
        let flight = make().shared();
        if let Some(weak) = flight.downgrade() {
            self.0.insert(image.to_owned(), weak);
        }
        flight
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        time::Duration,
    };

    use tokio_util::sync::CancellationToken;

    use super::*;

    /// Counts on the way in and on the way out.
    struct Running(Arc<AtomicUsize>);

    impl Drop for Running {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn making(running: &Arc<AtomicUsize>, go: &CancellationToken) -> BoxFuture<'static, Landed> {
        running.fetch_add(1, Ordering::SeqCst);
        let (running, go) = (Running(Arc::clone(running)), go.clone());
        Box::pin(async move {
            let _running = running;
            go.cancelled().await;
            Ok(("sha256:1".to_owned(), Made::Now(Duration::ZERO)))
        })
    }

    #[tokio::test]
    async fn many_wait_for_one_and_the_last_who_leaves_ends_it() {
        let (mut flights, running) = (Flights::default(), Arc::default());
        let go = CancellationToken::new();
        let one = flights.join("a", || making(&running, &go));
        let two = flights.join("a", || panic!("it goes on already"));
        let other = flights.join("b", || making(&running, &go));
        assert_eq!(running.load(Ordering::SeqCst), 2);
        drop(one);
        drop(other);
        assert_eq!(running.load(Ordering::SeqCst), 1, "somebody waits for a, nobody for b");
        go.cancel();
        assert_eq!(two.await.unwrap().0, "sha256:1");
        let again = flights.join("a", || making(&running, &go));
        assert!(again.peek().is_none(), "what has ended is made anew");
    }
}
