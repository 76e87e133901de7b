//! Socket.IO with plain hyper: the server is a hyper service, and one function dispatches the requests.
//!
//! `cargo run -p examples --bin in_hyper`

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use socketio_server::{Ack, RawArgs, Server};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let io = Server::builder().build()?;
    io.on("echo", |args: RawArgs| async move { Ack(args) });

    let listener = examples::listen().await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let engine = io.service();
        let service = service_fn(move |request: Request<Incoming>| {
            let engine = engine.clone();
            async move {
                let response = if engine.matches(request.uri().path()) {
                    engine.handle(request).await.map(Either::Left)
                } else {
                    Response::new(Either::Right(Full::new(Bytes::from_static(b"a page"))))
                };
                Ok::<_, Infallible>(response)
            }
        });
        tokio::spawn(async move {
            // Without `with_upgrades` there would be no WebSockets.
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.with_upgrades().await {
                println!("a connection failed: {error}");
            }
        });
    }
}
