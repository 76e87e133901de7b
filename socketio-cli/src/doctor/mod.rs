//! `sio doctor`: performs the steps of a client one by one, and explains each failure in one sentence.

mod cors;
mod explain;

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use engineio::Transport;
use engineio::client::{Client, ClientBuilder, Event, OpenError};
use socketio_client::{ConnectError, DisconnectReason, SocketEvent};
use tokio::time::timeout;

use self::explain::explain;
use crate::arguments::{Doctor, Server};
use crate::print::line_out;

/// Result of a step, as a sentence for the report.
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
    let mut working = Vec::new();
    for transport in [Transport::Polling, Transport::WebSocket].into_iter().filter(|one| server.uses(*one)) {
        let opened = open(server, &engine, transport).await;
        report(transport.as_str(), &opened)?;
        working.extend(opened.is_ok().then_some(transport));
    }
    let polling = working.contains(&Transport::Polling);
    if polling && server.uses(Transport::WebSocket) {
        report("upgrade", &upgrade(server, &engine).await)?;
    }
    if let Some(origin) = arguments.origin.as_ref().filter(|_| polling) {
        let checked = timeout(server.timeout, cors::check(&engine, origin)).await;
        report("cors", &checked.unwrap_or_else(|_| Err(no_response(server))))?;
    }
    // WebSocket first: proxies do not buffer its responses.
    let mut transports = working.into_iter().rev();
    let Some(first) = transports.next() else { return Ok(ExitCode::FAILURE) };
    let joined = join(server, first).await?;
    report("namespace", &joined)?;
    if joined.is_ok() {
        let second = transports.next();
        if let Some(transport) = second {
            report("buffering", &buffering(server, transport).await?)?;
        }
        if let Some(idle) = arguments.idle {
            for transport in [Some(first), second].into_iter().flatten() {
                report("idle", &idle_connection(server, transport, idle).await?)?;
            }
        }
    }
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Opens a session over one transport.
async fn open(server: &Server, engine: &ClientBuilder, transport: Transport) -> Finding {
    let engine = engine.clone().transports([transport]);
    match timeout(server.timeout, engine.connect()).await {
        Ok(Ok(client)) => {
            let sid = client.sid().as_str().len();
            // Closed explicitly, so that the server does not keep the session until its ping timeout.
            let _ = timeout(server.timeout, client.close()).await;
            Ok(format!("a session was opened; its id has {sid} characters"))
        }
        Ok(Err(OpenError::Transport(error))) => Err(explain(&error, transport)),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!(
            "the connection was accepted, but {}: the server, or a proxy or firewall in front of it, hangs",
            no_response(server)
        )),
    }
}

fn no_response(server: &Server) -> String {
    format!("no response arrived within {:?}", server.timeout)
}

/// Upgrades a polling session to WebSocket.
async fn upgrade(server: &Server, engine: &ClientBuilder) -> Finding {
    let both = [Transport::Polling, Transport::WebSocket];
    let engine = engine.clone().transports(both).upgrade(true).upgrade_timeout(server.timeout);
    let Ok(Ok(mut client)) = timeout(server.timeout, engine.connect()).await else {
        return Err(
            "polling worked before, but fails now: check for several servers without sticky sessions"
                .to_owned(),
        );
    };
    let finding = match timeout(server.timeout, client.recv()).await {
        Ok(Ok(Event::Upgraded)) => Ok("a polling session was upgraded to WebSocket".to_owned()),
        Ok(Ok(Event::UpgradeFailed(error))) => Err(format!(
            "the server offers WebSocket, but the upgrade failed ({error}): a proxy does not forward the header \"Upgrade\", or there are several servers without sticky sessions"
        )),
        Ok(Ok(_)) => Ok("the session received a message before the upgrade was complete".to_owned()),
        Ok(Err(closed)) => Err(format!(
            "the session ended at its second request ({closed}): check for several servers without sticky sessions"
        )),
        Err(_) => Err("the server does not offer WebSocket, so sessions remain on polling".to_owned()),
    };
    let _ = timeout(server.timeout, client.close()).await;
    finding
}

/// Connects the namespace over polling, after WebSocket has worked: detects a proxy that buffers responses.
async fn buffering(server: &Server, transport: Transport) -> Result<Finding, Box<dyn Error>> {
    let socket = server.socket_over(transport)?;
    let joined = timeout(server.timeout, socket.connect().connected()).await;
    let finding = match joined {
        Ok(Ok(())) => Ok(format!(
            "responses of the server also arrive over {transport}",
            transport = transport.as_str()
        )),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!(
            "sessions open over polling, but {}, unlike over WebSocket: a proxy buffers responses, or there are several servers without sticky sessions",
            no_response(server)
        )),
    };
    // The timeout covers a close packet that a proxy holds back.
    let _ = timeout(server.timeout, socket.close()).await;
    Ok(finding)
}

/// Connects the namespace and sends nothing more: detects connections that are cut when idle.
async fn idle_connection(
    server: &Server,
    transport: Transport,
    idle: Duration,
) -> Result<Finding, Box<dyn Error>> {
    let socket = server.socket_over(transport)?;
    let transport = transport.as_str();
    let mut events = socket.events();
    let Ok(Ok(())) = timeout(server.timeout, socket.connect().connected()).await else {
        return Ok(Err(format!(
            "the namespace was connected before, but cannot be connected over {transport} now"
        )));
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
        Err(_) => Ok(format!("an idle connection over {transport} is still open after {idle:?}")),
        Ok(Some(DisconnectReason::PingTimeout)) => Err(format!(
            "no heartbeat of the server arrived over {transport} within {:.1?}: a proxy buffers responses, or the server hangs",
            begun.elapsed()
        )),
        Ok(Some(DisconnectReason::ServerDisconnect)) => {
            Err(format!("the server disconnected the client over {transport} after {:.1?}", begun.elapsed()))
        }
        Ok(reason) => Err(format!(
            "the connection over {transport} was cut after {:.1?}{}: the idle timeout of a proxy is shorter than the server's ping interval",
            begun.elapsed(),
            reason.map(|reason| format!(" ({reason})")).unwrap_or_default()
        )),
    };
    let _ = timeout(server.timeout, socket.close()).await;
    Ok(finding)
}

/// Connects the namespace.
async fn join(server: &Server, transport: Transport) -> Result<Finding, Box<dyn Error>> {
    let over_polling = transport == Transport::Polling;
    let socket = server.socket_over(transport)?;
    let name = socket.namespace().to_owned();
    let joined = timeout(server.timeout, socket.connect().connected()).await;
    let finding = match joined {
        Ok(Ok(())) => {
            Ok(format!("{name} is connected; the socket id is {}", socket.id().unwrap_or_default()))
        }
        Ok(Err(ConnectError::Refused(refusal))) if refusal.message == "Invalid namespace" => {
            Err(format!("the server has no namespace {name}"))
        }
        Ok(Err(ConnectError::Refused(refusal))) => {
            Err(format!("a middleware of {name} refused the client: {}", refusal.message))
        }
        Ok(Err(ConnectError::V2Server)) => {
            Err("the server speaks the protocol of Socket.IO v2: use --v2".to_owned())
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) if over_polling => {
            Err(format!("{}: a proxy may buffer responses until they are complete", no_response(server)))
        }
        Err(_) => Err(format!(
            "{}: the server uses another parser than {:?}, or a middleware never completes",
            no_response(server),
            server.parser()
        )),
    };
    let _ = timeout(server.timeout, socket.close()).await;
    Ok(finding)
}
