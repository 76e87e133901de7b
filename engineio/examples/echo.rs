//! An Engine.IO server that sends every message back.
//!
//! `cargo run -p engineio --example echo`, then connect any Engine.IO client to
//! http://127.0.0.1:3000/engine.io/

use engineio::{CloseReason, Handler, Message, Server, Session};
use tokio::net::TcpListener;

struct Echo;

impl Handler for Echo {
    fn on_message(&mut self, session: &Session, message: Message) {
        // A client that does not read fills its outbox, which closes the session; there is nothing else to
        // do.
        let _ = session.send(message);
    }

    fn on_close(&mut self, session: &Session, reason: CloseReason) {
        println!("{:?} left: {reason}", session.remote_addr());
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::builder().build(|session: &Session| {
        println!("{:?} came over {}", session.remote_addr(), session.transport().as_str());
        Echo
    })?;
    println!("listening on http://127.0.0.1:3000/engine.io/");
    server.serve(TcpListener::bind("127.0.0.1:3000").await?).await?;
    Ok(())
}
