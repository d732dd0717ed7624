//! The one table of all that can be asked. The router is made from it, and the
//! document that clients read, `openapi.json`, is held against it by a test.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};
use reap_core::clean;

use super::door::Peer;
use super::error::ApiError;
use super::{Api, about, events, inside, journal, locks, metrics, plans, sessions};

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// Every program. What it says is a promise.
    All,
    /// The command line of the same version, on the socket.
    CommandLine,
}

/// Something that can be asked.
pub(super) struct Route {
    pub method: Method,
    pub path: &'static str,
    pub of: For,
    handler: fn(MethodFilter) -> MethodRouter<Arc<Api>>,
}

macro_rules! routes {
    ($($of:ident $method:ident $path:literal $handler:path;)*) => {
        /// Everything that can be asked.
        pub(super) const ROUTES: &[Route] = &[$(Route {
            method: Method::$method,
            path: $path,
            of: For::$of,
            handler: |method| on(method, $handler),
        },)*];
    };
}

routes! {
    All GET "/v1/openapi.json" about::document;
    All GET "/v1/about" about::about;
    All GET "/v1/status" about::status;
    All POST "/v1/cycle" about::cycle;
    All GET "/v1/sessions" sessions::list;
    All GET "/v1/sessions/{name}" sessions::show;
    All POST "/v1/sessions/{name}/protect" sessions::protect;
    All POST "/v1/sessions/{name}/unprotect" sessions::unprotect;
    All GET "/v1/plan" plans::last;
    All POST "/v1/kill" plans::kill;
    All POST "/v1/cleanup" plans::cleanup;
    All POST "/v1/plans/apply" plans::apply;
    All POST "/v1/plans/{id}/approve" plans::approve;
    All GET "/v1/locks" locks::list;
    All POST "/v1/locks" locks::lock;
    All DELETE "/v1/locks" locks::unlock;
    All GET "/v1/journal" journal::entries;
    All GET "/v1/journal/verify" journal::verify;
    All GET "/v1/events" events::listen;
    All GET "/metrics" metrics::show;
    CommandLine GET "/v1/pass" inside::pass;
    CommandLine POST "/v1/plans/hold" inside::hold;
    CommandLine POST "/v1/apply" inside::apply;
    CommandLine POST "/v1/approve" inside::approve;
    CommandLine POST "/v1/tag" inside::tag;
}

/// The router over the whole table. What is not in it is answered too.
pub(super) fn router(api: Arc<Api>) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let method = route.method.clone().try_into().expect("the table names common methods");
        let mut handler = (route.handler)(method);
        if route.of == For::CommandLine {
            handler = handler.layer(from_fn(of_the_command_line));
        }
        router = router.route(route.path, handler);
    }
    router.method_not_allowed_fallback(wrong_method).fallback(unknown).with_state(api)
}

async fn of_the_command_line(request: Request, next: Next) -> Result<Response, ApiError> {
    let peer =
        request.extensions().get::<Peer>().ok_or_else(|| ApiError::broken(&"a client without a name"))?;
    peer.command_line(request.headers())?;
    Ok(next.run(request).await)
}

async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    let message = format!("{} is not for {method}; /v1/openapi.json says what is", clean::line(uri.path()));
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", message)
}

async fn unknown(uri: Uri) -> ApiError {
    ApiError::not_found(format!(
        "there is nothing at {}; /v1/openapi.json lists what is",
        clean::line(uri.path())
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn document() -> Value {
        serde_json::from_str(about::DOCUMENT).expect("the document is JSON")
    }

    #[test]
    fn the_document_says_what_the_table_says() {
        let table: BTreeSet<(String, String, bool)> = ROUTES
            .iter()
            .map(|route| (route.path.to_owned(), route.method.as_str().to_lowercase(), route.of == For::All))
            .collect();
        assert_eq!(table.len(), ROUTES.len(), "the table names nothing twice");
        let document = document();
        let mut told = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().expect("paths") {
            for (method, about) in methods.as_object().expect("methods") {
                told.insert((path.clone(), method.clone(), about["x-command-line-only"] != true));
            }
        }
        assert_eq!(told, table);
    }

    /// There is no list of them but the names that serde writes.
    #[test]
    fn the_document_names_every_event() {
        let source = include_str!("../../../core/src/event.rs");
        let names: BTreeSet<&str> =
            source.split("#[serde(rename = \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(names.len() > 20, "{names:?}");
        let document = document();
        let told = &document["components"]["schemas"]["Event"]["properties"]["event"]["enum"];
        let told: BTreeSet<&str> = told.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        assert_eq!(told, names);
    }

    #[test]
    fn every_part_of_a_path_and_every_reference_is_explained() {
        let document = document();
        for route in ROUTES {
            let about = &document["paths"][route.path][route.method.as_str().to_lowercase()];
            assert!(about["summary"].is_string(), "{}", route.path);
            let named: BTreeSet<&str> =
                route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
            let parameters = about["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
            let told = parameters.iter().filter(|one| one["in"] == "path");
            assert_eq!(
                told.filter_map(|one| one["name"].as_str()).collect::<BTreeSet<_>>(),
                named,
                "{}",
                route.path
            );
        }
        let mut references = Vec::new();
        refer(&document, &mut references);
        for reference in references {
            let pointer = reference.strip_prefix('#').expect("nothing outside is referred to");
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    }

    fn refer<'a>(value: &'a Value, references: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                references.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|value| refer(value, references));
            }
            Value::Array(values) => values.iter().for_each(|value| refer(value, references)),
            _ => {}
        }
    }
}
