//! Signing in with a browser: a cookie that stands for a token, and nothing that another site could use.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use kiln::{
    config::Anonymous,
    model::Role,
    protocol::{MadeToken, NewToken},
};
use serde_json::json;

use crate::{
    farm::{Farm, Setup},
    wire::{Answer, Ask},
};

const AT: &str = "/api/v1/session";

/// A farm that wants a token, and one that may read and one that may change.
async fn closed() -> (Farm, MadeToken, MadeToken) {
    let mut setup = Setup { agents: 0, manual: true, ..Setup::default() };
    setup.settings.server.failures_per_minute = 1_000.try_into().unwrap();
    let mut farm = Farm::with(setup, crate::farm::nothing).await;
    let mut made = Vec::new();
    for (name, role) in [("r", Role::Read), ("a", Role::Admin)] {
        let new = NewToken {
            name: name.parse().unwrap(),
            owner: None,
            role,
            projects: None,
            expires_in_seconds: Some(365 * 24 * 3600),
            never_expires: false,
        };
        made.push(farm.rest.make_token(&new).await.unwrap());
    }
    farm.change_settings(|settings| settings.server.anonymous = Anonymous::Nothing).await;
    let (admin, read) = (made.pop().unwrap(), made.pop().unwrap());
    (farm, read, admin)
}

async fn sign_in(farm: &Farm, token: &str) -> Answer {
    let body = json!({"token": BASE64_STANDARD.encode(token)}).to_string();
    Ask::new("POST", AT).json(body).send(farm.address()).await
}

/// The cookie of an answer, as a browser sends it back.
fn cookie(answer: &Answer) -> String {
    answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

async fn open(farm: Farm) {
    let mut farm = farm;
    farm.change_settings(|settings| settings.server.anonymous = Anonymous::Admin).await;
    farm.end().await;
}

#[tokio::test]
async fn a_session_stands_for_its_token_and_ends_with_it() {
    let (farm, read, admin) = Box::pin(closed()).await;
    let answer = sign_in(&farm, &read.token).await;
    assert_eq!((answer.status, &answer.json()["role"]), (200, &json!("read")), "{}", answer.text());
    let set = answer.header("set-cookie").unwrap().to_owned();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=2592000"] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Secure") && !set.contains(&read.token), "{set}");
    let cookie_text = cookie(&answer);
    let with = async |cookie: &str, method: &'static str, target: &str, page: bool| {
        let ask = Ask::new(method, target).header("cookie", format!("theme=dark; {cookie}"));
        let ask = if page { ask.header("x-kiln-page", "1") } else { ask };
        ask.send(farm.address()).await
    };
    assert_eq!(with(&cookie_text, "GET", "/api/v1/builds", false).await.status, 200);
    let who = with(&cookie_text, "GET", "/api/v1/whoami", false).await;
    assert_eq!(who.json()["role"], "read");
    // It is no more than its token.
    let refused = with(&cookie_text, "GET", "/api/v1/tokens", true).await;
    assert_eq!((refused.status, &*refused.refusal()), (403, "forbidden"));
    // Another one's, changed, of another name, or too long: none of ours.
    let value = cookie_text.split_once('=').unwrap().1;
    let mut other = value.to_owned().into_bytes();
    other[30] = if other[30] == b'A' { b'B' } else { b'A' };
    for bad in [
        format!("kiln_session={}", String::from_utf8(other).unwrap()),
        format!("kiln_session={}", &value[..40]),
        format!("kiln_session={}", read.token),
        format!("kiln_session={}", "A".repeat(4_000)),
    ] {
        let answer = with(&bad, "GET", "/api/v1/builds", false).await;
        assert_eq!((answer.status, &*answer.refusal()), (401, "unauthorized"), "{bad}");
    }
    assert_eq!(with(&format!("session={value}"), "GET", "/api/v1/builds", false).await.status, 401);
    // A token beside it counts alone.
    let ask = Ask::get("/api/v1/tokens").header("cookie", cookie_text.clone());
    let ask = ask.header("authorization", format!("Bearer {}", admin.token));
    assert_eq!(ask.send(farm.address()).await.status, 200);
    // Taken back, or over: at once.
    let session = cookie(&sign_in(&farm, &admin.token).await);
    assert_eq!(with(&session, "GET", "/api/v1/tokens", false).await.status, 200);
    let target = format!("/api/v1/tokens/{}", read.made.id);
    let ask = Ask::new("DELETE", target).header("authorization", format!("Bearer {}", admin.token));
    assert_eq!(ask.send(farm.address()).await.status, 204);
    assert_eq!(with(&cookie_text, "GET", "/api/v1/builds", false).await.status, 401);
    farm.time.advance(Duration::from_hours(24 * 30 + 1));
    let over = with(&session, "GET", "/api/v1/tokens", false).await;
    assert!(over.status == 401 && over.text().contains("sign in again"), "{}", over.text());
    let out = Ask::new("DELETE", AT).send(farm.address()).await;
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").unwrap().starts_with("kiln_session=; Path=/; Max-Age=0;"));
    open(farm).await;
}

#[tokio::test]
async fn no_other_site_changes_anything_with_a_session() {
    let (farm, _, admin) = Box::pin(closed()).await;
    let session = cookie(&sign_in(&farm, &admin.token).await);
    let add = async |headers: &[(&'static str, String)]| {
        let mut ask = Ask::new("POST", "/api/v1/projects").json("{\"name\": \"mine\"}");
        ask = ask.header("cookie", session.clone());
        for (name, value) in headers {
            ask = ask.header(name, value.clone());
        }
        ask.send(farm.address()).await
    };
    let page = ("x-kiln-page", "1".to_owned());
    // As the requests of these tests name the server.
    let own = "http://127.0.0.1".to_owned();
    for (what, headers) in [
        ("a form", vec![]),
        ("another origin", vec![page.clone(), ("origin", "https://evil.example".to_owned())]),
        ("another site", vec![page.clone(), ("sec-fetch-site", "cross-site".to_owned())]),
        ("a name beside it", vec![page.clone(), ("sec-fetch-site", "same-site".to_owned())]),
    ] {
        let answer = add(&headers).await;
        assert_eq!((answer.status, &*answer.refusal()), (403, "forbidden"), "{what}");
    }
    let headers = [page, ("origin", own), ("sec-fetch-site", "same-origin".to_owned())];
    assert_eq!(add(&headers).await.status, 201);
    open(farm).await;
}

#[tokio::test]
async fn who_cannot_sign_in_is_told_and_may_not_try_for_ever() {
    let (mut farm, read, _) = Box::pin(closed()).await;
    farm.change_settings(|settings| {
        settings.server.failures_per_minute = 5.try_into().unwrap();
        settings.server.public_url = Some("https://kiln.example.org/".parse().unwrap());
    })
    .await;
    // Over TLS alone, where that is how people come.
    let answer = sign_in(&farm, &format!("{}\n", read.token)).await;
    assert!(answer.header("set-cookie").unwrap().ends_with("; Secure"));
    for (body, status) in
        [(json!({"token": "?"}), 422), (json!({}), 422), (json!({"token": "YQ==", "more": 1}), 422)]
    {
        let answer = Ask::new("POST", AT).json(body.to_string()).send(farm.address()).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        assert!(answer.header("set-cookie").is_none());
    }
    let mut seen = Vec::new();
    for _ in 0..8 {
        let answer = sign_in(&farm, "kiln_nobody_nothing").await;
        assert!(answer.header("set-cookie").is_none());
        seen.push(answer.status);
    }
    assert_eq!((seen[0], seen[7]), (401, 429), "{seen:?}");
    open(farm).await;
}
