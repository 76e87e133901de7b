//! The commands of the comparison of clients for programs on tokio; benches/whole/README.md has the contract.

use std::error::Error;
use std::io::stdin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::future::try_join_all;
use tokio::sync::Notify;

const TALKERS: i64 = 20;
const AT_ONCE: usize = 50;

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// The remaining echoes.
#[derive(Default)]
pub(crate) struct Echoes {
    left: AtomicI64,
    done: Notify,
}

impl Echoes {
    /// Counts an arrived echo. Returns whether to send another one.
    pub(crate) fn came(&self) -> bool {
        let left = self.left.fetch_sub(1, Ordering::Relaxed) - 1;
        if left == 0 {
            self.done.notify_one();
        }
        left >= TALKERS
    }
}

/// The text of the echo.
pub(crate) fn text() -> String {
    "x".repeat(32)
}

/// Executes the commands of the standard input, with clients that `open` connects, and that send the text
/// with `talk`.
pub(crate) async fn serve<C>(
    open: impl AsyncFn(&str, &Arc<Echoes>) -> Result<C, Failure>,
    talk: impl AsyncFn(&C) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let url = format!("http://127.0.0.1:{}", std::env::args().nth(1).ok_or("which port?")?);
    let echoes = Arc::new(Echoes::default());
    let mut clients: Vec<C> = Vec::new();
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
                    talk(client).await?;
                }
                echoes.done.notified().await;
            }
            other => return Err(format!("what is {other}?").into()),
        }
        println!("ok");
    }
}
