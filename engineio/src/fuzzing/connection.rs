//! Whole connections of a server, with clients that write, read and stall as a script directs.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{sleep, timeout};

use crate::sync::Mutex;
use crate::{Message, Server, Session, Stats};

/// The number of connections: one for polls, one for POSTs, one for a probe.
const CONNECTIONS: usize = 3;
/// Longer than every deadline of the default settings together.
const LONG: Duration = Duration::from_secs(600);
/// The wait for the server after each step. The clock is paused, so this passes as soon as the server is
/// idle.
const STEP: Duration = Duration::from_millis(1);

/// Requests, frames and packets on up to three connections: whatever the clients do, the server holds no
/// state of them after they have disconnected and every deadline has passed.
///
/// The first byte is the number of unread bytes that a connection takes. Each step is a byte for the action,
/// with the connection in its upper bits, and a byte for the amount. `$` in the written bytes stands for the
/// newest session's id.
pub fn connection(data: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without I/O needs nothing").block_on(run(data));
}

async fn run(data: &[u8]) {
    let [room, script @ ..] = data else { return };
    let newest = Arc::new(Mutex::new(String::new()));
    let sid = Arc::clone(&newest);
    let accept = move |session: &Session| {
        *sid.lock() = session.id().as_str().to_owned();
        // More than the connection takes.
        let _ = session.send("x".repeat(300));
        |session: &Session, message: Message| {
            let _ = session.send(message);
        }
    };
    let server =
        Server::builder().allow_eio3(true).jsonp(true).build(accept).expect("the settings are valid");
    let mut clients: [Option<DuplexStream>; CONNECTIONS] = [const { None }; CONNECTIONS];
    let mut rest = script;
    while let [step, amount, behind @ ..] = rest {
        rest = behind;
        let client = clients[usize::from(*step >> 4) % CONNECTIONS].get_or_insert_with(|| {
            let (ours, theirs) = tokio::io::duplex(usize::from(*room) * 8 + 1);
            server.connect(ours, ([127, 0, 0, 1], 1).into());
            theirs
        });
        match *step & 7 {
            0..=3 => {
                let (text, behind) = rest.split_at(usize::from(*amount).min(rest.len()));
                rest = behind;
                let sid = newest.lock().clone();
                let mut bytes = Vec::new();
                for byte in text {
                    if *byte == b'$' { bytes.extend_from_slice(sid.as_bytes()) } else { bytes.push(*byte) }
                }
                let _ = timeout(STEP, client.write_all(&bytes)).await;
            }
            4 => {
                let mut taken = vec![0; usize::from(*amount) * 8 + 1];
                let _ = timeout(STEP, client.read(&mut taken)).await;
            }
            5 => sleep(Duration::from_millis(200) * u32::from(*amount)).await,
            6 => drop(timeout(STEP, client.shutdown()).await),
            _ => clients[usize::from(*step >> 4) % CONNECTIONS] = None,
        }
    }
    drop(clients);
    sleep(LONG).await;
    assert_eq!(server.stats(), Stats::default(), "something is left");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Encodes the steps of a script and the bytes that they write.
    fn script(steps: &[(u8, &[u8])]) -> Vec<u8> {
        let mut script = vec![8];
        for (step, text) in steps {
            script.extend_from_slice(&[*step, u8::try_from(text.len()).unwrap()]);
            script.extend_from_slice(text);
        }
        script
    }

    #[test]
    fn a_session_that_polls_and_is_upgraded_leaves_nothing() {
        let probe = b"GET /engine.io/?EIO=4&transport=websocket&sid=$ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
            Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
        connection(&script(&[
            (0, b"GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n"),
            (4, b""),
            (16, probe),
            (0, b"GET /engine.io/?EIO=4&transport=polling&sid=$ HTTP/1.1\r\nHost: a\r\n\r\n"),
            (16, b"\x81\x86\0\0\0\x002probe\x81\x81\0\0\0\x005\x81\x83\0\0\0\x004ab"),
            (20, b""),
        ]));
    }

    proptest! {
        #[test]
        fn any_script_leaves_nothing(data in prop::collection::vec(any::<u8>(), 0..300)) {
            connection(&data);
        }
    }
}
