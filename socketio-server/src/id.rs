//! Ids of sockets and of recoverable sessions.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use socketio_cluster::NodeId;
use thiserror::Error;

/// The system provides no random numbers.
#[derive(Debug, Error)]
#[error("the system has no random numbers")]
pub(crate) struct NoRandomness;

/// 15 random bytes as 20 characters, the length of the official server's ids. Some ids are secrets, so the
/// function fails without random numbers.
pub(crate) fn random_id() -> Result<Arc<str>, NoRandomness> {
    let mut bits = [0; 15];
    fill(&mut bits)?;
    Ok(URL_SAFE_NO_PAD.encode(bits).into())
}

/// Name of a recovery log; not secret, but unique even without random numbers.
pub(crate) fn log_id() -> Arc<str> {
    random_id().unwrap_or_else(|NoRandomness| NodeId::random().as_str().into())
}

fn fill(bits: &mut [u8]) -> Result<(), NoRandomness> {
    #[cfg(test)]
    if tests::EXHAUSTED.get() {
        return Err(NoRandomness);
    }
    getrandom::fill(bits).map_err(|_| NoRandomness)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::Server;

    thread_local! {
        /// Simulates a system without random numbers, for the current thread.
        pub(super) static EXHAUSTED: Cell<bool> = const { Cell::new(false) };
    }

    #[test]
    fn ids_differ() {
        assert_eq!(random_id().unwrap().len(), 20);
        assert_ne!(random_id().unwrap(), random_id().unwrap());
        for exhausted in [false, true] {
            EXHAUSTED.set(exhausted);
            assert_ne!(log_id(), log_id());
        }
    }

    /// Sends a request and returns the body of its answer.
    async fn request(addr: std::net::SocketAddr, method: &str, query: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let length = body.len();
        let head = format!("{method} /socket.io/?EIO=4&transport=polling{query} HTTP/1.1\r\nhost: a");
        let head = format!("{head}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// Otherwise sockets would share ids, and the ids for recovery could be guessed.
    #[tokio::test]
    async fn without_random_numbers_every_connect_is_refused() {
        let io = Server::builder().build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let serving = io.clone();
        // The server runs on this thread.
        tokio::spawn(async move { serving.serve(listener).await });
        let talk = async {
            let open = request(addr, "GET", "", "").await;
            let sid = format!("&sid={}", open.split('"').nth(3).unwrap());
            EXHAUSTED.set(true);
            assert_eq!(request(addr, "POST", &sid, "40").await, "ok");
            let refused = request(addr, "GET", &sid, "").await;
            assert_eq!(refused, r#"44{"message":"the system has no random numbers"}"#);
            assert_eq!(io.len(), 0);
            EXHAUSTED.set(false);
            assert_eq!(request(addr, "POST", &sid, "40").await, "ok");
            assert!(request(addr, "GET", &sid, "").await.starts_with("40{"));
            assert_eq!(io.len(), 1);
        };
        tokio::time::timeout(Duration::from_secs(20), talk).await.unwrap();
    }
}
