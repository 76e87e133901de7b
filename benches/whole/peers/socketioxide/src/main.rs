//! The server of the benchmarks on socketioxide, written as in its documentation: axum, async handlers, and
//! `Data<rmpv::Value>` for any JSON with binary data. Nagle's algorithm is disabled.

use std::net::Ipv4Addr;
use std::time::Duration;

use axum::serve::ListenerExt;
use rmpv::Value;
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, Data, SocketRef};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::var("PORT").map_err(|_| "PORT must name a port")?.parse::<u16>()?;
    let (layer, io) = SocketIo::builder()
        .ping_interval(Duration::from_secs(25))
        .ping_timeout(Duration::from_secs(20))
        .build_layer();
    io.ns("/", async |socket: SocketRef| {
        socket.on("echo", async |socket: SocketRef, Data::<Value>(data)| {
            let _ = socket.emit("echo", &data);
        });
        socket.on("ack", async |Data::<Value>(data), ack: AckSender| {
            let _ = ack.send(&data);
        });
        socket.on("broadcast", async |io: SocketIo, Data::<Value>(data)| {
            let _ = io.emit("broadcast", &data).await;
        });
        socket.on("join", async |socket: SocketRef, Data::<String>(room), ack: AckSender| {
            socket.join(room);
            let _ = ack.send("ok");
        });
        socket.on("room", async |io: SocketIo, Data::<(String, Value)>((room, data))| {
            let _ = io.to(room).emit("room", &data).await;
        });
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, axum::Router::new().layer(layer)).await?;
    Ok(())
}
