//! The API's description, generated from the handlers, and the page that shows it.
//!
//! The page is Swagger UI, which is part of the binary: nothing is loaded from elsewhere.

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Description,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::SwaggerUi;

use super::{
    ApiError, AppState, artifacts, builds, diagnostics, enrollments, events, farm, health, hooks,
    job_log, jobs, latest, logins, metrics, projects, queues, rebuild, retention, secrets, session,
    targets, tokens, uploads, watch,
};

/// Where the description is.
const DESCRIPTION: &str = "/api/v1/openapi.json";

/// The page needs its own scripts and styles, and inline styles, but nothing from elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self' 'unsafe-inline'; \
     style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
     frame-ancestors 'none'";

/// How tokens come: as every `security` of a route refers to it, with the role that it needs.
#[derive(Debug)]
struct Tokens;

impl Modify for Tokens {
    fn modify(&self, api: &mut Description) {
        let http = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "A token from `kiln token create`; the scope of a route is the role that it needs: \
                 read, submit or admin.",
            ))
            .build();
        let components = api.components.get_or_insert_with(Default::default);
        components.add_security_scheme("token", SecurityScheme::Http(http));
    }
}

#[derive(Debug, OpenApi)]
#[openapi(modifiers(&Tokens), info(
    title = "kiln",
    description = "A self-hosted build farm for C and C++. Errors have one shape everywhere; \
        lists are paged by `limit` and `cursor`; times are RFC 3339 in UTC.",
    license(name = "Apache-2.0", identifier = "Apache-2.0"),
))]
struct Api;

pub(super) fn described() -> OpenApiRouter<AppState> {
    let mut router = OpenApiRouter::with_openapi(Api::openapi())
        .merge(builds::routes())
        .merge(jobs::routes())
        .merge(job_log::routes())
        .merge(diagnostics::routes())
        .merge(uploads::routes())
        .merge(artifacts::routes())
        .merge(farm::routes())
        .merge(enrollments::routes())
        .merge(projects::routes())
        .merge(queues::routes())
        .merge(retention::routes())
        .merge(secrets::routes())
        .merge(watch::routes())
        .merge(hooks::routes())
        .merge(logins::routes())
        .merge(targets::routes())
        .merge(latest::routes())
        .merge(rebuild::routes())
        .merge(tokens::routes())
        .merge(session::routes())
        .merge(events::routes())
        .merge(metrics::routes())
        .merge(health::routes());
    name_operations(router.get_openapi_mut());
    router
}

/// Names every operation after its method and path. By themselves they are called as the handlers are,
/// which are `list` and `show` in many places, and programs made from the description need one for each.
fn name_operations(api: &mut Description) {
    for (path, item) in &mut api.paths.paths {
        let words = path
            .split(['/', '{', '}', '-', '.'])
            .filter(|word| !matches!(*word, "" | "api" | "v1"));
        let name = words.collect::<Vec<_>>().join("_");
        let operations = [
            ("get", &mut item.get),
            ("put", &mut item.put),
            ("post", &mut item.post),
            ("patch", &mut item.patch),
            ("delete", &mut item.delete),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                operation.operation_id = Some(format!("{method}_{name}"));
            }
        }
    }
}

/// The API's description.
pub fn openapi() -> Description {
    described().into_openapi()
}

/// The page and the description.
pub(super) fn pages(description: Description) -> Router<AppState> {
    Router::new()
        .merge(SwaggerUi::new("/docs").url(DESCRIPTION, description))
        .layer(axum::middleware::from_fn(page))
}

/// Lets the page use what it needs; what it does not have is refused as everywhere.
async fn page(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    if response.status() == StatusCode::NOT_FOUND {
        return ApiError::no_route(&path).into_response();
    }
    let policy = HeaderValue::from_static(POLICY);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}
