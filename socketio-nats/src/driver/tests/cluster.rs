//! Streams and buckets with replicas on three NATS servers.

use super::*;

const NAMES: [&str; 3] = ["a", "b", "c"];

/// Three servers of one NATS cluster, which have to know each other's addresses before they start.
async fn start() -> Vec<Server> {
    let listeners = NAMES.map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let addresses = listeners.each_ref().map(|listener| listener.local_addr().unwrap().to_string());
    drop(listeners);
    let routes = addresses.each_ref().map(|address| format!("nats://{address}"));
    let configuration = |name: &str, address: &String| {
        format!(
            "server_name: {name}\njetstream {{}}\ncluster {{ name: test, listen: {address:?}, routes: {routes:?} }}"
        )
    };
    let mut servers = Vec::new();
    for (name, address) in NAMES.iter().zip(&addresses) {
        servers.push(Server::start_with(&configuration(name, address)).await);
    }
    servers
}

/// Carries out a command as often as it takes: without a leader it is refused, or has no answer. Other connections are opened when
/// one is lost.
async fn insist(driver: &NatsDriver, commands: &mut Box<dyn Commands>, command: &Command) -> Reply {
    tokio::time::timeout(LONG * 3, async {
        loop {
            match commands.send(&[command]).await {
                Ok(mut replies) => match replies.remove(0) {
                    Reply::Refused(_) | Reply::Lost => tokio::time::sleep(Duration::from_millis(20)).await,
                    reply => return reply,
                },
                Err(_) => {
                    while let Some(next) = driver.commands().await.map(|next| *commands = next).err() {
                        assert!(!next.to_string().is_empty());
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
            }
        }
    })
    .await
    .expect("no leader")
}

/// Confirmed entries and values survive the loss of the leader, and the others go on.
#[tokio::test]
async fn confirmed_entries_and_values_survive_a_leader() {
    let mut servers = start().await;
    let urls: Vec<&str> = servers.iter().map(|server| server.url.as_str()).collect();
    let settings = Nats::open(&urls.join(","))
        .unwrap()
        .timeout(Duration::from_secs(1))
        .jetstream(JetStream::default().replicas(3));
    let driver = NatsDriver::new(&settings);
    let mut commands = soon(driver.commands()).await.unwrap();
    let mut confirmed = Vec::new();
    let bucket = bucket("small", Duration::from_secs(100), 2);
    let mut revision = 0;
    for round in 0..2 {
        for number in 0..20 {
            let text = format!("{}", round * 20 + number);
            let Reply::Text(id) = insist(&driver, &mut commands, &append(1000, text.clone())).await else {
                panic!()
            };
            confirmed.push((id, text));
        }
        // A command without an answer may have been carried out: then the value is the wanted one.
        let value = format!("round {round}");
        let write = Command::Request(put(&bucket, "a", value.clone(), revision));
        let written = insist(&driver, &mut commands, &write).await;
        let read = insist(&driver, &mut commands, &Command::Request(get(&bucket, "a"))).await;
        let Reply::Value { value: found, revision: current } = read else { panic!("{read:?}") };
        assert!(found == value && current > revision, "{written:?} {found:?}");
        revision = current;
        if round == 0 {
            // A full bucket takes new values of its keys.
            let other = Command::Request(put(&bucket, "b", "x", 0));
            assert!(matches!(
                insist(&driver, &mut commands, &other).await,
                Reply::Number(_) | Reply::Conflict
            ));
            let info = servers[0].api("STREAM.INFO.socket=2Eio", "").await;
            assert_eq!(info["config"]["num_replicas"], 3);
            let leader = info["cluster"]["leader"].as_str().unwrap();
            let leader = NAMES.iter().position(|name| *name == leader).unwrap();
            drop(servers.remove(leader));
        }
    }
    // A consumer may be given to the server that is gone, and has no answer then: the adapter opens another connection.
    let (mut after, mut all) = ("0-0".to_owned(), Vec::new());
    soon(async {
        while all.last() != confirmed.last() {
            let Ok(mut reader) = driver.entries(STREAM, Duration::from_secs(5)).await else { continue };
            while let Ok(entries) = reader.read(STREAM, &after, 100).await {
                for entry in entries {
                    after.clone_from(&entry.id);
                    let data = data(&entry).to_string();
                    all.push((entry.id, data));
                }
                if all.last() == confirmed.last() {
                    break;
                }
            }
        }
    })
    .await;
    // Those without an answer may be there too.
    all.retain(|entry| confirmed.contains(entry));
    assert_eq!(all, confirmed, "in their order");
}
