//! The end of a server: at once, or in waves.

use std::time::Duration;

use tokio::time::sleep;

use crate::server::Server;

/// Close code and reason of a server that ends.
const GOING_AWAY: (u16, &str) = (1001, "the server is shutting down");

impl Server {
    /// Closes the server: new connections are refused, and all connections are closed with the code 1001.
    /// [`serve`](Self::serve) returns when all of them have ended.
    pub fn close(&self) {
        self.registry().close();
        let connections = self.connections();
        self.stop_accepting();
        for connection in connections {
            connection.close(GOING_AWAY.0, GOING_AWAY.1);
        }
    }

    /// Closes the server in waves: new connections are refused with 503, and those that are open are closed evenly over
    /// `spread` with the code 1001, so that their clients do not all reconnect at the same moment.
    /// [`serve`](Self::serve) returns when all of them have ended.
    pub async fn drain(&self, spread: Duration) {
        self.registry().close();
        let connections = self.connections();
        let gaps = u32::try_from(connections.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let pause = spread.checked_div(gaps).unwrap_or_default();
        for (number, connection) in connections.into_iter().enumerate() {
            if number > 0 && !pause.is_zero() {
                sleep(pause).await;
            }
            connection.close(GOING_AWAY.0, GOING_AWAY.1);
        }
        self.close();
    }

    /// Whether new connections are accepted: not after [`close`](Self::close), and not during a [drain](Self::drain).
    pub fn is_ready(&self) -> bool {
        !self.registry().is_closed()
    }
}
