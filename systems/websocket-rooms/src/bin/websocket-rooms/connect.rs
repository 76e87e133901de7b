//! Named clients: each line of the input is sent by all of them, and their events are printed.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use websocket_rooms::{Client, ClientOptions, Group};

use system_support::Failure;

/// Runs until the input ends.
pub(crate) async fn run(urls: &[&str]) -> Result<(), Failure> {
    let interval = match std::env::var("RECONNECT_INTERVAL") {
        Ok(milliseconds) => Duration::from_millis(milliseconds.parse()?),
        Err(_) => ClientOptions::default().reconnect_interval,
    };
    let group = Group::default();
    for url in urls {
        let (name, url) = url.split_once('=').ok_or("a client is NAME=URL")?;
        let options = ClientOptions { reconnect_interval: interval, ..ClientOptions::default() };
        let client = group.create_client_with(url, name, options)?;
        report(&client, name);
        // Each client connects in a task of its own; its events report the result.
        tokio::spawn(async move { client.connect().await });
    }
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        if line == "/stats" {
            println!("{}", serde_json::to_string(&group.stats())?);
        } else {
            println!("sent to {}", group.broadcast_all(line).clients);
        }
    }
    let closed: Vec<_> = group.named_clients();
    group.close();
    for (_, client) in closed {
        client.closed().await;
    }
    Ok(())
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
