//! rust_socketio with its asynchronous client, for the comparison of clients; benches/whole/README.md has the
//! contract.

#[path = "../../commands.rs"]
mod commands;

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rust_socketio::asynchronous::{Client, ClientBuilder};
use rust_socketio::{Event, Payload, TransportType};
use tokio::sync::Notify;

use self::commands::{Echoes, Failure, serve, text};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    serve(open, async |client: &Client| Ok(client.emit("echo", text()).await?)).await
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
                if echoes.came() {
                    client.emit("echo", said).await.expect("the connection is open");
                }
            }
            .boxed()
        })
        .connect()
        .await?;
    joined.notified().await;
    Ok(client)
}
