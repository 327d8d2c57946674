//! How much one account or address may ask for, and which address that is.
//!
//! Bounds are each server's own: they protect this process, and a bound that all servers keep
//! together would be a question to the database for every request.

use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::http::HeaderMap;
use governor::{DefaultKeyedRateLimiter, Quota, clock::Clock as _, clock::DefaultClock};
use ipnet::IpNet;

use super::ApiError;
use crate::config::ServerSettings;

/// The bounds of one server.
#[derive(Clone, Debug)]
pub struct Bounds {
    requests: Arc<DefaultKeyedRateLimiter<String>>,
    failures: Arc<DefaultKeyedRateLimiter<IpAddr>>,
    streams: Arc<Mutex<HashMap<String, u32>>>,
    streams_most: u32,
    proxies: Arc<[IpNet]>,
}

/// A stream that is open; its end makes room for another.
#[derive(Debug)]
pub(super) struct OpenStream {
    streams: Arc<Mutex<HashMap<String, u32>>>,
    whose: String,
}

impl Bounds {
    /// What the settings say.
    pub fn new(settings: &ServerSettings) -> Self {
        let ten = NonZeroU32::MIN.saturating_add(9);
        let each_second = settings.requests_per_second;
        let requests = Quota::per_second(each_second).allow_burst(each_second.saturating_mul(ten));
        Self {
            requests: Arc::new(DefaultKeyedRateLimiter::keyed(requests)),
            failures: Arc::new(DefaultKeyedRateLimiter::keyed(Quota::per_minute(
                settings.failures_per_minute,
            ))),
            streams: Arc::default(),
            streams_most: settings.streams_per_account.get(),
            proxies: settings.trusted_proxies.clone().into(),
        }
    }

    /// Counts a request; refuses it if there were too many.
    pub(super) fn request(&self, whose: &String) -> Result<(), ApiError> {
        self.requests.check_key(whose).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            ApiError::too_many("too many requests", wait)
        })
    }

    /// Counts a token that is none; refuses to say more than that if there were too many.
    pub(super) fn failure(&self, address: IpAddr) -> Result<(), ApiError> {
        self.failures.check_key(&address).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            ApiError::too_many("too many requests with tokens that are none", wait)
        })
    }

    /// A place for a stream of this account or address.
    pub(super) fn stream(&self, whose: &str) -> Result<OpenStream, ApiError> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let open = streams.entry(whose.to_owned()).or_default();
        if *open >= self.streams_most {
            let sentence = format!("{open} streams are open already: close some");
            return Err(ApiError::too_many(&sentence, Duration::from_secs(10)));
        }
        *open += 1;
        Ok(OpenStream { streams: Arc::clone(&self.streams), whose: whose.to_owned() })
    }

    /// Forgets those who have not asked for a while.
    pub fn forget(&self) {
        self.requests.retain_recent();
        self.failures.retain_recent();
    }

    /// From where a request comes: the address of the connection, or, if that is a proxy's, what the
    /// last proxy that is not ours said.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let is_proxy = |address: IpAddr| self.proxies.iter().any(|net| net.contains(&address));
        if !is_proxy(peer) {
            return peer;
        }
        let said = headers.get_all("x-forwarded-for").iter().filter_map(|it| it.to_str().ok());
        let said: Vec<&str> = said.flat_map(|line| line.split(',')).map(str::trim).collect();
        // From the nearest on; what cannot be read was not said by a proxy of ours.
        for text in said.iter().rev() {
            match text.parse::<IpAddr>() {
                Ok(address) if is_proxy(address) => {}
                Ok(address) => return address,
                Err(_) => return peer,
            }
        }
        peer
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = streams.get_mut(&self.whose) {
            *open -= 1;
            if *open == 0 {
                streams.remove(&self.whose);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarded(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_proxies_of_ours_are_believed_and_only_up_to_the_first_that_is_not() {
        let trusted_proxies = vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let bounds = Bounds::new(&ServerSettings { trusted_proxies, ..Default::default() });
        for (peer, lines, expected) in [
            ("192.0.2.9", &["203.0.113.1"][..], "192.0.2.9"),
            ("10.0.0.1", &["203.0.113.1"], "203.0.113.1"),
            ("10.0.0.1", &["198.51.100.7, 203.0.113.1, 10.9.9.9"], "203.0.113.1"),
            ("10.0.0.1", &["198.51.100.7", "203.0.113.1"], "203.0.113.1"),
            ("::1", &["2001:db8::7"], "2001:db8::7"),
            ("10.0.0.1", &["10.0.0.2"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.1, nonsense"], "10.0.0.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
        ] {
            let client = bounds.client(peer.parse().unwrap(), &forwarded(lines));
            assert_eq!(client, expected.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
        }
    }

    #[test]
    fn streams_are_counted_for_each_and_given_back() {
        let most = NonZeroU32::new(2).unwrap();
        let bounds =
            Bounds::new(&ServerSettings { streams_per_account: most, ..Default::default() });
        let first = bounds.stream("a").unwrap();
        let _second = bounds.stream("a").unwrap();
        assert!(bounds.stream("a").is_err());
        let _other = bounds.stream("b").unwrap();
        drop(first);
        assert!(bounds.stream("a").is_ok());
    }

    #[test]
    fn each_has_its_own_number_of_failures() {
        let few = NonZeroU32::new(3).unwrap();
        let bounds =
            Bounds::new(&ServerSettings { failures_per_minute: few, ..Default::default() });
        let [here, there] = [[192, 0, 2, 1], [192, 0, 2, 2]].map(IpAddr::from);
        assert_eq!((0..9).filter(|_| bounds.failure(here).is_ok()).count(), 3);
        assert!(bounds.failure(there).is_ok());
    }
}
