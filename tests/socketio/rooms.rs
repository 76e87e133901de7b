//! Rooms, their members, and the hooks that report changes.

use std::sync::{Arc, Mutex};

use serde_json::json;
use socketio_server::cluster::{
    Adapter, AdapterError, BoxFuture, ClusterInbox, ClusterLink, HandshakeDetails, Message, Presence,
    SocketDetails,
};
use socketio_server::{Binary, ConnectError, Data, RoomEvent, Server, Socket};

use crate::support::{Running, builder, room_handlers, start};

async fn sockets(running: &Running, count: usize) -> Vec<(tests::raw::WebSocket, Socket)> {
    let mut sockets = Vec::new();
    for _ in 0..count {
        let (ws, id) = running.connect().await;
        sockets.push((ws, running.io.socket(&id).unwrap()));
    }
    sockets
}

fn names(rooms: &[socketio_server::Room]) -> Vec<&str> {
    rooms.iter().map(AsRef::as_ref).collect()
}

/// ADAPTER-01, ADAPTER-03
#[tokio::test]
async fn rooms_and_members_are_consistent() {
    let running = start(builder(), |_| {}).await;
    let mut both = sockets(&running, 2).await;
    let (one, two) = (both[0].1.clone(), both[1].1.clone());
    one.join(["r1", "r2"]);
    one.join("r1");
    two.join(["r2", "r3"]);
    assert_eq!(names(&one.rooms()), [one.id(), "r1", "r2"]);
    assert_eq!(names(&one.joined_rooms()), ["r1", "r2"]);
    assert_eq!(["r1", "r3", one.id(), two.id()].map(|room| one.is_in(room)), [true, false, true, false]);
    let lens = || ["r1", "r2", "r3"].map(|room| running.io.room_len(room));
    assert_eq!(lens(), [1, 2, 1]);
    one.leave("r1");
    one.leave("never there");
    assert_eq!(lens(), [0, 2, 1]);
    let mut there = running.io.rooms();
    there.sort();
    assert_eq!(names(&there), ["r2", "r3"]);
    two.leave_all();
    assert_eq!((names(&two.rooms()), two.joined_rooms().len()), (vec![two.id()], 0));
    assert_eq!(lens(), [0, 1, 0]);
    let (mut ws, _) = both.remove(0);
    one.disconnect(false);
    assert_eq!(ws.text().await, "41");
    assert!(!one.is_in("r2") && !one.is_in(one.id()));
    assert!(one.rooms().is_empty() && running.io.rooms().is_empty());
}

#[tokio::test]
async fn sockets_are_listed_in_pages_and_rooms_by_size() {
    let running = start(builder(), |_| {}).await;
    let all = sockets(&running, 5).await;
    let mut ids: Vec<_> = all.iter().map(|(_, socket)| socket.id().to_owned()).collect();
    ids.sort();
    let page = |rooms: &[&str], after: &str| {
        let page = running.io.sockets_page(rooms, after, 2);
        page.iter().map(|socket| socket.id().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!([page(&[], ""), page(&[], &ids[1]), page(&[], &ids[3])].concat(), ids);
    for (number, id) in ids.iter().enumerate() {
        let socket = running.io.socket(id).unwrap();
        socket.join("all");
        if number % 2 == 0 {
            socket.join("even");
        }
    }
    let even = [page(&["all", "even"], ""), page(&["all", "even"], &ids[2])].concat();
    assert_eq!(even, [ids[0].clone(), ids[2].clone(), ids[4].clone()]);
    assert_eq!(page(&["even", &ids[2]], ""), [ids[2].clone()], "the room under its own id");
    assert!(page(&["even", "unknown"], "").is_empty() && page(&[&ids[1], "even"], "").is_empty());
    running.io.socket(&ids[0]).unwrap().disconnect(false);
    assert_eq!(page(&["even"], &ids[0]), [ids[2].clone(), ids[4].clone()], "the cursor has disconnected");
    assert_eq!(running.io.room_count(), 2);
    assert_eq!(running.io.largest_rooms(9), [("all".into(), 4), ("even".into(), 2)]);
    assert_eq!(running.io.largest_rooms(1), [("all".into(), 4)]);
}

#[tokio::test]
async fn rooms_can_be_left_in_a_middleware() {
    let running = start(builder(), |io| {
        io.middleware(|socket: Socket| async move {
            socket.join(["r1", "r2"]);
            socket.leave_all();
            socket.join("r3");
            Ok::<_, ConnectError>(())
        });
    })
    .await;
    let (_ws, id) = running.connect().await;
    assert_eq!(names(&running.io.socket(&id).unwrap().joined_rooms()), ["r3"]);
}

#[tokio::test]
async fn rooms_can_be_joined_in_a_middleware() {
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let running = start(builder(), |io| {
        io.middleware(move |socket: Socket| {
            socket.join(["r1", "r2"]);
            sender.send(socket.joined_rooms()).unwrap();
            async { Ok::<(), ConnectError>(()) }
        });
    })
    .await;
    let (_ws, id) = running.connect().await;
    assert_eq!(names(&tests::raw::soon(seen.recv()).await.unwrap()), ["r1", "r2"]);
    assert_eq!(names(&running.io.socket(&id).unwrap().joined_rooms()), ["r1", "r2"]);
}

/// ADAPTER-02, ADAPTER-07, ADAPTER-08, SIO-SRV-050, SIO-SRV-051, SIO-SRV-052
#[tokio::test]
async fn sockets_are_found_by_their_rooms() {
    let running = start(builder(), |io| {
        io.of("/chat").on_connect(|socket: Socket| async move { socket.join("r1") });
    })
    .await;
    let all = sockets(&running, 3).await;
    let (_other, other) = running.connect_to("/chat").await;
    all[0].1.join("r1");
    all[1].1.join(["r1", "r2"]);
    let found = async |broadcast: socketio_server::Broadcast| {
        let mut ids: Vec<_> =
            broadcast.fetch_sockets().await.unwrap().iter().map(|socket| socket.id().to_owned()).collect();
        ids.sort();
        ids
    };
    let ids = |numbers: &[usize]| {
        let mut ids: Vec<_> = numbers.iter().map(|number| all[*number].1.id().to_owned()).collect();
        ids.sort();
        ids
    };
    let io = &running.io;
    assert_eq!(io.fetch_sockets().await.unwrap().len(), 3);
    assert_eq!(found(io.to("r1")).await, ids(&[0, 1]));
    assert_eq!(found(io.to("r2")).await, ids(&[1]));
    assert_eq!(found(io.to("r1").except("r2")).await, ids(&[0]));
    assert_eq!(found(io.to("unknown")).await, ids(&[]));
    assert_eq!(found(io.of("/chat").to("r1")).await, [other]);
}

/// ADAPTER-04, ADAPTER-05, ADAPTER-06, SIO-SRV-140, SIO-SRV-145, SIO-SRV-158
#[tokio::test]
async fn a_broadcast_is_identical_for_all_receivers() {
    let running = start(builder(), |_| {}).await;
    let mut all = sockets(&running, 3).await;
    let polling = running.polling().await;
    polling.post("40").await;
    polling.poll().await;
    all[0].1.join("r1");
    all[1].1.join(["r1", "r2"]);
    let data = Binary::from_static(b"data");
    running.io.except("r1").emit("outside", &data).await.unwrap();
    running.io.to("r1").except("r2").emit("inside", &data).await.unwrap();
    all[2].1.broadcast().emit("others", &data).await.unwrap();
    all[0].1.to("r1").emit("room", &data).await.unwrap();
    running.io.emit("all", "123").await.unwrap();
    let placeholder = r#"{"_placeholder":true,"num":0}"#;
    for (at, events) in [(0, vec!["inside", "others"]), (1, vec!["others", "room"]), (2, vec!["outside"])] {
        for event in events {
            assert_eq!(all[at].0.text().await, format!(r#"451-["{event}",{placeholder}]"#));
            assert_eq!(all[at].0.binary().await, b"data");
        }
        assert_eq!(all[at].0.text().await, r#"42["all","123"]"#);
    }
    let packets = polling.poll().await;
    let expected =
        ["outside", "others"].map(|event| format!("451-[\"{event}\",{placeholder}]\x1ebZGF0YQ==\x1e"));
    assert_eq!(packets, format!(r#"{}{}42["all","123"]"#, expected[0], expected[1]));
}

/// ADAPTER-09, ADAPTER-10, ADAPTER-11, ADAPTER-12, ADAPTER-13, ADAPTER-15, ADAPTER-16, ADAPTER-17
#[tokio::test]
async fn room_events_are_reported_in_order() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let received = Arc::clone(&events);
    let running = start(builder(), |io| {
        io.on_room_event(move |event| received.lock().unwrap().push(event.clone()));
    })
    .await;
    let mut both = sockets(&running, 2).await;
    let (one, two) = (both[0].1.clone(), both[1].1.clone());
    let told = || std::mem::take(&mut *events.lock().unwrap());
    let joined = |socket: &Socket| RoomEvent::Joined("r".into(), socket.id().into());
    let left = |socket: &Socket| RoomEvent::Left("r".into(), socket.id().into());
    let own = |socket: &Socket| {
        let id: Arc<str> = socket.id().into();
        [RoomEvent::Created(Arc::clone(&id)), RoomEvent::Joined(Arc::clone(&id), id)]
    };
    assert_eq!(told(), [own(&one), own(&two)].concat());
    one.join("r");
    assert_eq!(told(), [RoomEvent::Created("r".into()), joined(&one)]);
    one.join("r");
    assert_eq!(told(), []);
    two.join("r");
    assert_eq!(told(), [joined(&two)]);
    one.leave("r");
    assert_eq!(told(), [left(&one)]);
    two.disconnect(false);
    assert_eq!(both[1].0.text().await, "41");
    let id: Arc<str> = two.id().into();
    let own = [RoomEvent::Left(Arc::clone(&id), Arc::clone(&id)), RoomEvent::Deleted(id)];
    assert_eq!(told(), [&own[..], &[left(&two), RoomEvent::Deleted("r".into())]].concat());
}

/// ADAPTER-14: also while recovery keeps its log locked.
#[tokio::test]
async fn a_room_hook_can_change_rooms_and_emit() {
    for builder in [builder(), builder().connection_state_recovery(socketio_server::Recovery::default())] {
        let known: Arc<Mutex<Option<Server>>> = Arc::default();
        let io = Arc::clone(&known);
        let running = start(builder, |server| {
            server.on_room_event(move |event| {
                let io = io.lock().unwrap().clone().unwrap();
                if let RoomEvent::Left(room, id) = event {
                    if let Some(socket) = io.socket(id) {
                        socket.leave(room);
                        socket.leave("other");
                        let _ = socket.emit("left", &());
                    }
                    futures_util::FutureExt::now_or_never(io.emit("a socket left", &())).unwrap().unwrap();
                }
            });
        })
        .await;
        *known.lock().unwrap() = Some(running.io.clone());
        let mut ws = running.open().await;
        ws.send("40").await;
        ws.text().await;
        let socket = running.io.sockets().remove(0);
        socket.join(["room", "other"]);
        socket.leave("room");
        assert!(running.io.rooms().is_empty());
        socket.join("room");
        socket.disconnect(false);
    }
}

/// A cluster whose other node is simulated.
struct Elsewhere;

struct Answering(ClusterInbox);

impl Adapter for Elsewhere {
    fn open(&self, inbound: ClusterInbox) -> Arc<dyn ClusterLink> {
        Arc::new(Answering(inbound))
    }
}

impl ClusterLink for Answering {
    fn publish<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async move {
            if let Message::FetchSockets { request, .. } = message {
                let handshake =
                    HandshakeDetails { url: "/elsewhere".to_owned(), ..HandshakeDetails::default() };
                let rooms = vec!["42".into(), "room1".into()];
                let data = json!({"username": "john"});
                let sockets = vec![SocketDetails::new("42".into(), handshake, rooms, data)];
                let answer = Message::FetchSocketsResponse { request: request.clone(), sockets };
                self.0.receive("elsewhere".into(), answer, None).await;
            }
            Ok(())
        })
    }

    fn presence(&self) -> Presence {
        Presence::Counted
    }

    fn count_others(&self) -> BoxFuture<'_, Result<usize, AdapterError>> {
        Box::pin(async { Ok(1) })
    }
}

/// SIO-SRV-203
#[tokio::test]
async fn sockets_found_by_another_adapter_are_returned() {
    let running = start(builder().adapter(Elsewhere), |_| {}).await;
    let found = running.io.fetch_sockets().await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].id(), &found[0].handshake().url[..]), ("42", "/elsewhere"));
    assert_eq!(names(found[0].rooms()), ["42", "room1"]);
    assert_eq!(found[0].data()["username"], "john");
}

/// A socket is in no more rooms than the limit, however it joins them.
#[tokio::test]
async fn the_rooms_of_a_socket_are_bounded() {
    let running = start(builder().max_rooms(3), |io| {
        room_handlers(io);
        io.of("/early").middleware(|socket: Socket| async move {
            let many = (0..100).map(|number| format!("room {number}")).collect::<Vec<_>>();
            let error = socket.try_join(many).unwrap_err();
            assert_eq!(error.to_string(), "a socket may join at most 3 rooms");
            Ok::<_, ConnectError>(())
        });
        io.on("try", |socket: Socket, Data(room): Data<String>| async move {
            socket.try_join(room).map_err(|error| error.to_string())
        });
    })
    .await;
    let io = &running.io;
    let (mut ws, id) = running.connect().await;
    let socket = io.socket(&id).unwrap();
    ws.send(r#"421["join",["a","b","c","d","e"]]"#).await;
    assert_eq!(ws.text().await, "431[]");
    assert_eq!((io.room_count(), io.refused_joins()), (3, 2), "two rooms are refused");
    socket.try_join(["a", &id]).unwrap();
    ws.send(r#"422["try","f"]"#).await;
    assert_eq!(ws.text().await, r#"432[{"error":"a socket may join at most 3 rooms"}]"#);
    assert_eq!((io.room_count(), io.refused_joins()), (3, 2), "the handler has the error");
    io.sockets_join(["g", "a"]).await.unwrap();
    assert_eq!((io.room_count(), io.refused_joins()), (3, 3));
    socket.leave("b");
    socket.try_join("g").unwrap();
    let mut rooms: Vec<_> = socket.joined_rooms().iter().map(ToString::to_string).collect();
    rooms.sort();
    assert_eq!(rooms, ["a", "c", "g"]);

    let (_ws, id) = running.connect_to("/early").await;
    assert_eq!(
        (io.of("/early").socket(&id).unwrap().joined_rooms().len(), io.of("/early").room_count()),
        (3, 3)
    );
}
