//! The HTTP API: the same commands, for services that cannot hold a connection.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engineio::{OriginPolicy, Origins, Query, RequestBody};
use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::json;
use socketio_gateway::response::{self, HttpResponse};
use socketio_gateway::{Endpoints, OnceError};
use socketio_parser::Value;
use tokio::net::TcpListener;

use crate::bus::Bus;
use crate::command::{Command, CommandError};
use crate::requests::Request as ServiceRequest;
use crate::services::Refusal;
use crate::state::BusState;
use crate::{directory, own_events};

/// OpenAPI description of the API.
pub const OPENAPI: &str = include_str!("../openapi.json");

/// Deadline for reading a body, also for a body that is discarded.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The endpoints of a bus.
pub(crate) struct Api {
    bus: Bus,
    origins: OriginPolicy,
}

/// The content of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    /// A command of this name.
    Command(&'static str),
    Request,
    Clients,
    Services,
    Rooms,
    Ready,
    OpenApi,
}

/// The routes besides those of the commands, all with GET.
const QUERIES: [(&str, Action); 5] = [
    ("/api/clients", Action::Clients),
    ("/api/services", Action::Services),
    ("/api/rooms", Action::Rooms),
    ("/api/ready", Action::Ready),
    ("/api/openapi.json", Action::OpenApi),
];
/// The path of requests between services.
const REQUEST: &str = "/api/request";

/// The paths and methods of the API.
#[cfg(test)]
pub(crate) fn routes() -> impl Iterator<Item = (String, &'static str)> {
    let commands = Command::OPS.into_iter().map(|op| (format!("/api/{op}"), "POST"));
    let commands = commands.chain([(REQUEST.to_owned(), "POST")]);
    commands.chain(QUERIES.into_iter().map(|(path, _)| (path.to_owned(), "GET")))
}

fn action(path: &str) -> Option<Action> {
    if let Some((_, action)) = QUERIES.into_iter().find(|(known, _)| *known == path) {
        return Some(action);
    }
    if path == REQUEST {
        return Some(Action::Request);
    }
    let op = path.strip_prefix("/api/")?;
    Command::OPS.into_iter().find(|known| *known == op).map(Action::Command)
}

impl Bus {
    /// Serves Socket.IO and the API until [`close`](Self::close), over TLS if the settings of the gateway name a
    /// certificate. On a loopback address requests need a local `Host`: a page whose host name resolves to this machine
    /// would count as one of the same host.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        let origins: Origins = self.gateway().config().origins.allowed.iter().collect();
        let mut origins = OriginPolicy::from(origins);
        if listener.local_addr()?.ip().is_loopback() {
            origins = origins.local_hosts().allowed_hosts(self.allowed_hosts());
        }
        self.gateway().serve_with(listener, Arc::new(Api { bus: self.clone(), origins })).await
    }
}

impl Endpoints for Api {
    fn admits(&self, headers: &HeaderMap) -> bool {
        self.origins.allow(headers)
    }

    fn methods(&self, path: &str) -> Option<&'static [Method]> {
        Some(match action(path)? {
            Action::Command(_) | Action::Request => &[Method::POST],
            _ => &[Method::GET],
        })
    }

    fn respond(&self, request: Request<RequestBody>) -> Pin<Box<dyn Future<Output = HttpResponse> + Send>> {
        let bus = self.bus.clone();
        Box::pin(async move {
            let (head, mut body) = request.into_parts();
            let answered = respond(&bus, &head, &mut body).await;
            // A client that sent `Expect` waits for 100 Continue and has not sent the body.
            if answered.is_err() && !head.headers.contains_key(header::EXPECT) {
                discard(&bus, &mut body).await;
            }
            answered.unwrap_or_else(ApiError::into_response)
        })
    }
}

/// Error of a request.
enum ApiError {
    Failed(StatusCode, &'static str, String),
    Once(OnceError),
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: &str) -> Self {
        Self::Failed(status, code, message.to_owned())
    }

    fn into_response(self) -> HttpResponse {
        match self {
            Self::Failed(status, code, message) => response::failure(status, code, &message),
            Self::Once(error) => error.into_response(),
        }
    }
}

impl From<OnceError> for ApiError {
    fn from(error: OnceError) -> Self {
        Self::Once(error)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Key => {
                Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "the key of services is missing or wrong")
            }
            Refusal::Name => Self::new(StatusCode::FORBIDDEN, "forbidden", &refusal.to_string()),
        }
    }
}

impl From<CommandError> for ApiError {
    fn from(error: CommandError) -> Self {
        let status = match error {
            CommandError::NoClient | CommandError::NoService => StatusCode::NOT_FOUND,
            CommandError::Invalid(_) | CommandError::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            CommandError::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            CommandError::Timeout => StatusCode::GATEWAY_TIMEOUT,
            CommandError::Left => StatusCode::BAD_GATEWAY,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.code(), &error.to_string())
    }
}

async fn respond(bus: &Bus, head: &Parts, body: &mut RequestBody) -> Result<HttpResponse, ApiError> {
    let Some(action) = action(head.uri.path()) else {
        return Err(ApiError::new(StatusCode::NOT_FOUND, "not_found", "unknown path"));
    };
    match action {
        Action::OpenApi => Ok(response::of(StatusCode::OK, "application/json", OPENAPI)),
        Action::Ready => {
            let name = sender(bus, head, None).await?;
            Ok(response::json(StatusCode::OK, &json!({ "success": true, "service": name })))
        }
        Action::Rooms => {
            sender(bus, head, None).await?;
            Ok(response::json(StatusCode::OK, &json!({ "success": true, "rooms": bus.rooms() })))
        }
        Action::Clients => {
            sender(bus, head, None).await?;
            let query = Query::from(&head.uri);
            let limit =
                query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(directory::MAX_PAGE);
            let BusState { namespace, .. } = bus.slot().get()?;
            let page = directory::clients(&namespace, query.get("after").unwrap_or_default(), limit);
            Ok(response::json(StatusCode::OK, &page))
        }
        Action::Services => {
            sender(bus, head, None).await?;
            let BusState { namespace, kept, .. } = bus.slot().get()?;
            Ok(response::json(StatusCode::OK, &directory::services(&namespace, &kept)))
        }
        Action::Request => {
            let (name, data, _) = content(bus, head, body).await?;
            let answer = own_events::ask(&bus.slot().get()?, &name, ServiceRequest::read(&data)?).await?;
            let no_json = |_| ApiError::new(StatusCode::BAD_GATEWAY, "no_json", "the answer has binary data");
            let answer = answer.view().to_json().map_err(no_json)?;
            Ok(response::json(StatusCode::OK, &json!({ "success": true, "answer": answer })))
        }
        Action::Command(op) => {
            let (name, data, body) = content(bus, head, body).await?;
            let command = Command::read(op, &data)?;
            let carrying_out = bus.clone();
            // A repeated call of another service is another call.
            let call = format!("bus/{name}/{op}");
            let work = async move {
                let outcome = carrying_out.carry_out(command, &name).await?;
                let mut body = json!(outcome);
                body["success"] = true.into();
                Ok(body.to_string().into())
            };
            bus.gateway().once(&call, head, &body, work).await
        }
    }
}

/// The content of a request, and the name of its sender.
async fn content(
    bus: &Bus,
    head: &Parts,
    body: &mut RequestBody,
) -> Result<(String, Value, Bytes), ApiError> {
    // The key is checked first, so that no body of an unauthorized client is held.
    sender(bus, head, None).await?;
    let body = read(bus, body).await?;
    let invalid =
        |error: serde_json::Error| ApiError::new(StatusCode::BAD_REQUEST, "bad_request", &error.to_string());
    let data: Value = serde_json::from_slice(&body).map_err(invalid)?;
    let name = sender(bus, head, data.get("source").as_str()).await?;
    Ok((name, data, body))
}

/// The name of the service that sends a request, by its token or its key. With a key for several services it is the
/// `source` of the request.
async fn sender(bus: &Bus, head: &Parts, source: Option<&str>) -> Result<String, ApiError> {
    let brought = bearer(&head.headers);
    if let Some(holder) = match brought {
        Some(token) => bus.gateway().check_token(token).await,
        None => None,
    } {
        return bus.services().claimed(&holder.metadata).ok_or_else(|| {
            ApiError::new(StatusCode::FORBIDDEN, "forbidden", "the token is not that of a service")
        });
    }
    Ok(bus.services().name_of(brought, source)?)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

async fn read(bus: &Bus, body: &mut RequestBody) -> Result<Bytes, ApiError> {
    let limited = Limited::new(body, bus.gateway().config().transport.max_payload_bytes);
    match tokio::time::timeout(BODY_TIMEOUT, limited.collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let message = "the body is larger than transport.max_payload_bytes";
            Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message))
        }
        Ok(Err(_)) => Err(ApiError::new(StatusCode::BAD_REQUEST, "bad_request", "the body is incomplete")),
        Err(_) => {
            Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the body did not arrive in time"))
        }
    }
}

/// Reads the rest of a body up to a limit. Closing a connection with unread data resets it, and a client that
/// is still writing would never see the response.
async fn discard(bus: &Bus, body: &mut RequestBody) {
    let rest = async {
        let mut left = bus.gateway().config().transport.max_payload_bytes;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    // A client that writes more slowly is cut off, even if it loses the response.
    let _ = tokio::time::timeout(BODY_TIMEOUT, rest).await;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_openapi_file_describes_all_routes() {
        let file: serde_json::Value = serde_json::from_str(OPENAPI).unwrap();
        let paths = file["paths"].as_object().unwrap().iter();
        let described: BTreeSet<(String, String)> = paths
            .flat_map(|(path, methods)| {
                methods.as_object().unwrap().keys().map(|method| (path.clone(), method.to_uppercase()))
            })
            .collect();
        let routes: BTreeSet<_> = routes().map(|(path, method)| (path, method.to_owned())).collect();
        assert_eq!(described, routes);
        assert_eq!(file["info"]["version"], env!("CARGO_PKG_VERSION"));
    }
}
