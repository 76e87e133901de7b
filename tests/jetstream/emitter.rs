//! The emitter for servers on JetStream.

use serde_json::json;
use socketio_nats::{JetStreamEmitter, Nats};
use tests::raw::{soon, until};
use tests::traveller::Traveller;

use super::recovery::leave;
use super::support::{Broker, recovering};

/// What an emitter sends reaches clients that are there, and those that return.
#[tokio::test]
async fn events_of_an_emitter_reach_clients_that_return() {
    let broker = Broker::start().await;
    let servers = [recovering(&broker).await, recovering(&broker).await];
    let emitter = JetStreamEmitter::new(&Nats::open(&broker.nats.url()).unwrap()).max_len(1_000_000).build();
    let mut client = Traveller::connect(servers[0].addr).await;
    emitter.emit("first", &0).unwrap();
    assert_eq!(client.next().await, json!(["first", 0]));
    emitter.to(&client.sid).sockets_join(&["room"]).unwrap();
    until(async || {
        servers[1].io.all_rooms().await.is_ok_and(|rooms| rooms.iter().any(|room| **room == *"room"))
    })
    .await;
    leave(&mut client, &servers[0]).await;
    emitter.to("room").emit("missed", &1).unwrap();
    emitter.to("other").emit("missed", &2).unwrap();
    soon(emitter.connections().flush()).await;
    assert!(client.return_to(servers[1].addr).await);
    assert_eq!(client.events[1..], [json!(["missed", 1])]);
    let stats = emitter.connections().stats();
    assert_eq!((stats.published, stats.lost, stats.unconfirmed), (4, 0, 0), "{stats:?}");
}
