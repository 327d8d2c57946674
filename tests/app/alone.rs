//! A server keeps to itself: its address, its data directory, its secrets.

use std::{os::unix::fs::PermissionsExt as _, sync::Arc};

use kiln::{
    model::SystemClock,
    server::{ListenError, ServeError, Server, listen},
};

use crate::farm::Farm;

#[tokio::test]
async fn addresses_that_others_can_reach_are_refused() {
    for address in ["0.0.0.0:0", "192.0.2.1:80", "[::]:0", "[2001:db8::1]:80"] {
        let error = listen(address.parse().unwrap()).await.unwrap_err();
        assert!(matches!(error, ListenError::NotLoopback(_)), "{address}: {error}");
        assert!(error.to_string().contains("127.0.0.1:8000"), "{error}");
    }
    let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let taken = listen(listener.local_addr().unwrap()).await.unwrap_err();
    assert!(matches!(taken, ListenError::Bind { .. }) && taken.to_string().contains("--listen"));
}

#[tokio::test]
async fn a_data_directory_has_one_server_and_one_reader() {
    let farm = Farm::alone().await;
    let data = farm.server_data();
    let open = || async {
        let sources = farm.sources(&data);
        Server::open(farm.settings(), &data, Arc::new(SystemClock), sources).await
    };
    let error = open().await.unwrap_err();
    assert!(matches!(error, ServeError::Data { .. }), "{error}");
    assert!(error.to_string().contains("another kiln server"), "{error}");
    let mode = |name: &str| std::fs::metadata(data.join(name)).unwrap().permissions().mode();
    assert_eq!(mode("") & 0o777, 0o700);
    assert_eq!(mode("enrollment-token") & 0o777, 0o600);
    farm.end().await;
}
