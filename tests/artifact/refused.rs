//! What keeps a server from starting: one sentence that says what to do.

use crate::{
    place::{open, s3_settings, settings, start_s3},
    s3,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_cannot_be_used_is_said_in_one_sentence() {
    let s3 = start_s3().await;
    let nobody = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let root = |endpoint, secret| {
        let text = format!("root = 's3://kiln'\nendpoint = 'http://{endpoint}'");
        settings(&text, &[("AWS_ACCESS_KEY_ID", s3::ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", secret)])
    };
    for (settings, problem) in [
        (s3_settings(s3.address, "nowhere"), "there is no such bucket: make it"),
        (root(s3.address, "wrong"), "it does not let kiln in: check the credentials"),
        (root(nobody, "any"), "it does not answer: check artifacts.endpoint"),
        (settings("region = 'x'", &[]), "artifacts.region is for a root that begins with s3://"),
        (settings("root = 's3://kiln'\naccount = 'x'", &[]), "begins with az://"),
    ] {
        let error = open(&settings).await.unwrap_err().to_string();
        assert!(error.contains(problem) && !error.contains('\n'), "{problem}: {error}");
        assert!(!error.contains(s3::SECRET_KEY), "{error}");
    }
}
