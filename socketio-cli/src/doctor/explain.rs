//! Explanations of failed connection attempts.

use engineio::Transport;
use engineio::client::{HttpError, TransportError};

/// Explains why a connection over a transport failed, and its usual causes.
pub(super) fn explain(error: &TransportError, transport: Transport) -> String {
    let http = match error {
        TransportError::Poll(http) | TransportError::Post(http) | TransportError::WebSocket(http) => http,
        TransportError::Handshake | TransportError::Packet(_) => {
            return "the response is not one of an Engine.IO v4 server: the URL is that of a page, of another service, or of a Socket.IO v2 server (see --v2)".to_owned();
        }
        other => return other.to_string(),
    };
    match http {
        HttpError::Connect(error) => format!("the server cannot be reached ({error})"),
        HttpError::Tls(error) => {
            format!(
                "TLS failed ({error}): the certificate is not trusted (see --ca and --insecure), or the port does not serve https"
            )
        }
        HttpError::Proxy(status) => {
            format!("the proxy from the environment variables refused with status {status}")
        }
        HttpError::NotWebSocket => {
            "the response to the upgrade request is not one of a WebSocket server".to_owned()
        }
        HttpError::Http(_) | HttpError::Io(_) | HttpError::NotHttp => {
            format!("the response is not valid HTTP ({http}): check whether the port serves https")
        }
        HttpError::Status { status, body } => {
            explain_status(status.as_u16(), body.as_deref().unwrap_or_default(), transport)
        }
        other => other.to_string(),
    }
}

fn explain_status(status: u16, body: &str, transport: Transport) -> String {
    let transport = transport.as_str();
    match status {
        _ if body.contains("\"code\":5") || body == "Unsupported protocol version" => {
            "the server does not support this protocol version: it is a Socket.IO v2 server (see --v2), or does not accept v2 clients".to_owned()
        }
        _ if body.contains("\"code\":0") || body == "Transport unknown" => {
            format!("the server does not allow the transport {transport}")
        }
        400 if body.contains("\"code\":3") && transport == Transport::WebSocket.as_str() => {
            "status 400 (Bad request): the server received no WebSocket request: a proxy does not forward the header \"Upgrade\"".to_owned()
        }
        301 | 302 | 307 | 308 => format!("status {status}: the server redirects, usually to https or to another host"),
        401 | 403 => format!(
            "status {status}: the server refuses the request before it reads credentials (allowRequest, Origin)"
        ),
        404 => "status 404: there is no endpoint at this path; see --path".to_owned(),
        502..=504 => format!(
            "status {status}: a proxy responds, but cannot reach the server behind it over {transport}"
        ),
        _ => format!("status {status}: {body}"),
    }
}
