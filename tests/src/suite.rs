//! The nodes behind the port of an official suite, of which there may be several.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use engineio::peers::PeerSettings;
use engineio::{HttpServer, Routes, Server, ServerBuilder};
use tokio::task::JoinSet;

use crate::peers::{Bus, Kind};
use crate::{listen_on_loopback, serve_all};

/// The nodes behind the port of a suite.
///
/// `NODES` is their number, by default one. Several nodes share their sessions over direct connections, and each request
/// goes to the next node, as behind a load balancer without sticky sessions. With `DELAY_MS=0` sessions are announced at
/// once instead of after 300 ms, for tests that wait for less.
pub struct Nodes {
    count: usize,
    bus: Option<Bus>,
    settings: PeerSettings,
}

impl Nodes {
    /// The nodes that the environment asks for. It must be called within a runtime.
    ///
    /// # Errors
    ///
    /// `NODES` or `DELAY_MS` is no number.
    pub fn from_env() -> Result<Self, Box<dyn Error>> {
        let count = std::env::var("NODES").map_or(Ok(1), |count| count.parse())?;
        let mut settings = PeerSettings::new();
        if let Ok(delay) = std::env::var("DELAY_MS") {
            settings = settings.delayed_connection_timeout(Duration::from_millis(delay.parse()?));
        }
        Ok(Self { count, bus: (count > 1).then(|| Bus::new(Kind::Direct, count)), settings })
    }

    /// Lets a server share its sessions, if there are several.
    pub fn share(&self, engine: ServerBuilder) -> ServerBuilder {
        match &self.bus {
            Some(bus) => engine.peers(bus.clone()).peer_settings(self.settings.clone()),
            None => engine,
        }
    }

    /// Builds the servers, and serves on a port of the loopback addresses.
    ///
    /// # Errors
    ///
    /// A server cannot be built, or the port is in use.
    pub async fn serve<E>(
        &self,
        port: u16,
        build: impl Fn() -> Result<Server, E>,
    ) -> Result<(), Box<dyn Error>>
    where
        E: Into<Box<dyn Error>>,
    {
        let listeners = listen_on_loopback(port).await?;
        let Some(bus) = &self.bus else {
            return Ok(serve_all(build().map_err(Into::into)?, listeners).await?);
        };
        let servers = (0..self.count).map(|_| build()).collect::<Result<Vec<_>, _>>().map_err(Into::into)?;
        bus.ready().await;
        let next = AtomicUsize::new(0);
        let routes = Routes::new(move |request| {
            let server = servers[next.fetch_add(1, Ordering::Relaxed) % servers.len()].clone();
            async move { server.handle(request).await }
        });
        let server = Arc::new(HttpServer::new(routes));
        let mut tasks = JoinSet::new();
        for listener in listeners {
            let server = Arc::clone(&server);
            tasks.spawn(async move { server.serve(&listener, std::future::pending()).await });
        }
        tasks.join_all().await;
        Ok(())
    }
}
