//! The server of the benchmarks: echo, acknowledgement, broadcast and rooms on the port that `PORT` names.

use std::net::Ipv4Addr;

use socketio_server::{Ack, Data, RawArgs, Server, Socket};
use tikv_jemallocator::Jemalloc;
use tokio::net::TcpListener;

/// Gives the memory of a crowd that is gone back to the system, which the allocator of glibc seldom does.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::var("PORT").map_err(|_| "PORT must name a port")?.parse::<u16>()?;
    let io = Server::builder().build()?;
    io.on("echo", |socket: Socket, data: RawArgs| async move { socket.emit("echo", &data) });
    io.on("ack", |data: RawArgs| async move { Ack(data) });
    io.on("join", |socket: Socket, Data(room): Data<String>| async move { socket.join(room) });
    let all = io.of("/");
    io.on("broadcast", move |data: RawArgs| {
        let all = all.clone();
        async move { all.emit("broadcast", &data).await }
    });
    let rooms = io.of("/");
    io.on("room", move |Data(room): Data<String>, args: RawArgs| {
        let rooms = rooms.clone();
        async move {
            // The second argument is handed on unread.
            let data = args.get(1).ok_or("room needs data")?;
            rooms.to(room).emit("room", &data).await.map_err(|_| "not sent")
        }
    });
    io.serve(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?).await?;
    Ok(())
}
