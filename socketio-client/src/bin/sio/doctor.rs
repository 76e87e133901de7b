//! `sio doctor`: goes the way of a client step by step, and says in a sentence what is wrong.

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use engineio::Transport;
use engineio::client::{Client, ClientBuilder, Event, HttpError, OpenError, TransportError};
use socketio_client::{ConnectError, DisconnectReason, SocketEvent};
use tokio::time::timeout;

use crate::arguments::{Doctor, Server};
use crate::cors;
use crate::print::line_out;

/// What a step found: what is well, or what is wrong.
type Finding = Result<String, String>;

pub(crate) async fn run(arguments: &Doctor) -> Result<ExitCode, Box<dyn Error>> {
    let server = &arguments.server;
    let engine = server.engine(Client::builder(&server.url)?.upgrade(false));
    let mut healthy = true;
    let mut report = |step: &str, finding: &Finding| {
        let (mark, sentence) = match finding {
            Ok(sentence) => ("ok", sentence),
            Err(sentence) => ("WRONG", sentence),
        };
        healthy &= finding.is_ok();
        line_out(&format!("{mark:<6}{step:<11}{sentence}"))
    };
    let mut works = Vec::new();
    for transport in [Transport::Polling, Transport::WebSocket].into_iter().filter(|one| server.uses(*one)) {
        let opened = open(server, &engine, transport).await;
        report(transport.as_str(), &opened)?;
        works.extend(opened.is_ok().then_some(transport));
    }
    let polling = works.contains(&Transport::Polling);
    if polling && server.uses(Transport::WebSocket) {
        report("upgrade", &upgrade(server, &engine).await)?;
    }
    if let Some(origin) = arguments.origin.as_ref().filter(|_| polling) {
        let asked = timeout(server.timeout, cors::check(&engine, origin)).await;
        report("cors", &asked.unwrap_or_else(|_| Err("no answer came".to_owned())))?;
    }
    // Over WebSocket first: no proxy holds its answers back.
    let mut ways = works.into_iter().rev();
    let Some(first) = ways.next() else { return Ok(ExitCode::FAILURE) };
    let joined = join(server, first).await?;
    report("namespace", &joined)?;
    if joined.is_ok() {
        let second = ways.next();
        if let Some(transport) = second {
            report("buffering", &answers(server, transport).await?)?;
        }
        if let Some(idle) = arguments.idle {
            for transport in [Some(first), second].into_iter().flatten() {
                report("idle", &stay(server, transport, idle).await?)?;
            }
        }
    }
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn open(server: &Server, engine: &ClientBuilder, transport: Transport) -> Finding {
    let engine = engine.clone().transports([transport]);
    match timeout(server.timeout, engine.connect()).await {
        Ok(Ok(client)) => {
            let sid = client.sid().as_str().len();
            // What was opened is closed, so that the server need not wait for it.
            let _ = timeout(server.timeout, client.close()).await;
            Ok(format!("the server opens a session, with an id of {sid} characters"))
        }
        Ok(Err(OpenError::Transport(error))) => Err(explain(&error, transport)),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!(
            "the connection is accepted, but no answer came in {:?}: the server hangs, or a proxy or firewall in front of it does",
            server.timeout
        )),
    }
}

async fn upgrade(server: &Server, engine: &ClientBuilder) -> Finding {
    let both = [Transport::Polling, Transport::WebSocket];
    let engine = engine.clone().transports(both).upgrade(true).upgrade_timeout(server.timeout);
    let Ok(Ok(mut client)) = timeout(server.timeout, engine.connect()).await else {
        return Err("polling worked a moment ago, and does not now: are there several servers without sticky sessions?".to_owned());
    };
    let finding = match timeout(server.timeout, client.recv()).await {
        Ok(Ok(Event::Upgraded)) => Ok("a polling session moves to WebSocket".to_owned()),
        Ok(Ok(Event::UpgradeFailed(error))) => Err(format!(
            "the server offers WebSocket, but a session cannot move to it ({error}): a proxy does not pass the \"Upgrade\" header on, or several servers are not sticky"
        )),
        Ok(Ok(_)) => Ok("the session is in use before it has moved".to_owned()),
        Ok(Err(closed)) => Err(format!(
            "the session ended at its second request ({closed}): are there several servers without sticky sessions?"
        )),
        Err(_) => Err("the server does not offer WebSocket, so sessions stay on polling".to_owned()),
    };
    let _ = timeout(server.timeout, client.close()).await;
    finding
}

/// Joins the namespace over polling, after that has worked over WebSocket.
async fn answers(server: &Server, transport: Transport) -> Result<Finding, Box<dyn Error>> {
    let socket = server.socket_over(transport)?;
    let joined = timeout(server.timeout, socket.connect().connected()).await;
    let finding = match joined {
        Ok(Ok(())) => Ok(format!(
            "the server's answers come through over {transport} too",
            transport = transport.as_str()
        )),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!(
            "sessions open over polling, but no answer came in {:?}, other than over WebSocket: a proxy holds answers back (buffering), or several servers are not sticky",
            server.timeout
        )),
    };
    // What is stuck in a proxy is not waited for.
    let _ = timeout(server.timeout, socket.close()).await;
    Ok(finding)
}

/// Joins the namespace, and then says nothing.
async fn stay(server: &Server, transport: Transport, idle: Duration) -> Result<Finding, Box<dyn Error>> {
    let socket = server.socket_over(transport)?;
    let transport = transport.as_str();
    let mut events = socket.events();
    let Ok(Ok(())) = timeout(server.timeout, socket.connect().connected()).await else {
        return Ok(Err(format!("the namespace was joined a moment ago, and now is not over {transport}")));
    };
    let begun = Instant::now();
    let lost = async {
        loop {
            match events.recv().await {
                Some(SocketEvent::Disconnect(reason)) => break Some(reason),
                Some(_) => {}
                None => break None,
            }
        }
    };
    let finding = match timeout(idle, lost).await {
        Err(_) => Ok(format!("a connection over {transport} is still there after {idle:?}")),
        Ok(Some(DisconnectReason::PingTimeout)) => Err(format!(
            "over {transport} no heartbeat of the server came through in {:.1?}: a proxy holds it back (buffering), or the server hangs",
            begun.elapsed()
        )),
        Ok(Some(DisconnectReason::ServerDisconnect)) => {
            Err(format!("over {transport} the server puts the client out after {:.1?}", begun.elapsed()))
        }
        Ok(reason) => Err(format!(
            "over {transport} the connection is cut after {:.1?}{}: a proxy waits for less than the server's ping interval",
            begun.elapsed(),
            reason.map(|reason| format!(" ({reason})")).unwrap_or_default()
        )),
    };
    let _ = timeout(server.timeout, socket.close()).await;
    Ok(finding)
}

async fn join(server: &Server, transport: Transport) -> Result<Finding, Box<dyn Error>> {
    let over_polling = transport == Transport::Polling;
    let socket = server.socket_over(transport)?;
    let name = socket.namespace().to_owned();
    let joined = timeout(server.timeout, socket.connect().connected()).await;
    let finding = match joined {
        Ok(Ok(())) => Ok(format!("{name} is joined, as socket {}", socket.id().unwrap_or_default())),
        Ok(Err(ConnectError::Refused(refusal))) if refusal.message == "Invalid namespace" => {
            Err(format!("there is no namespace {name}"))
        }
        Ok(Err(ConnectError::Refused(refusal))) => {
            Err(format!("a middleware of {name} refuses the client: {}", refusal.message))
        }
        Ok(Err(ConnectError::OldServer)) => Err("the server speaks Socket.IO v2: see --v2".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) if over_polling => Err(format!(
            "no answer came in {:?}: a proxy may hold answers back until they are complete (buffering)",
            server.timeout
        )),
        Err(_) => Err(format!(
            "no answer came in {:?}: the server uses another parser than {:?}, or a middleware never decides",
            server.timeout,
            server.parser()
        )),
    };
    let _ = timeout(server.timeout, socket.close()).await;
    Ok(finding)
}

fn explain(error: &TransportError, transport: Transport) -> String {
    let http = match error {
        TransportError::Poll(http) | TransportError::Post(http) | TransportError::WebSocket(http) => http,
        TransportError::Handshake | TransportError::Packet(_) => {
            return "something answers, but not an Engine.IO server of revision 4: a page, another service, or a server of Socket.IO v2 (see --v2)".to_owned();
        }
        other => return other.to_string(),
    };
    match http {
        HttpError::Connect(error) => format!("nobody can be reached there ({error})"),
        HttpError::Tls(error) => {
            format!("TLS fails ({error}): the certificate is not trusted, or the port is not for https")
        }
        HttpError::Proxy(status) => format!("the proxy that the environment names refuses with {status}"),
        HttpError::NotWebSocket => {
            "the upgrade is answered by something that does not speak WebSocket".to_owned()
        }
        HttpError::Http(_) | HttpError::Io(_) | HttpError::NotHttp => {
            format!("what answers does not speak HTTP as it should ({http}): is it https?")
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
            "the server speaks another revision of the protocol: it is of Socket.IO v2 (see --v2), or does not let clients of v2 in".to_owned()
        }
        _ if body.contains("\"code\":0") || body == "Transport unknown" => {
            format!("the server does not allow the transport {transport}")
        }
        301 | 302 | 307 | 308 => format!("{status}: the server is elsewhere, or wants https"),
        401 | 403 => format!(
            "{status}: the server forbids the connection before it asks for credentials (allowRequest, Origin)"
        ),
        404 => "404: nothing answers at this path; see --path".to_owned(),
        502..=504 => format!(
            "{status}: a proxy answers, but does not get through to the server behind it over {transport}"
        ),
        _ => format!("{status} {body}"),
    }
}
