//! A user of the demonstration: a Socket.IO client like one in a browser.

use std::time::Duration;

use serde_json::json;
use service_bus::{Event, EventType};
use socketio_client::{Data, Manager, Socket};
use system_support::Failure;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Time limit of every step of the demonstration.
const LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct User {
    name: &'static str,
    manager: Manager,
    socket: Socket,
    heard: mpsc::UnboundedReceiver<Event>,
}

impl User {
    /// Connects.
    pub(crate) async fn join(name: &'static str, url: &str) -> Result<Self, Failure> {
        let manager = Manager::builder(url)?.build();
        let socket = manager.socket("/");
        socket.auth(&json!({ "user_id": name }))?;
        let (tell, heard) = mpsc::unbounded_channel();
        for kind in EventType::STANDARD {
            let tell = tell.clone();
            socket.on(kind.name(), move |Data(event): Data<Event>| {
                // The receiver may have been dropped.
                let _ = tell.send(event);
                async {}
            });
        }
        socket.connect();
        timeout(LIMIT, socket.connected()).await??;
        println!("{name:<10}connected");
        Ok(Self { name, manager, socket, heard })
    }

    /// Sends an event to the services.
    pub(crate) fn says(&self, event: &Event) -> Result<(), Failure> {
        println!("{:<10}sends {}", self.name, event.kind);
        Ok(self.socket.emit(event.kind.name(), event)?)
    }

    /// Waits for a matching event.
    pub(crate) async fn receives(
        &mut self,
        kind: EventType,
        is_meant: impl Fn(&Event) -> bool,
    ) -> Result<(), Failure> {
        let meant = async {
            while let Some(event) = self.heard.recv().await {
                if event.kind == kind && is_meant(&event) {
                    return Some(event);
                }
            }
            None
        };
        let Ok(Some(event)) = timeout(LIMIT, meant).await else {
            return Err(format!("{} has not received {kind}", self.name).into());
        };
        println!("{:<10}receives {kind} from {}", self.name, event.source);
        Ok(())
    }

    /// Disconnects the user.
    pub(crate) async fn leaves(self) {
        println!("{:<10}disconnects", self.name);
        self.manager.close().await;
    }
}
