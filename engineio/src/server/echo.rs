//! A server of bare WebSockets, for conformance tests.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::task::Poll;

use http::{Request, Response, StatusCode};
use tokio::net::TcpListener;

use super::driver::close;
use super::driver::websocket_carrier::{Received, WebSocketCarrier};
use super::http::http_server::HttpServer;
use super::http::incoming::RequestBody;
use super::http::routes::Routes;
use super::http::upgrade;
use super::response::body::Body;
use super::session::handle::Session;
use super::shared::Shared;
use super::{Server, handler_fn};
use crate::config::{Config, SlowConsumer};
use crate::error::ConfigError;
use crate::outbox::Outbox;
use crate::outbox::received::ReceivedBytes;
use crate::protocol::frame::CloseCode;
use crate::protocol::packet::{Message, Protocol};
use crate::protocol::prepared::{Dialect, Prepared};
use crate::websocket::accept::accept;
use crate::websocket::inbound::Event;
use crate::websocket::outbound::Source;

/// Accepts every request as a WebSocket and sends each message back, with the limits of these settings.
pub async fn serve(listener: &TcpListener, config: Config) -> Result<(), ConfigError> {
    let server =
        Server::builder().config(config).build(|_: &Session| handler_fn(|_: &Session, _: Message| {}))?;
    let routes = Routes::new(move |request| {
        let answer = respond(request, &server.0);
        async move { answer }
    });
    HttpServer::new(routes).serve(listener, pending()).await;
    Ok(())
}

fn respond(request: Request<RequestBody>, server: &Arc<Shared>) -> Response<Body> {
    let (mut parts, _) = request.into_parts();
    let upgrading = upgrade::take(&mut parts.extensions);
    match (accept(&parts, server.config.per_message_deflate), upgrading) {
        (Ok((answer, deflate)), Some(upgrading)) => {
            let dialect = Dialect { protocol: Protocol::V4, base64: false };
            let websocket = WebSocketCarrier::new(
                upgrading,
                dialect,
                deflate,
                &server.config,
                ReceivedBytes::new(&server.received),
            );
            tokio::spawn(echo(websocket, Arc::clone(server)));
            answer.map(|()| Body::from(""))
        }
        (Err(refusal), _) => refusal.into_response().map(|()| Body::from("")),
        (Ok(_), None) => {
            let mut answer = Response::new(Body::from(""));
            *answer.status_mut() = StatusCode::NOT_IMPLEMENTED;
            answer
        }
    }
}

async fn echo(mut websocket: WebSocketCarrier, server: Arc<Shared>) {
    let outbox = Outbox::new(usize::MAX, SlowConsumer::Refuse);
    let mut end = None;
    // The outbox is written before the next read, so it never holds more than the responses to one read.
    let mut waits = false;
    let code = poll_fn(|cx| {
        loop {
            let mut idle = false;
            if !waits && end.is_none() {
                match websocket.poll_receive(cx) {
                    Poll::Pending => idle = true,
                    Poll::Ready(mut batch) => {
                        while let Some(received) = websocket.next(&mut batch) {
                            end = end.or(event(received, &mut websocket, &outbox));
                        }
                        waits = true;
                    }
                }
            }
            match websocket
                .poll_flush(Some(Source { outbox: &outbox, on_take: &mut |_| {}, translate: None }), cx)
            {
                Ok(true) => waits = false,
                Ok(false) => idle = true,
                Err(_) => return Poll::Ready(None),
            }
            match end {
                Some(code) if !waits => return Poll::Ready(code),
                _ if idle => return Poll::Pending,
                _ => {}
            }
        }
    })
    .await;
    close::spawn(websocket, code.map(|code| (code, "")), &server);
}

/// Handles one event. `Some` ends the connection with this close code.
fn event(received: Received, websocket: &mut WebSocketCarrier, outbox: &Outbox) -> Option<Option<CloseCode>> {
    let message = match received {
        Received::Event(Event::Text(text)) => Message::Text(text),
        Received::Event(Event::Binary(data)) => Message::Binary(data),
        Received::Event(Event::Ping(data)) => {
            websocket.pong(&data);
            return None;
        }
        Received::Event(_) => return None,
        Received::Closed(code) => return Some(code),
        Received::Violation(code) => return Some(Some(code)),
        Received::ServerFull => return Some(Some(CloseCode::TRY_AGAIN_LATER)),
        Received::Lost => return Some(None),
    };
    let _ = outbox.push(Prepared::bare(message));
    None
}
