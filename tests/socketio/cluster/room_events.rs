//! What an adapter with one channel per room hears of rooms and sockets.

use std::sync::{Arc, Mutex, OnceLock};

use socketio_server::RoomEvent;
use socketio_server::cluster::{Adapter, AdapterError, BoxFuture, ClusterInbox, ClusterLink, Message};

use crate::support::{builder, start};

#[derive(Clone, Default)]
struct Listening {
    told: Arc<Mutex<Vec<String>>>,
    inbox: Arc<OnceLock<ClusterInbox>>,
}

impl Adapter for Listening {
    fn open(&self, inbox: ClusterInbox) -> Arc<dyn ClusterLink> {
        let _ = self.inbox.set(inbox);
        Arc::new(self.clone())
    }
}

impl ClusterLink for Listening {
    fn publish<'a>(&'a self, _: &'a Message) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async { Ok(()) })
    }

    fn on_room_event(&self, event: &RoomEvent) {
        let (what, room) = match event {
            RoomEvent::Created(room) => ("created", room),
            RoomEvent::Deleted(room) => ("deleted", room),
            _ => return,
        };
        let is_there = self.inbox.get().unwrap().has_room(room);
        self.told.lock().unwrap().push(format!("{what} {room} {is_there}"));
    }

    fn on_socket_event(&self, id: &str, is_here: bool) {
        assert_eq!(self.inbox.get().unwrap().has_socket(id), is_here);
        self.told.lock().unwrap().push(format!("socket {id} {is_here}"));
    }
}

#[tokio::test]
async fn an_adapter_hears_of_rooms_and_sockets() {
    let adapter = Listening::default();
    let running = start(builder().adapter(adapter.clone()), |_| {}).await;
    let (_ws, id) = running.connect().await;
    let told = || std::mem::take(&mut *adapter.told.lock().unwrap());
    assert_eq!(told(), [format!("socket {id} true"), format!("created {id} true")]);
    let socket = running.io.socket(&id).unwrap();
    socket.join("room");
    assert_eq!(told(), ["created room true"]);
    socket.leave("room");
    assert_eq!(told(), ["deleted room false"]);
    socket.disconnect(true);
    assert_eq!(told(), [format!("socket {id} false"), format!("deleted {id} false")]);
}
