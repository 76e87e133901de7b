//! The two ports: an API with Socket.IO, and a gateway for both protocols. What lives behind them is the same.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gateway::{Config, Gateway, StartError};
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};

use crate::chat::Model;
use crate::session::Sessions;
use crate::{api, auth, chat};

/// How often it is looked whose session is over.
const SWEEP: Duration = Duration::from_secs(5);

/// Both ports, before they are opened.
#[derive(Clone)]
pub struct DualGateway {
    gateway: Gateway,
    sessions: Sessions,
}

impl DualGateway {
    /// With the gateway's settings, these sessions, and this model for `ai:chat`.
    pub fn new(config: Config, sessions: Sessions, model: impl Model) -> Result<Self, StartError> {
        let gateway = Gateway::new(config)?;
        let namespace = gateway.io().of("/");
        auth::guard(&namespace, sessions.clone());
        chat::register(&namespace, Arc::new(model));
        Ok(Self { gateway, sessions })
    }

    /// The gateway, for handlers and emits of one's own: they reach the clients of both ports and protocols.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Serves the API and Socket.IO on the one, both protocols on the other, until `stop` is done; then clients are
    /// told to go.
    pub async fn serve(
        &self,
        main: TcpListener,
        websocket: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let api = api::router(&self.gateway, self.sessions.clone());
        let gateway = self.gateway.clone();
        let api = axum::serve(main, api.into_make_service_with_connect_info::<SocketAddr>())
            .with_graceful_shutdown(async move {
                stop.await;
                gateway.drain().await;
            });
        let sweep = async {
            let mut ticks = interval(SWEEP);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                auth::end(&self.gateway.io().of("/"));
            }
        };
        let serving = async { tokio::try_join!(api.into_future(), self.gateway.serve(websocket)) };
        tokio::select! {
            served = serving => served.map(|_| ()),
            () = sweep => Ok(()),
        }
    }
}
