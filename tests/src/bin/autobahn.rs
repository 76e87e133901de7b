//! Server and client under test of the Autobahn cases. `autobahn serve` is a server that echoes every
//! message, on a port that it prints; `autobahn visit PORT CONCURRENCY` is a client that runs all cases of a
//! server.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use engineio::client::{Client, ClientBuilder};
use engineio::{Config, Message, PerMessageDeflate, echo};
use futures_util::{StreamExt, stream};
use tokio::net::TcpListener;

/// Size of the largest messages, in the cases 9.1 and 9.2.
const MAX_PAYLOAD: usize = 16 << 20;
/// Fragments of the messages in the cases 9.3.1 and 9.4.1: 4 MiB in fragments of 64 bytes.
const MAX_FRAGMENTS: u32 = 65_536;
/// Timeout of a case, longer than the longest one.
const CASE: Duration = Duration::from_secs(110);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => serve().await,
        ["visit", port, concurrency] => visit(port.parse()?, concurrency.parse()?).await,
        _ => Err("autobahn serve | autobahn visit PORT CONCURRENCY".into()),
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let mut config = Config::default();
    config.max_payload = MAX_PAYLOAD;
    config.max_fragments = MAX_FRAGMENTS;
    config.per_message_deflate = Some(deflate());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    Ok(echo::serve(&listener, config).await?)
}

/// Every message is compressed, and the other side chooses the parameters.
fn deflate() -> PerMessageDeflate {
    PerMessageDeflate::new().threshold(0).server_no_context_takeover(None).client_no_context_takeover(None)
}

async fn visit(port: u16, concurrency: usize) -> Result<(), Box<dyn Error>> {
    let client = Client::builder(&format!("http://127.0.0.1:{port}"))?.configure(|config| {
        config.max_payload = MAX_PAYLOAD;
        config.max_fragments = MAX_FRAGMENTS;
        config.per_message_deflate = Some(deflate());
    });
    let mut count = None;
    let counting = client.clone().path("/getCaseCount");
    echo::visit(&counting, |message| {
        count = String::from_utf8_lossy(message.as_bytes()).parse::<usize>().ok();
        None
    })
    .await?;
    let count = count.ok_or("the server does not say how many cases it has")?;
    let client = Arc::new(client.query("agent", "engineio"));
    stream::iter(1..=count)
        .for_each_concurrent(concurrency, |number| {
            let client = ClientBuilder::clone(&client).path("/runCase").query("case", number.to_string());
            async move {
                // The server judges the end of each case.
                let _ = tokio::time::timeout(CASE, echo::visit(&client, Some::<Message>)).await;
            }
        })
        .await;
    let reporting = ClientBuilder::clone(&client).path("/updateReports");
    Ok(echo::visit(&reporting, |_| None).await?)
}
