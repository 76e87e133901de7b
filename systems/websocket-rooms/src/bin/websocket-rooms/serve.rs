//! `serve`: the server, its settings and its end.

use std::time::Duration;

use system_support::{Failure, listen, parsed, stop_signal, variable};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{info, warn};
use websocket_rooms::{Certificate, ConnectionOptions, Origins, Server, ServerOptions};

use crate::{chat, operators};

/// Serves until a stop signal. Its clients are then closed in waves; a second signal ends the program at once.
pub(crate) async fn run() -> Result<(), Failure> {
    let options = options()?;
    let scheme = if options.certificate.is_some() { "wss" } else { "ws" };
    let drain = Duration::from_millis(parsed("DRAIN_MS", 10_000)?);
    let certificate = options.certificate.clone();
    let server = Server::new(options);
    chat::set_up(&server, system_support::secret("TOKEN")?);
    let address = variable("ADDRESS").unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = listen("ADDRESS", address.as_str()).await?;
    let operators = variable("OPERATOR_ADDRESS").unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let operators = match operators.as_str() {
        "off" => None,
        address => Some(listen("OPERATOR_ADDRESS", address).await?),
    };
    let stop = stop_signal()?;
    reload_at_hangup(certificate)?;
    println!("listening on {scheme}://{}", listener.local_addr()?);
    // It answers until the clients are gone.
    let (done, ended) = oneshot::channel::<()>();
    let health = operators.map(|listener| {
        if let Ok(address) = listener.local_addr() {
            println!("health and metrics on http://{address}");
        }
        let ended = async {
            let _ = ended.await;
        };
        tokio::spawn(operators::serve(listener, server.clone(), ended))
    });
    let serving = tokio::spawn({
        let server = server.clone();
        async move { server.serve(listener).await }
    });
    stop.await;
    let again = stop_signal()?;
    let connections = server.stats().connections;
    info!(connections, "closing the connections");
    let ending = async {
        // The other half is for the close handshakes.
        server.drain(drain / 2).await;
        serving.await
    };
    tokio::select! {
        ended = timeout(drain, ending) => match ended {
            Ok(served) => served??,
            Err(_) => warn!("connections were cut off at the end of DRAIN_MS"),
        },
        () = again => return Err("stopped by a second signal".into()),
    }
    drop(done);
    if let Some(health) = health {
        health.await??;
    }
    Ok(())
}

fn options() -> Result<ServerOptions, Failure> {
    let defaults = ServerOptions::default();
    let connection = defaults.connection.clone();
    let seconds = |name, default: Duration| parsed(name, default.as_secs()).map(Duration::from_secs);
    let certificate = match (variable("TLS_CERTIFICATE"), variable("TLS_KEY")) {
        (None, None) => None,
        (Some(certificate), Some(key)) => {
            let loaded = Certificate::load(certificate, key);
            Some(loaded.map_err(|error| format!("TLS_CERTIFICATE, TLS_KEY: {error}"))?)
        }
        _ => return Err("TLS_CERTIFICATE, TLS_KEY: both are expected".into()),
    };
    let origins: Origins = variable("ORIGINS").unwrap_or_default().parse()?;
    let per_address = parsed("MAX_CONNECTIONS_PER_ADDRESS", defaults.max_connections_per_address)?;
    Ok(ServerOptions {
        origins,
        certificate,
        max_connections: parsed("MAX_CONNECTIONS", defaults.max_connections)?,
        max_connections_per_address: per_address,
        max_handshakes: parsed("MAX_HANDSHAKES", defaults.max_handshakes)?,
        max_rooms_per_connection: parsed("MAX_ROOMS", defaults.max_rooms_per_connection)?,
        handshake_timeout: seconds("HANDSHAKE_SECONDS", defaults.handshake_timeout)?,
        connection: ConnectionOptions {
            ping_interval: seconds("PING_INTERVAL_SECONDS", connection.ping_interval)?,
            ping_timeout: seconds("PING_TIMEOUT_SECONDS", connection.ping_timeout)?,
            max_message_bytes: parsed("MAX_MESSAGE_BYTES", connection.max_message_bytes)?,
            max_queued_bytes: parsed("MAX_QUEUED_BYTES", connection.max_queued_bytes)?,
            max_unhandled: parsed("MAX_UNHANDLED", connection.max_unhandled)?,
            ..connection
        },
        ..defaults
    })
}

/// Reads the certificate again at each SIGHUP. Without one the signal, which would end the process, does nothing.
#[cfg(unix)]
fn reload_at_hangup(certificate: Option<Certificate>) -> Result<(), Failure> {
    let mut hang_up = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
    tokio::spawn(async move {
        while hang_up.recv().await.is_some() {
            match certificate.as_ref().map(Certificate::reload) {
                None => info!("there is nothing to reload"),
                Some(Ok(())) => info!("certificate reloaded"),
                Some(Err(error)) => tracing::error!(%error, "certificate not reloaded"),
            }
        }
    });
    Ok(())
}

#[cfg(not(unix))]
fn reload_at_hangup(_: Option<Certificate>) -> Result<(), Failure> {
    Ok(())
}
