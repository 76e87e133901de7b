//! Our client, for the comparison of clients: see the contract in benches/whole/README.md.

use std::error::Error;
use std::io::stdin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use engineio::client::Proxies;
use futures_util::future::try_join_all;
use socketio_client::{Data, Manager, Socket, Transport};
use tokio::sync::Notify;

const TALKERS: i64 = 20;
const AT_ONCE: usize = 50;

type Failure = Box<dyn Error + Send + Sync>;

/// The echoes that are still to come.
#[derive(Default)]
struct Echoes {
    left: AtomicI64,
    done: Notify,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let url = format!("http://127.0.0.1:{}", std::env::args().nth(1).ok_or("which port?")?);
    let echoes = Arc::new(Echoes::default());
    let mut sockets: Vec<Socket> = Vec::new();
    loop {
        let line = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            stdin().read_line(&mut line).map(|_| line)
        });
        let line = line.await??;
        let Some((command, count)) = line.trim().split_once(' ') else { return Ok(()) };
        let count: usize = count.parse()?;
        match command {
            "connect" => {
                for opened in (0..count).step_by(AT_ONCE) {
                    let some = (opened..count.min(opened + AT_ONCE)).map(|_| open(&url, &echoes));
                    sockets.extend(try_join_all(some).await?);
                }
            }
            "echo" => {
                echoes.left.store(i64::try_from(count)?, Ordering::Relaxed);
                for socket in sockets.iter().take(TALKERS as usize) {
                    socket.emit("echo", &text())?;
                }
                echoes.done.notified().await;
            }
            other => return Err(format!("what is {other}?").into()),
        }
        println!("ok");
    }
}

fn text() -> String {
    "x".repeat(32)
}

async fn open(url: &str, echoes: &Arc<Echoes>) -> Result<Socket, Failure> {
    let manager = Manager::builder(url)?
        .transports([Transport::WebSocket])
        .engine(|engine| engine.proxy(Proxies::None))
        .build();
    let socket = manager.socket("/");
    let echoes = Arc::clone(echoes);
    socket.on("echo", move |socket: Socket, Data(said): Data<String>| {
        let echoes = Arc::clone(&echoes);
        async move {
            assert_eq!(said, text());
            let left = echoes.left.fetch_sub(1, Ordering::Relaxed) - 1;
            if left >= TALKERS {
                socket.emit("echo", &said).expect("the connection is open");
            }
            if left == 0 {
                echoes.done.notify_one();
            }
        }
    });
    socket.connect().connected().await?;
    Ok(socket)
}
