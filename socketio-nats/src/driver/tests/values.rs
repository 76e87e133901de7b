//! Values of a key-value store.

use std::collections::HashSet;

use super::*;
use crate::driver::requests::{Ask, deadline};
use crate::driver::servers::Order;

/// A value is written only with its revision.
#[tokio::test]
async fn a_value_has_a_revision() {
    let server = Server::start().await;
    let (mut commands, bucket) = (server.commands().await, sessions());
    for key in ["a", "sio:session:x.y", ""] {
        assert_eq!(ask(&mut commands, get(&bucket, key)).await, Reply::Nothing);
        let Reply::Number(first) = ask(&mut commands, put(&bucket, key, "one", 0)).await else {
            panic!("{key}")
        };
        assert_eq!(ask(&mut commands, put(&bucket, key, "two", 0)).await, Reply::Conflict);
        assert_eq!(ask(&mut commands, put(&bucket, key, "two", first + 100)).await, Reply::Conflict);
        let Reply::Number(second) = ask(&mut commands, put(&bucket, key, "two", first)).await else {
            panic!("{key}")
        };
        assert!(second > first && first > 0);
        let value = Reply::Value { value: "two".into(), revision: second };
        assert_eq!(ask(&mut commands, get(&bucket, key)).await, value);
        assert_eq!(ask(&mut commands, delete(&bucket, key, first)).await, Reply::Conflict);
        assert_eq!(ask(&mut commands, delete(&bucket, key, 0)).await, Reply::Conflict);
        assert_eq!(ask(&mut commands, delete(&bucket, key, second)).await, Reply::Number(second));
        assert_eq!(ask(&mut commands, delete(&bucket, key, second)).await, Reply::Conflict);
        assert_eq!(ask(&mut commands, delete(&bucket, key, 10_000)).await, Reply::Conflict);
        assert_eq!(ask(&mut commands, get(&bucket, key)).await, Reply::Nothing);
        assert_eq!(ask(&mut commands, put(&bucket, key, "three", second)).await, Reply::Conflict);
        assert!(matches!(ask(&mut commands, put(&bucket, key, "three", 0)).await, Reply::Number(_)));
    }
}

/// The commands of one batch see what those before them have written.
#[tokio::test]
async fn the_commands_of_a_batch_are_carried_out_in_their_order() {
    let server = Server::start().await;
    let (mut commands, bucket) = (server.commands().await, sessions());
    for round in 0..20 {
        let (first, key) = (round * 2 + 1, "a");
        let batch = [
            put(&bucket, key, "x", 0),
            get(&bucket, key),
            put(&bucket, key, "y", first),
            list(&bucket, 0, 10),
            delete(&bucket, key, first + 1),
            get(&bucket, key),
            list(&bucket, 0, 10),
        ];
        let replies = send(&mut commands, &batch.map(Command::Request)).await;
        let fields = vec![(key.into(), "y".into())];
        let expected = [
            Reply::Number(first),
            Reply::Value { value: "x".into(), revision: first },
            Reply::Number(first + 1),
            Reply::Entries(vec![Entry { id: (first + 1).to_string(), fields }]),
            Reply::Number(first + 1),
            Reply::Nothing,
            Reply::Entries(Vec::new()),
        ];
        assert_eq!(replies, expected);
    }
}

/// In files too, whose errors are others.
#[tokio::test]
async fn values_in_files_have_the_same_replies() {
    let server = Server::start().await;
    let settings = server.settings().jetstream(JetStream::default());
    let (mut commands, bucket) = (soon(NatsDriver::new(&settings).commands()).await.unwrap(), sessions());
    assert_eq!(ask(&mut commands, put(&bucket, "a", "x", 0)).await, Reply::Number(1));
    for (revision, reply) in [(2, Reply::Conflict), (1, Reply::Number(1)), (1, Reply::Conflict)] {
        assert_eq!(ask(&mut commands, delete(&bucket, "a", revision)).await, reply);
    }
    assert_eq!(ask(&mut commands, put(&bucket, "a", "x", 0)).await, Reply::Number(2));
}

/// A revision of another key removes nothing.
#[tokio::test]
async fn a_value_is_removed_under_its_own_key_only() {
    let server = Server::start().await;
    let (mut commands, bucket) = (server.commands().await, sessions());
    assert_eq!(ask(&mut commands, put(&bucket, "a", "x", 0)).await, Reply::Number(1));
    assert_eq!(ask(&mut commands, delete(&bucket, "b", 1)).await, Reply::Conflict);
    assert!(matches!(ask(&mut commands, get(&bucket, "a")).await, Reply::Value { .. }));
}

/// Values that other programs remove leave a message, which is no value.
#[tokio::test]
async fn a_value_that_another_program_has_removed_can_be_written() {
    let server = Server::start().await;
    let (mut commands, bucket) = (server.commands().await, sessions());
    assert_eq!(ask(&mut commands, put(&bucket, "a", "x", 0)).await, Reply::Number(1));
    assert_eq!(ask(&mut commands, put(&bucket, "b", "y", 0)).await, Reply::Number(2));
    let mut requests = server.driver().requests(&Order::default(), "test").await.unwrap();
    for operation in ["DEL", "PURGE"] {
        let ask = Ask {
            subject: "$KV.sessions.a".to_owned(),
            headers: crate::protocol::Headers::encode(&[("KV-Operation", operation)]),
            beginning: String::new(),
            payload: &[],
        };
        soon(requests.ask(ask, deadline(LONG))).await.unwrap().unwrap();
        assert_eq!(self::ask(&mut commands, get(&bucket, "a")).await, Reply::Nothing);
        assert_eq!(keys(&self::ask(&mut commands, list(&bucket, 0, 10)).await), ["b"]);
        let Reply::Number(revision) = self::ask(&mut commands, put(&bucket, "a", "z", 0)).await else {
            panic!()
        };
        assert_eq!(
            self::ask(&mut commands, get(&bucket, "a")).await,
            Reply::Value { value: "z".into(), revision }
        );
    }
}

fn keys(reply: &Reply) -> Vec<String> {
    let Reply::Entries(entries) = reply else { panic!("{reply:?}") };
    let key = |entry: &Entry| String::from_utf8(entry.fields[0].0.to_vec()).unwrap();
    entries.iter().map(key).collect()
}

/// A list has the current values in the order of their revisions, page by page.
#[tokio::test]
async fn values_are_listed_page_by_page() {
    let server = Server::start().await;
    let (mut commands, bucket) = (server.commands().await, sessions());
    assert_eq!(ask(&mut commands, list(&bucket, 0, 10)).await, Reply::Entries(Vec::new()));
    let puts: Vec<Command> = (0..300)
        .map(|number| Command::Request(put(&bucket, &format!("key.{number}"), number.to_string(), 0)))
        .collect();
    let replies = send(&mut commands, &puts).await;
    // One key is written again, and one is removed.
    assert_eq!(replies[0], Reply::Number(1));
    assert_eq!(ask(&mut commands, put(&bucket, "key.0", "again", 1)).await, Reply::Number(301));
    assert_eq!(ask(&mut commands, delete(&bucket, "key.1", 2)).await, Reply::Number(2));
    let expected: Vec<String> = (2..300).chain([0]).map(|number| format!("key.{number}")).collect();
    for page in [1000, 298, 299, 300, 70] {
        let (mut after, mut all) = (0, Vec::new());
        loop {
            let reply = ask(&mut commands, list(&bucket, after, page)).await;
            all.extend(keys(&reply));
            let Reply::Entries(entries) = reply else { panic!() };
            assert!(entries.len() <= page);
            if entries.len() < page {
                break;
            }
            after = entries.last().unwrap().id.parse().unwrap();
        }
        assert_eq!(all, expected, "{page}");
    }
    let Reply::Entries(entries) = ask(&mut commands, list(&bucket, 300, 10)).await else { panic!() };
    let fields = vec![("key.0".into(), "again".into())];
    assert_eq!(entries, [Entry { id: "301".to_owned(), fields }]);
    // The consumers are gone.
    let info = server.api("STREAM.INFO.KV_sessions", "").await;
    assert_eq!(info["state"]["consumer_count"], 0);
}

/// Of tasks that write one key at the same time, one wins each round: no write is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_of_twenty_tasks_are_in_a_total_order() {
    let server = Server::start().await;
    let bucket = sessions();
    let mut tasks = Vec::new();
    for task in 0..20_u64 {
        let (mut commands, bucket) = (server.commands().await, Arc::clone(&bucket));
        tasks.push(tokio::spawn(async move {
            let mut written = Vec::new();
            while written.len() < 5 {
                let (text, revision) = match ask(&mut commands, get(&bucket, "list")).await {
                    Reply::Value { value, revision } => {
                        (String::from_utf8(value.to_vec()).unwrap(), revision)
                    }
                    Reply::Nothing => (String::new(), 0),
                    reply => panic!("{reply:?}"),
                };
                let longer = format!("{text} {task}.{}", written.len());
                match ask(&mut commands, put(&bucket, "list", longer, revision)).await {
                    Reply::Number(revision) => written.push(revision),
                    Reply::Conflict => {}
                    reply => panic!("{reply:?}"),
                }
            }
            written
        }));
    }
    let mut revisions = HashSet::new();
    for task in tasks {
        revisions.extend(tokio::time::timeout(LONG * 3, task).await.unwrap().unwrap());
    }
    assert_eq!(revisions.len(), 100, "each write has a revision of its own");
    let mut commands = server.commands().await;
    let Reply::Value { value, .. } = ask(&mut commands, get(&bucket, "list")).await else { panic!() };
    let text = String::from_utf8(value.to_vec()).unwrap();
    let items: Vec<&str> = text.split_whitespace().collect();
    assert_eq!((items.len(), items.iter().collect::<HashSet<_>>().len()), (100, 100), "no write is lost");
}

/// A value that is not written again expires.
#[tokio::test]
async fn a_value_expires() {
    let server = Server::start().await;
    let mut commands = server.commands().await;
    let bucket = bucket("short", Duration::from_secs(1), 10);
    assert_eq!(ask(&mut commands, put(&bucket, "a", "x", 0)).await, Reply::Number(1));
    soon(async {
        while ask(&mut commands, get(&bucket, "a")).await != Reply::Nothing {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(ask(&mut commands, put(&bucket, "a", "x", 1)).await, Reply::Conflict);
    assert_eq!(ask(&mut commands, put(&bucket, "a", "x", 0)).await, Reply::Number(2));
}

/// A full bucket refuses further values, and takes those of known keys.
#[tokio::test]
async fn a_full_bucket_refuses_further_values() {
    let server = Server::start().await;
    for storage in [Storage::Memory, Storage::File] {
        let settings = server.settings().jetstream(JetStream::default().storage(storage));
        let mut commands = soon(NatsDriver::new(&settings).commands()).await.unwrap();
        let bucket = bucket(&format!("small-{storage:?}"), Duration::from_secs(100), 2);
        assert_eq!(ask(&mut commands, put(&bucket, "a", "x", 0)).await, Reply::Number(1));
        assert_eq!(ask(&mut commands, put(&bucket, "b", "x", 0)).await, Reply::Number(2));
        let reply = ask(&mut commands, put(&bucket, "c", "x", 0)).await;
        assert!(refused(&reply).contains("maximum messages exceeded"), "{reply:?}");
        assert_eq!(ask(&mut commands, put(&bucket, "a", "y", 1)).await, Reply::Number(3));
        assert_eq!(ask(&mut commands, delete(&bucket, "b", 2)).await, Reply::Number(2));
        assert_eq!(ask(&mut commands, put(&bucket, "c", "x", 0)).await, Reply::Number(4));
    }
}

/// A bucket with other limits is changed, and keeps its values.
#[tokio::test]
async fn a_bucket_with_other_limits_is_changed() {
    let server = Server::start().await;
    let mut commands = server.commands().await;
    let small = bucket("b", Duration::from_secs(1000), 1);
    assert_eq!(ask(&mut commands, put(&small, "a", "x", 0)).await, Reply::Number(1));
    let large = bucket("b", Duration::from_secs(10), 5);
    assert_eq!(ask(&mut commands, put(&large, "b", "x", 0)).await, Reply::Number(2));
    let config = &server.api("STREAM.INFO.KV_b", "").await["config"];
    assert_eq!((&config["max_msgs"], &config["max_age"]), (&5.into(), &10_000_000_000_u64.into()));
    assert_eq!(keys(&ask(&mut commands, list(&large, 0, 10)).await), ["a", "b"]);
    // One that is removed is made anew.
    server.api("STREAM.DELETE.KV_b", "").await;
    for request in [get(&large, "a"), delete(&large, "a", 1), list(&large, 0, 10), put(&large, "a", "x", 0)] {
        let reply = ask(&mut commands, request.clone()).await;
        let expected = match request {
            Request::Get { .. } => Reply::Nothing,
            Request::Delete { .. } => Reply::Conflict,
            Request::List { .. } => Reply::Entries(Vec::new()),
            _ => Reply::Number(1),
        };
        assert_eq!(reply, expected);
        server.api("STREAM.DELETE.KV_b", "").await;
    }
}
