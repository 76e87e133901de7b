//! rust_socketio, its asynchronous client, for the comparison of clients: see the contract in benches/whole/README.md.

use std::error::Error;
use std::io::stdin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, try_join_all};
use rust_socketio::asynchronous::{Client, ClientBuilder};
use rust_socketio::{Event, Payload, TransportType};
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

fn text() -> String {
    "x".repeat(32)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let url = format!("http://127.0.0.1:{}", std::env::args().nth(1).ok_or("which port?")?);
    let echoes = Arc::new(Echoes::default());
    let mut clients: Vec<Client> = Vec::new();
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
                    clients.extend(try_join_all(some).await?);
                }
            }
            "echo" => {
                echoes.left.store(i64::try_from(count)?, Ordering::Relaxed);
                for client in clients.iter().take(TALKERS as usize) {
                    client.emit("echo", text()).await?;
                }
                echoes.done.notified().await;
            }
            other => return Err(format!("what is {other}?").into()),
        }
        println!("ok");
    }
}

async fn open(url: &str, echoes: &Arc<Echoes>) -> Result<Client, Failure> {
    let joined = Arc::new(Notify::new());
    let (tell, echoes) = (Arc::clone(&joined), Arc::clone(echoes));
    let client = ClientBuilder::new(url)
        .transport_type(TransportType::Websocket)
        .on(Event::Connect, move |_, _| -> BoxFuture<'static, ()> {
            tell.notify_one();
            async {}.boxed()
        })
        .on("echo", move |payload, client: Client| {
            let echoes = Arc::clone(&echoes);
            async move {
                let Payload::Text(arguments) = payload else { panic!("not what was sent: {payload:?}") };
                let said = arguments[0].as_str().unwrap_or_default();
                assert_eq!(said, text());
                let left = echoes.left.fetch_sub(1, Ordering::Relaxed) - 1;
                if left >= TALKERS {
                    client.emit("echo", said).await.expect("the connection is open");
                }
                if left == 0 {
                    echoes.done.notify_one();
                }
            }
            .boxed()
        })
        .connect()
        .await?;
    joined.notified().await;
    Ok(client)
}
