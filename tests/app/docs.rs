//! The API describes itself, and its page loads nothing from outside.

use serde_json::Value;

use crate::{farm::Farm, wire::Ask};

/// The description as it is served.
pub(crate) async fn description(farm: &Farm) -> Value {
    let answer = Ask::get("/api/v1/openapi.json").send(farm.address()).await;
    assert_eq!(answer.status, 200);
    answer.json()
}

/// Every operation: method, path, and what is said of it.
pub(crate) fn operations(description: &Value) -> Vec<(String, String, Value)> {
    let mut all = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            all.push((method.to_ascii_uppercase(), path.clone(), operation.clone()));
        }
    }
    all
}

#[tokio::test]
async fn the_description_is_openapi_3_1_and_tells_of_refusals() {
    let farm = Farm::alone().await;
    let description = description(&farm).await;
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1."));
    assert_eq!(description["servers"], Value::Null, "it names no other host");
    let operations = operations(&description);
    let names: Vec<_> = operations.iter().map(|(m, path, _)| format!("{m} {path}")).collect();
    for wanted in [
        "POST /api/v1/builds",
        "GET /api/v1/builds",
        "GET /api/v1/builds/{build}",
        "POST /api/v1/builds/{build}/cancel",
        "POST /api/v1/builds/{build}/retry",
        "GET /api/v1/jobs/{job}",
        "POST /api/v1/jobs/{job}/cancel",
        "POST /api/v1/jobs/{job}/retry",
        "GET /api/v1/jobs/{job}/diagnostics",
        "GET /api/v1/jobs/{job}/log",
        "GET /api/v1/jobs/{job}/log/stream",
        "GET /api/v1/jobs/{job}/manifest",
        "GET /api/v1/jobs/{job}/artifacts.tar.gz",
        "GET /api/v1/jobs/{job}/artifacts/{path}",
        "GET /api/v1/artifacts/{commit}",
        "GET /api/v1/artifacts/{commit}/{toolchain}/{path}",
        "POST /api/v1/uploads",
        "GET /api/v1/uploads/{digest}",
        "POST /api/v1/uploads/{digest}/renew",
        "GET /api/v1/toolchains",
        "GET /api/v1/agents",
        "GET /api/v1/events",
        "GET /healthz",
        "GET /readyz",
    ] {
        assert!(names.iter().any(|name| name == wanted), "{wanted} is not described");
    }
    for (method, path, operation) in &operations {
        let refusal = operation["responses"].as_object().unwrap().iter();
        let mut refusal = refusal.filter(|(status, _)| status.starts_with('4'));
        let (_, refusal) = refusal.next().unwrap_or_else(|| panic!("{method} {path}: no 4xx"));
        let schema = &refusal["content"]["application/json"]["schema"]["$ref"];
        assert_eq!(schema, "#/components/schemas/ErrorEnvelope", "{method} {path}");
        let said = operation["summary"].as_str().unwrap_or_default();
        assert!(!said.is_empty(), "{method} {path} has no summary");
    }
    farm.end().await;
}

#[tokio::test]
async fn every_reference_in_the_description_leads_somewhere() {
    let farm = Farm::alone().await;
    let description = description(&farm).await;
    let mut references = Vec::new();
    collect(&description, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference}"));
        assert!(description.pointer(pointer).is_some(), "{reference}");
    }
    farm.end().await;
}

fn collect(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "$ref" => into.push(text.clone()),
                    value => collect(value, into),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        _ => {}
    }
}

/// What a page asks the browser to load: the values of `src` and `href`.
fn loads(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for attribute in ["src=\"", "href=\"", "src='", "href='"] {
        let quote = attribute.chars().last().unwrap();
        for part in page.split(attribute).skip(1) {
            found.push(part.split(quote).next().unwrap().to_owned());
        }
    }
    found
}

#[tokio::test]
async fn the_page_loads_nothing_from_outside() {
    let farm = Farm::alone().await;
    let mut page = Ask::get("/docs").send(farm.address()).await;
    if (300..400).contains(&page.status) {
        page = Ask::get(page.header("location").unwrap()).send(farm.address()).await;
    }
    assert_eq!(page.status, 200, "{}", page.text());
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("http"), "{policy}");
    assert!(!policy.contains('*'), "{policy}");
    let loads = loads(&page.text());
    assert!(loads.len() >= 3, "{loads:?}");
    for load in loads {
        assert!(!load.contains("//"), "{load} is elsewhere");
        let path = load.trim_start_matches("./").trim_start_matches("/docs/");
        let answer = Ask::get(format!("/docs/{path}")).send(farm.address()).await;
        assert_eq!(answer.status, 200, "{load}");
        let is_style = answer.header("content-type").is_some_and(|kind| kind.contains("css"));
        if is_style {
            let text = answer.text();
            assert!(!text.contains("url(http") && !text.contains("url(//"), "{load}");
            assert!(!text.contains("@import"), "{load}");
        }
    }
    let setup = Ask::get("/docs/swagger-initializer.js").send(farm.address()).await;
    assert!(setup.text().contains("/api/v1/openapi.json"), "{}", setup.text());
    for elsewhere in ["http://", "https://"] {
        assert!(!setup.text().contains(elsewhere), "{}", setup.text());
    }
    farm.end().await;
}
