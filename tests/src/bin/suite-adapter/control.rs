//! The control connection.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::commands::Suite;

/// The sender of output lines, which wait until there is a connection.
#[derive(Clone)]
pub(crate) struct Output {
    sender: mpsc::UnboundedSender<String>,
    receiver: Arc<Mutex<Option<mpsc::UnboundedReceiver<String>>>>,
}

impl Default for Output {
    fn default() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self { sender, receiver: Arc::new(Mutex::new(Some(receiver))) }
    }
}

impl Output {
    pub(crate) fn say(&self, body: &Value) {
        // Without the connection the process ends.
        let _ = self.sender.send(format!("{body}\n"));
    }
}

/// Carries out commands until the connection is closed.
pub(crate) async fn obey(stream: TcpStream, output: Output, suite: Arc<Suite>) {
    let _ = stream.set_nodelay(true);
    let (input, mut writer) = stream.into_split();
    let Some(mut lines) = output.receiver.lock().ok().and_then(|mut receiver| receiver.take()) else {
        return;
    };
    tokio::spawn(async move {
        while let Some(line) = lines.recv().await {
            if writer.write_all(line.as_bytes()).await.is_err() {
                return;
            }
        }
    });
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    loop {
        line.clear();
        match input.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        match serde_json::from_slice::<Value>(&line) {
            Ok(command) => suite.begin(command).await,
            Err(error) => eprintln!("a command that cannot be read: {error}"),
        }
    }
}
