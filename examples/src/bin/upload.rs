//! Binary data: a client uploads a file in pieces, and downloads it again. Bytes are a plain type; the
//! attachments are transparent to the application.
//!
//! `cargo run -p examples --bin upload`, then from a Socket.IO client:
//!
//! ```js
//! const socket = io("http://127.0.0.1:3000");
//! for (let at = 0; at < file.length; at += 65536)
//!   await socket.emitWithAck("piece", { name: "a.png", at, data: file.slice(at, at + 65536) });
//! const { data } = await socket.emitWithAck("download", "a.png");
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use socketio_server::{Ack, Binary, Data, Server, State};

/// Memory limit per client.
const LARGEST: usize = 10_000_000;

#[derive(Deserialize)]
struct Piece {
    name: String,
    at: usize,
    data: Binary,
}

#[derive(Serialize)]
struct File {
    name: String,
    data: Binary,
}

/// The uploaded files. State is cloned for each call, so large values are behind an `Arc`.
type Files = Arc<Mutex<HashMap<String, Vec<u8>>>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let io = Server::builder().state(Files::default()).build()?;

    io.on("piece", |State(files): State<Files>, Data(piece): Data<Piece>| async move {
        let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
        let file = files.entry(piece.name).or_default();
        if piece.at != file.len() {
            return Err(format!("the next byte is {}", file.len()));
        }
        if file.len() + piece.data.len() > LARGEST {
            return Err("the file is too large".to_owned());
        }
        file.extend_from_slice(&piece.data);
        Ok(Ack(file.len()))
    });

    io.on("download", |State(files): State<Files>, Data(name): Data<String>| async move {
        let files = files.lock().unwrap_or_else(PoisonError::into_inner);
        let data = files.get(&name).ok_or("there is no such file")?.clone();
        Ok::<_, &str>(Ack(File { name, data: data.into() }))
    });

    io.serve(examples::listen().await?).await?;
    Ok(())
}
