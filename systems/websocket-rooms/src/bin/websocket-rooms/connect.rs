//! Named clients: each line of the input is sent by all of them, and their events are printed.

use std::time::Duration;

use system_support::{Failure, parsed, variable};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::task::JoinSet;
use websocket_rooms::{Client, ClientOptions, Group, Tls};

use crate::error::Error;

/// Runs until the input ends, or all clients have given up. Fails if a client has given up.
pub(crate) async fn run(urls: &[&str]) -> Result<(), Error> {
    let defaults = ClientOptions { tls: tls()?, ..ClientOptions::default() };
    let milliseconds = u64::try_from(defaults.reconnect_interval.as_millis()).unwrap_or(u64::MAX);
    let interval = Duration::from_millis(parsed("RECONNECT_INTERVAL", milliseconds).map_err(Failure::from)?);
    let group = Group::default();
    let mut running = JoinSet::new();
    for url in urls {
        let wrong = |error: String| Error::Arguments(format!("{url}: {error}"));
        let (name, url) = url.split_once('=').ok_or_else(|| wrong("a client is NAME=URL".to_owned()))?;
        let options = ClientOptions { reconnect_interval: interval, ..defaults.clone() };
        let client =
            group.create_client_with(url, name, options).map_err(|error| wrong(error.to_string()))?;
        report(&client, name);
        let name = name.to_owned();
        // Each client connects in a task of its own; its events report the result.
        running.spawn(async move {
            if client.connect().await.is_ok() {
                client.closed().await;
            }
            name
        });
    }
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut gave_up = Vec::new();
    loop {
        let line = tokio::select! {
            line = lines.next_line() => line.map_err(Failure::from)?,
            // Nothing has closed the client.
            Some(ended) = running.join_next() => {
                let name = ended.map_err(Failure::from)?;
                println!("{name}: gave up");
                gave_up.push(name);
                if running.is_empty() {
                    break;
                }
                continue;
            }
        };
        match line.as_deref() {
            None => break,
            Some("/stats") => {
                println!("{}", serde_json::to_string(&group.stats()).map_err(Failure::from)?);
            }
            Some(line) => println!("sent to {}", group.broadcast_all(line).clients),
        }
    }
    group.close();
    while running.join_next().await.is_some() {}
    if gave_up.is_empty() { Ok(()) } else { Err(Error::GaveUp(gave_up.join(", "))) }
}

/// The certificates that are trusted: those of the system, or of the authority in `CA_FILE`.
fn tls() -> Result<Tls, Failure> {
    let Some(file) = variable("CA_FILE") else { return Ok(Tls::default()) };
    let pem = std::fs::read(&file).map_err(|error| format!("CA_FILE: {file}: {error}"))?;
    Ok(Tls::trusting(pem).map_err(|error| format!("CA_FILE: {file}: {error}"))?)
}

fn report(client: &Client, name: &str) {
    let shown = name.to_owned();
    client.on_open(move |_| {
        println!("{shown}: open");
        async {}
    });
    let shown = name.to_owned();
    client.on_message(move |_, message| {
        println!("{shown}: {}", message.text().unwrap_or("(binary)"));
        async {}
    });
    let shown = name.to_owned();
    client.on_error(move |_, error| {
        println!("{shown}: {error}");
        async {}
    });
    let shown = name.to_owned();
    client.on_close(move |_, reason| {
        println!("{shown}: {reason}");
        async {}
    });
}
