//! Entries of streams.

use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::driver::jetstream::consumer;
use crate::driver::jetstream::store::Store;
use crate::driver::requests::{Ask, Outgoing, Requests, deadline};
use crate::driver::servers::Order;

/// Reads this many entries.
async fn read(entries: &mut Box<dyn Entries>, after: &str, count: usize, most: usize) -> Vec<Entry> {
    let (mut after, mut all) = (after.to_owned(), Vec::new());
    while all.len() < count {
        let read = soon(entries.read(STREAM, &after, most)).await.unwrap();
        assert!(read.len() <= most);
        after = read.last().map_or(after, |entry| entry.id.clone());
        all.extend(read);
    }
    all
}

fn numbers(entries: &[Entry]) -> Vec<usize> {
    entries.iter().map(data).collect()
}

async fn range(commands: &mut Box<dyn Commands>, from: &str, count: usize) -> Vec<Entry> {
    let range = Request::Range { stream: STREAM.to_owned(), from: from.to_owned(), count };
    match ask(commands, range).await {
        Reply::Entries(entries) => entries,
        reply => panic!("{reply:?}"),
    }
}

fn sequence(id: &str) -> u64 {
    id.split_once('-').unwrap().1.parse().unwrap()
}

/// The id of the same stream with another sequence number.
fn with_sequence(id: &str, sequence: u64) -> String {
    format!("{}-{sequence}", id.split_once('-').unwrap().0)
}

/// Entries of a batch are in their order, and all readers read them, those that begin later too.
#[tokio::test]
async fn a_thousand_entries_are_read_in_their_order_by_two_readers() {
    let server = Server::start().await;
    let mut early = server.entries(Duration::from_secs(5)).await;
    let (first, newest) = soon(early.bounds(STREAM)).await.unwrap();
    let start = newest.unwrap();
    assert_eq!((first.as_deref(), sequence(&start)), (Some(start.as_str()), 0));
    let mut commands = server.commands().await;
    let mut ids = append_all(&mut commands, 10_000, 0..500).await;
    ids.extend(append_all(&mut commands, 10_000, 500..1000).await);
    assert_eq!(ids.iter().map(|id| sequence(id)).collect::<Vec<_>>(), (1..=1000).collect::<Vec<_>>());
    let mut late = server.entries(Duration::from_secs(5)).await;
    for reader in [&mut early, &mut late] {
        let entries = read(reader, &start, 1000, 64).await;
        assert_eq!(numbers(&entries), (0..1000).collect::<Vec<_>>());
        assert_eq!(entries.iter().map(|entry| entry.id.clone()).collect::<Vec<_>>(), ids);
    }
    assert_eq!(soon(late.bounds(STREAM)).await.unwrap().1.as_ref(), ids.last());
    // From the middle on.
    let entries = read(&mut late, &ids[899], 100, 1000).await;
    assert_eq!(numbers(&entries), (900..1000).collect::<Vec<_>>());
}

/// A reader without entries waits for its time, and reads the next one as soon as it is there.
#[tokio::test]
async fn a_reader_waits_for_an_entry() {
    let server = Server::start().await;
    let mut reader = server.entries(Duration::from_millis(200)).await;
    for _ in 0..3 {
        assert_eq!(soon(reader.read(STREAM, "0-0", 10)).await.unwrap(), []);
    }
    let mut commands = server.commands().await;
    let mut after = "0-0".to_owned();
    for number in 0..10 {
        let mut patient = soon(server.driver().entries(STREAM, Duration::from_secs(60))).await.unwrap();
        let (entries, _) = tokio::join!(
            soon(patient.read(STREAM, &after, 10)),
            append_all(&mut commands, 1000, number..number + 1),
        );
        let entries = entries.unwrap();
        assert_eq!(numbers(&entries), [number]);
        after.clone_from(&entries[0].id);
    }
    assert_eq!(numbers(&read(&mut reader, "0-0", 10, 3).await), (0..10).collect::<Vec<_>>());
}

/// No more entries are taken into memory than were asked for. What is not read stays in the stream.
#[tokio::test]
async fn a_reader_that_does_not_read_gets_nothing_sent() {
    let server = Server::start().await;
    let mut commands = server.commands().await;
    append_all(&mut commands, 10_000, 0..300).await;
    let mut requests = server.driver().requests(&Order::default(), "test").await.unwrap();
    let store = Store::entries(STREAM, 1);
    let made = consumer::configuration(&store, 0);
    let made = server_consumer(&mut requests, &store, &made).await;
    let subscription = requests.subscribe().await.unwrap().unwrap();
    let next = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{made}", store.name);
    requests.pull(&next, &subscription, 7, &json!({"batch": 7})).await.unwrap().unwrap();
    let mut read = 0;
    while read < 7 {
        read += soon(requests.delivered(subscription.0, deadline(LONG))).await.unwrap().len();
    }
    assert_eq!(read, 7);
    // All that the server had to send is there when it answers.
    soon(requests.exchange(&[Outgoing::Publish { subject: "x", payload: &[] }], deadline(LONG)))
        .await
        .unwrap();
    let rest = requests.delivered(subscription.0, Instant::now()).await.unwrap();
    assert_eq!(rest, []);
}

async fn server_consumer(requests: &mut Requests, store: &Store, json: &serde_json::Value) -> String {
    let create = Ask::api(store.api("CONSUMER.CREATE"), json);
    let made = requests.ask(create, deadline(LONG)).await.unwrap().unwrap();
    consumer::name(&made).unwrap().to_owned()
}

/// A range has the entries from an id on, up to a number.
#[tokio::test]
async fn a_range_begins_at_an_id() {
    let server = Server::start().await;
    let mut commands = server.commands().await;
    assert_eq!(range(&mut commands, "0-0", 10).await, [], "there is no stream");
    let ids = append_all(&mut commands, 10_000, 0..400).await;
    for (from, count, expected) in [
        ("0-0", 10, 0..10),
        (ids[0].as_str(), 400, 0..400),
        (&ids[50], 100, 50..150),
        (&ids[390], 100, 390..400),
        (&with_sequence(&ids[0], 401), 100, 0..0),
        (&format!("{}-0", u64::MAX), 100, 0..0),
    ] {
        assert_eq!(numbers(&range(&mut commands, from, count).await), expected.collect::<Vec<_>>(), "{from}");
    }
    // One that is removed from the middle is left out, and does not count.
    let name = "socket=2Eio";
    server.api(&format!("STREAM.MSG.DELETE.{name}"), r#"{"seq":3}"#).await;
    assert_eq!(numbers(&range(&mut commands, &ids[1], 3).await), [1, 3, 4]);
    let mut reader = server.entries(Duration::from_secs(5)).await;
    assert_eq!(numbers(&read(&mut reader, &ids[0], 399 - 1, 1000).await)[..3], [1, 3, 4]);
    let wrong = Request::Range { stream: STREAM.to_owned(), from: "x".to_owned(), count: 1 };
    assert!(refused(&ask(&mut commands, wrong).await).contains("id of an entry"));
}

/// A stream in files outlives its server, with its ids.
#[tokio::test]
async fn a_stream_in_files_is_there_after_a_restart() {
    let mut server = Server::start().await;
    let settings = server.settings().jetstream(JetStream::default());
    let mut commands = soon(NatsDriver::new(&settings).commands()).await.unwrap();
    let mut ids = append_all(&mut commands, 100, 0..10).await;
    let mut reader = server.entries(Duration::from_secs(5)).await;
    assert_eq!(read(&mut reader, "0-0", 10, 100).await.len(), 10);
    server.restart().await;
    assert!(soon(reader.read(STREAM, &ids[9], 100)).await.is_err());
    assert!(soon(commands.send(&[&append(100, "0")])).await.is_err());
    let mut commands = server.commands().await;
    ids.extend(append_all(&mut commands, 100, 10..12).await);
    let mut reader = server.entries(Duration::from_secs(5)).await;
    let bounds = soon(reader.bounds(STREAM)).await.unwrap();
    assert_eq!(bounds, (Some(with_sequence(&ids[0], 0)), Some(ids[11].clone())));
    assert_eq!(numbers(&read(&mut reader, &ids[8], 3, 100).await), [9, 10, 11]);
}

/// A stream in memory is another one after a restart: its entries have larger ids, and the bounds say that entries are gone.
#[tokio::test]
async fn a_stream_in_memory_is_made_anew_after_a_restart() {
    let mut server = Server::start().await;
    let mut commands = server.commands().await;
    let before = append_all(&mut commands, 100, 0..5).await;
    server.restart().await;
    let mut commands = server.commands().await;
    let after = append_all(&mut commands, 100, 10..20).await;
    assert_eq!(sequence(&after[0]), 1);
    let parse = |id: &String| id.parse::<socketio_cluster::streams::EntryId>().unwrap();
    assert!(parse(&after[0]) > parse(&before[4]));
    let mut reader = server.entries(Duration::from_secs(5)).await;
    let (first, newest) = soon(reader.bounds(STREAM)).await.unwrap();
    assert!(parse(&first.unwrap()) > parse(&before[4]), "entries may be missed");
    assert_eq!(newest.as_ref(), after.last());
    assert_eq!(numbers(&read(&mut reader, &before[4], 10, 100).await), (10..20).collect::<Vec<_>>());
    // The entry that a client has seen is not another one with the same number.
    assert_eq!(range(&mut commands, &before[4], 1).await[0].id, after[0]);
}

/// The bounds tell a reader that has missed entries from one that has read everything.
#[tokio::test]
async fn trimmed_entries_are_noticed_and_read_ones_are_not() {
    let server = Server::start().await;
    let mut commands = server.commands().await;
    let ids = append_all(&mut commands, 10, 0..10).await;
    let mut reader = server.entries(Duration::from_secs(5)).await;
    assert_eq!(read(&mut reader, "0-0", 10, 10).await.len(), 10);
    let next = append_all(&mut commands, 10, 10..20).await;
    // 1 to 10 are gone, and were read.
    let parse = |id: &str| id.parse::<socketio_cluster::streams::EntryId>().unwrap();
    let mut other = server.entries(Duration::from_secs(5)).await;
    let (first, newest) = soon(other.bounds(STREAM)).await.unwrap();
    let first = first.unwrap();
    assert!(parse(&first) <= parse(&ids[9]), "the reader of the last one has missed nothing");
    assert!(parse(&first) > parse(&ids[8]), "another one has missed an entry");
    assert_eq!(newest.as_ref(), next.last());
    // The same reader goes on. Entries that it has read are not missed when they are gone.
    assert_eq!(numbers(&read(&mut reader, &ids[9], 10, 10).await), (10..20).collect::<Vec<_>>());
    append_all(&mut commands, 10, 20..25).await;
    let (first, _) = soon(reader.bounds(STREAM)).await.unwrap();
    assert!(parse(&first.unwrap()) <= parse(&ids[9]));
    // So many that no request stays.
    assert_eq!(numbers(&read(&mut reader, &next[9], 5, 5).await), (20..25).collect::<Vec<_>>());
    // What is trimmed before it is read is an error, and then the bounds say so.
    let position = with_sequence(&ids[0], 25);
    append_all(&mut commands, 10, 25..125).await;
    let read = soon(reader.read(STREAM, &position, 100)).await;
    assert!(read.unwrap_err().to_string().contains("removed before they were read"));
    let mut reader = server.entries(Duration::from_secs(5)).await;
    let (first, _) = soon(reader.bounds(STREAM)).await.unwrap();
    assert!(parse(&first.unwrap()) > parse(&position));
    assert_eq!(numbers(&self::read(&mut reader, &position, 10, 100).await), (115..125).collect::<Vec<_>>());
}

/// An empty stream whose entries were all removed.
#[tokio::test]
async fn the_bounds_of_an_empty_stream_say_what_was_there() {
    let server = Server::start().await;
    let mut commands = server.commands().await;
    let ids = append_all(&mut commands, 10, 0..5).await;
    server.api("STREAM.PURGE.socket=2Eio", "").await;
    let mut reader = server.entries(Duration::from_secs(5)).await;
    let bounds = soon(reader.bounds(STREAM)).await.unwrap();
    // Larger than the last but one, and not larger than the last.
    assert_eq!(bounds, (Some(ids[4].clone()), Some(ids[4].clone())));
    append_all(&mut commands, 10, 5..6).await;
    assert_eq!(numbers(&read(&mut reader, &ids[4], 1, 10).await), [5]);
}

/// A reader whose stream is removed has an error, and so has one whose stream was made anew.
#[tokio::test]
async fn a_removed_stream_is_an_error_of_the_reader() {
    let server = Server::start().await;
    let mut commands = server.commands().await;
    let ids = append_all(&mut commands, 10, 0..5).await;
    let mut reader = server.entries(Duration::from_secs(60)).await;
    assert_eq!(read(&mut reader, "0-0", 5, 10).await.len(), 5);
    let (entries, _) =
        tokio::join!(soon(reader.read(STREAM, &ids[4], 10)), server.api("STREAM.DELETE.socket=2Eio", ""));
    assert!(entries.unwrap_err().to_string().contains("409 Consumer Deleted"));
    // The next command makes it anew, and keeps its order.
    let mut told = server.entries(Duration::from_secs(5)).await;
    soon(told.bounds(STREAM)).await.unwrap();
    server.api("STREAM.DELETE.socket=2Eio", "").await;
    let again = append_all(&mut commands, 10, 10..15).await;
    assert_eq!(again.iter().map(|id| sequence(id)).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    let error = soon(told.read(STREAM, &ids[4], 10)).await.unwrap_err();
    assert!(error.to_string().contains("made anew"), "{error}");
    let mut reader = server.entries(Duration::from_secs(5)).await;
    assert_eq!(numbers(&read(&mut reader, &ids[4], 5, 10).await), [10, 11, 12, 13, 14]);
    // A removed consumer.
    let names = server.api("CONSUMER.NAMES.socket=2Eio", "").await;
    let remove = async {
        for name in names["consumers"].as_array().unwrap() {
            server.api(&format!("CONSUMER.DELETE.socket=2Eio.{}", name.as_str().unwrap()), "").await;
        }
    };
    let (entries, ()) = tokio::join!(soon(reader.read(STREAM, &again[4], 10)), remove);
    assert!(entries.unwrap_err().to_string().contains("409 Consumer Deleted"));
}

/// The length of a stream is that of the last command with another one; other settings of its owner stay.
#[tokio::test]
async fn a_stream_has_the_length_of_the_commands() {
    let server = Server::start().await;
    server.entries(Duration::from_secs(1)).await.bounds(STREAM).await.unwrap();
    let info = async || server.api("STREAM.INFO.socket=2Eio", "").await;
    assert_eq!(info().await["config"]["max_msgs"], 10_000, "it was made for a reader");
    let mut commands = server.commands().await;
    append_all(&mut commands, 20, 0..30).await;
    let info = info().await;
    assert_eq!((&info["config"]["max_msgs"], &info["state"]["messages"]), (&20.into(), &20.into()));
    assert_eq!(info["config"]["storage"], "memory");
}

/// A message of another program is an entry without fields.
#[tokio::test]
async fn a_message_of_another_format_is_an_entry_without_fields() {
    let server = Server::start().await;
    let mut commands = server.commands().await;
    append_all(&mut commands, 10, 0..1).await;
    let (channel, payload) = ("socket=2Eio.entries".to_owned(), Bytes::from("x"));
    send(&mut commands, &[Command::Publish { channel, payload, sharded: false }]).await;
    append_all(&mut commands, 10, 1..2).await;
    let mut reader = server.entries(Duration::from_secs(5)).await;
    for entries in [read(&mut reader, "0-0", 3, 10).await, range(&mut commands, "0-0", 10).await] {
        let fields: Vec<usize> = entries.iter().map(|entry| entry.fields.len()).collect();
        assert_eq!(fields, [2, 0, 2]);
    }
}
