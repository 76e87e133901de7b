//! Values that all processes share.

use std::time::Duration;

use socketio_ipc::{Change, IpcAdapter, IpcBroker, PublishError, Values};
use tests::raw::{soon, until};

use super::support::Broker;

/// A number in a value.
fn number(value: Option<&[u8]>) -> u64 {
    value.map_or(0, |value| std::str::from_utf8(value).unwrap().parse().unwrap())
}

async fn add(values: &Values, key: &str) -> u64 {
    let add = |value: Option<&[u8]>| {
        let result = number(value) + 1;
        Change::Put { value: result.to_string().into(), keep_for: Duration::from_secs(60), result }
    };
    values.update(key, |value| add(value.map(|value| &value[..]))).await.unwrap()
}

/// Changes of one value from several processes are made one after the other.
#[tokio::test]
async fn no_change_is_lost() {
    let broker = Broker::start().await;
    let adapters = [IpcAdapter::new(broker.path()), IpcAdapter::new(broker.path())];
    let mut tasks = tokio::task::JoinSet::new();
    for adapter in &adapters {
        soon(adapter.connections().ready()).await;
        for _ in 0..5 {
            let values = adapter.values("numbers", 10);
            tasks.spawn(async move {
                for _ in 0..20 {
                    add(&values, "a").await;
                }
            });
        }
    }
    while let Some(ended) = soon(tasks.join_next()).await {
        ended.unwrap();
    }
    let values = adapters[0].values("numbers", 10);
    assert_eq!(number(values.get("a").await.unwrap().as_deref()), 200);
    assert_eq!(values.update("a", |_| Change::Remove(())).await, Ok(()));
    assert_eq!(values.get("a").await, Ok(None));
    assert_eq!(add(&values, "a").await, 1);
}

/// Queued changes of a key are made in their order, also when the broker was away.
#[tokio::test]
async fn queued_changes_are_in_order() {
    let mut broker = Broker::start().await;
    let adapter = IpcAdapter::builder(broker.path()).tuning(super::support::hasty()).build();
    soon(adapter.connections().ready()).await;
    broker.kill().await;
    let values = adapter.values("texts", 10);
    for number in 0..50 {
        let key = format!("{}", number % 2);
        let append = move |value: Option<&[u8]>| {
            let mut text = value.map_or_else(Vec::new, <[u8]>::to_vec);
            text.push(b'a' + (number / 2) as u8);
            Change::Put { value: text.into(), keep_for: Duration::from_secs(60), result: () }
        };
        values.queue(key, 1, move |value| append(value.map(|value| &value[..]))).unwrap();
    }
    broker.start_again();
    let all: Vec<u8> = (b'a'..b'a' + 25).collect();
    for key in ["0", "1"] {
        until(async || values.get(key).await.is_ok_and(|value| value.as_deref() == Some(&all[..]))).await;
    }
}

/// A bucket has a number of values, and the broker a size of all. Values end, and lists are in the order of the last changes.
#[tokio::test]
async fn values_are_limited_and_listed() {
    let broker = Broker::with(IpcBroker::new().max_value_bytes(1_000_000));
    let adapter = IpcAdapter::new(broker.path());
    soon(adapter.connections().ready()).await;
    let values = adapter.values("many", 1_000);
    let put = async |key: &str, bytes: usize, keep_for| {
        let value = vec![b'x'; bytes];
        values.update(key, |_| Change::Put { value: value.clone().into(), keep_for, result: () }).await
    };
    let minute = Duration::from_secs(60);
    for number in 0..1_000 {
        put(&number.to_string(), 1, minute).await.unwrap();
    }
    assert!(matches!(put("more", 1, minute).await, Err(PublishError::Refused(_))));
    put("0", 2, minute).await.unwrap();
    let keys: Vec<String> = values.list(5_000).await.unwrap().into_iter().map(|listed| listed.key).collect();
    let expected: Vec<String> = (1..1_000).chain([0]).map(|number| number.to_string()).collect();
    assert_eq!(keys, expected);
    assert_eq!(values.list(10).await.unwrap().len(), 10);
    assert!(matches!(put("1", 1_000_000, minute).await, Err(PublishError::Refused(_))));
    put("1", 1, Duration::ZERO).await.unwrap();
    assert_eq!(values.get("1").await, Ok(None));
    assert_eq!(values.list(5_000).await.unwrap().len(), 999);
}
