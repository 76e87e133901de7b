//! HTTP requests other than Socket.IO requests and WebSocket upgrades.

mod api;
mod cors;
mod info;
mod metrics;
pub(crate) mod once;
mod page;
mod routes;
pub(crate) mod security_headers;

use engineio::{Origins, RequestBody};
use http::{HeaderValue, Method, Request, StatusCode, header};

#[cfg(unix)]
pub(crate) use self::metrics::of_worker;
use self::routes::Action;
pub(crate) use self::routes::ROUTES;
#[cfg(feature = "fuzzing")]
pub(crate) use self::routes::Route;
use crate::endpoints::Endpoints;
use crate::gateway::Gateway;
use crate::listen::{Listener, Program};
use crate::response::{self, HttpResponse};

/// Handles a request, and adds the CORS headers to the response.
pub(crate) async fn respond(
    gateway: &Gateway,
    request: Request<RequestBody>,
    listener: Listener,
) -> HttpResponse {
    if let Listener::Clients(program) = listener {
        return to_client(gateway, program, &request);
    }
    let allowed = cors::allowed(gateway.origins(), gateway.config().origins.credentials, &request);
    let mut response = answered(gateway, request, listener).await;
    if let Some(allowed) = allowed {
        allowed.add_to(response.headers_mut());
    }
    response
}

/// Handles a request to an endpoint of the embedding program with these methods.
pub(crate) async fn respond_with(
    gateway: &Gateway,
    request: Request<RequestBody>,
    endpoints: &dyn Endpoints,
    methods: &[Method],
) -> HttpResponse {
    let allowed = cors::allowed(gateway.origins(), gateway.config().origins.credentials, &request);
    let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
    let mut response = if !methods.contains(method) {
        let allowed: Vec<&str> = methods.iter().map(Method::as_str).collect();
        wrong_method(gateway.origins(), &request, &allowed)
    } else if gateway.origins().allow(request.headers()) {
        endpoints.respond(request).await
    } else {
        response::failure(StatusCode::FORBIDDEN, "forbidden_origin", "this origin may not use the API")
    };
    if let Some(allowed) = allowed {
        allowed.add_to(response.headers_mut());
    }
    response
}

/// Handles a request on a connection that uses a reserved file descriptor. Only health checks and metrics are
/// served, so that operators can see the cause.
pub(crate) async fn respond_reserved(
    gateway: &Gateway,
    request: Request<RequestBody>,
    listener: Listener,
) -> HttpResponse {
    if let Ok(Action::Live | Action::Ready | Action::Metrics) = action(gateway.origins(), &request) {
        return respond(gateway, request, listener).await;
    }
    let message = "file descriptors have run out";
    let mut response = response::failure(StatusCode::SERVICE_UNAVAILABLE, "out_of_descriptors", message);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// Handles a request on a port for clients only: health checks, and information about the gateway.
fn to_client(gateway: &Gateway, program: Program, request: &Request<RequestBody>) -> HttpResponse {
    let path = request.uri().path();
    match action(gateway.origins(), request) {
        Ok(Action::Live) => info::live(),
        Ok(Action::Ready) => info::ready(gateway),
        Ok(Action::Home | Action::Info) => info::info(gateway, program),
        // The routes of operators are on other ports. A scraper would take information for metrics.
        _ if ROUTES.iter().any(|route| route.path == path) => not_found(),
        // Other paths respond with the information, so that a caller on the wrong port learns where it is.
        _ if matches!(*request.method(), Method::GET | Method::HEAD) => info::info(gateway, program),
        _ => not_found(),
    }
}

async fn answered(gateway: &Gateway, request: Request<RequestBody>, listener: Listener) -> HttpResponse {
    let action = match action(gateway.origins(), &request) {
        Ok(action) => action,
        Err(refused) => return *refused,
    };
    if !action.is_behind(listener, gateway.config().internal.listen().is_some()) {
        return not_found();
    }
    match action {
        Action::Home if listener == Listener::Internal => info::info(gateway, Program::GATEWAY),
        Action::Home if gateway.config().api.page => page::home(gateway, request.headers()),
        Action::PageFile(file) if gateway.config().api.page => page::file(file),
        Action::PageFile(_) => not_found(),
        Action::Home | Action::Info => info::info(gateway, Program::GATEWAY),
        Action::Api(call) => {
            let response = api::respond(gateway, call, request, listener).await;
            gateway.counters().calls.add(call.name(), response.status());
            response
        }
        Action::Metrics => match api::admit(gateway, &request.into_parts().0, listener) {
            Ok(()) => metrics::metrics(gateway).await,
            Err(refused) => refused.into_response(),
        },
        Action::OpenApi => response::of(StatusCode::OK, "application/json", api::OPENAPI),
        Action::Live => info::live(),
        Action::Ready => info::ready(gateway),
    }
}

/// Finds the route of a request. An error is the response to a request without one, or to a preflight.
fn action(origins: &Origins, request: &Request<RequestBody>) -> Result<Action, Box<HttpResponse>> {
    let path = request.uri().path();
    // HEAD is handled as GET; the HTTP server omits the body.
    let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
    let mut at_path = ROUTES.iter().filter(|route| route.path == path).peekable();
    if at_path.peek().is_none() {
        return Err(Box::new(not_found()));
    }
    if let Some(route) = at_path.clone().find(|route| route.method == *method) {
        return Ok(route.action);
    }
    let allowed: Vec<&str> = at_path.map(|route| route.method.as_str()).collect();
    Err(Box::new(wrong_method(origins, request, &allowed)))
}

/// Response to a request whose method its path does not have, which may be a preflight.
fn wrong_method(origins: &Origins, request: &Request<RequestBody>, allowed: &[&str]) -> HttpResponse {
    if cors::is_preflight(request) {
        return cors::preflight(origins, request.headers(), &allowed.join(", "));
    }
    let mut refused =
        response::failure(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "method not allowed");
    if let Ok(allowed) = HeaderValue::from_str(&allowed.join(", ")) {
        refused.headers_mut().insert(header::ALLOW, allowed);
    }
    refused
}

fn not_found() -> HttpResponse {
    response::failure(StatusCode::NOT_FOUND, "not_found", "unknown path")
}
