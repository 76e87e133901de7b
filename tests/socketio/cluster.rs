//! Several servers as one cluster: each behaviour with nodes that detect each other by heartbeats, and with a
//! bus that counts them.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Poll;
use std::time::Duration;

use serde_json::json;
use socketio_server::cluster::{
    Adapter, AdapterError, BoxFuture, ClusterInbox, ClusterLink, Message, Presence,
};
use socketio_server::{
    Ack, AckSender, Args, Arguments, Binary, Data, EmitError, GatherError, Server, ServerBuilder, Socket,
};
use tests::raw::{WebSocket, soon};
use tokio::sync::mpsc;

use crate::bus::Bus;
use crate::support::{Running, builder, join, start};

/// Three servers with one client each, in their namespace / (or another).
struct Cluster {
    nodes: Vec<Running>,
    clients: Vec<WebSocket>,
    ids: Vec<String>,
    bus: Bus,
}

impl Cluster {
    async fn new(bus: Bus) -> Self {
        Self::in_namespace(bus, "/", |_, _| {}).await
    }

    async fn in_namespace(bus: Bus, namespace: &str, set_up: impl Fn(usize, &Server)) -> Self {
        Self::of_builders(bus, namespace, builder, set_up).await
    }

    async fn of_builders(
        bus: Bus,
        namespace: &str,
        builder: impl Fn() -> ServerBuilder,
        set_up: impl Fn(usize, &Server),
    ) -> Self {
        let mut nodes = Vec::new();
        for number in 0..3 {
            nodes.push(
                start(builder().adapter(bus.clone()), |io| {
                    io.of(namespace);
                    set_up(number, io);
                })
                .await,
            );
        }
        let (mut clients, mut ids) = (Vec::new(), Vec::new());
        for node in &nodes {
            let (ws, id) = node.connect_to(namespace).await;
            clients.push(ws);
            ids.push(id);
        }
        let cluster = Self { nodes, clients, ids, bus };
        cluster.settled(namespace).await;
        cluster
    }

    /// Waits until every node knows all others.
    async fn settled(&self, namespace: &str) {
        for node in &self.nodes {
            let everybody = async || node.io.of(namespace).fetch_sockets().await.map(|all| all.len());
            soon(async {
                while !everybody().await.is_ok_and(|count| count == self.nodes.len()) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            })
            .await;
        }
    }

    fn io(&self, number: usize) -> &Server {
        &self.nodes[number].io
    }

    /// Every client acknowledges the event `question` with its element of `answers`.
    async fn answer(&mut self, answers: &[Option<&str>]) {
        for (ws, answer) in self.clients.iter_mut().zip(answers) {
            let event = ws.text().await;
            let id: String = event[2..].chars().take_while(char::is_ascii_digit).collect();
            if let Some(answer) = answer {
                ws.send(&format!("43{id}[{answer}]")).await;
            }
        }
    }

    /// After this call all earlier messages of all nodes have been handled.
    async fn flushed(&mut self) {
        for number in 0..3 {
            self.io(number).fetch_sockets().await.unwrap();
        }
    }
}

/// ADAPTER-22
#[tokio::test]
async fn a_broadcast_reaches_all_nodes() {
    for bus in Bus::of_each_kind() {
        let mut cluster = Cluster::new(bus).await;
        cluster.io(0).emit("test", &Args((1, "2", Binary::from_static(b"\x03\x04")))).await.unwrap();
        for ws in &mut cluster.clients {
            assert_eq!(ws.text().await, r#"451-["test",1,"2",{"_placeholder":true,"num":0}]"#);
            assert_eq!(ws.binary().await, b"\x03\x04");
        }
    }
}

/// ADAPTER-23
#[tokio::test]
async fn a_namespace_is_one_on_all_nodes() {
    for bus in Bus::of_each_kind() {
        let mut cluster = Cluster::in_namespace(bus, "/custom", |_, _| {}).await;
        cluster.io(1).of("/custom").emit("test", &1).await.unwrap();
        cluster.io(1).emit("to the other namespace", &1).await.unwrap();
        cluster.io(0).of("/custom").emit("next", &2).await.unwrap();
        for ws in &mut cluster.clients {
            let mut events = [ws.text().await, ws.text().await];
            events.sort();
            assert_eq!(events, [r#"42/custom,["next",2]"#, r#"42/custom,["test",1]"#]);
        }
    }
}

/// ADAPTER-24, ADAPTER-25
#[tokio::test]
async fn rooms_reach_across_nodes() {
    for bus in Bus::of_each_kind() {
        let mut cluster = Cluster::new(bus).await;
        cluster.io(1).socket(&cluster.ids[1]).unwrap().join("room1");
        cluster.io(0).to("room1").emit("to", &1).await.unwrap();
        cluster.io(0).except("room1").emit("except", &2).await.unwrap();
        assert_eq!(cluster.clients[0].text().await, r#"42["except",2]"#);
        assert_eq!(cluster.clients[1].text().await, r#"42["to",1]"#);
        assert_eq!(cluster.clients[2].text().await, r#"42["except",2]"#);
    }
}

/// ADAPTER-26, ADAPTER-44
#[tokio::test]
async fn local_means_this_node() {
    for bus in Bus::of_each_kind() {
        let mut cluster = Cluster::new(bus).await;
        cluster.io(0).local().emit("here", &1).await.unwrap();
        assert_eq!(cluster.io(0).local().fetch_sockets().await.unwrap().len(), 1);
        cluster.io(0).emit("everywhere", &2).await.unwrap();
        assert_eq!(cluster.clients[0].text().await, r#"42["here",1]"#);
        for ws in &mut cluster.clients {
            assert_eq!(ws.text().await, r#"42["everywhere",2]"#);
        }
    }
}

/// ADAPTER-27
#[tokio::test]
async fn a_broken_bus_does_not_hurt_those_who_are_here() {
    for bus in Bus::of_each_kind() {
        let mut cluster = Cluster::new(bus).await;
        cluster.bus.broken.store(true, Ordering::SeqCst);
        let error = cluster.io(0).emit("test", &1).await.unwrap_err();
        assert!(matches!(&error, EmitError::Adapter(_)), "{error}");
        assert_eq!(error.to_string(), "the other nodes cannot be reached: the bus is broken");
        assert_eq!(cluster.clients[0].text().await, r#"42["test",1]"#);
        assert!(cluster.io(0).sockets_join("room").await.is_err());
        assert_eq!(cluster.io(0).room_len("room"), 1);
    }
}

/// ADAPTER-28
#[tokio::test]
async fn answers_come_from_all_nodes() {
    for bus in Bus::of_each_kind() {
        let mut cluster = Cluster::new(bus).await;
        let io = cluster.io(0).clone();
        let asking = tokio::spawn(async move {
            io.timeout(Duration::from_secs(20)).emit_with_ack::<u32>("question", &()).await
        });
        cluster.answer(&[Some("1"), Some("2"), Some("3")]).await;
        let mut answers = soon(asking).await.unwrap().unwrap();
        answers.sort();
        assert_eq!(answers, [1, 2, 3]);
    }
}

/// ADAPTER-29
#[tokio::test]
async fn answers_may_be_binary() {
    for bus in Bus::of_each_kind() {
        let mut cluster = Cluster::new(bus).await;
        let io = cluster.io(2).clone();
        let asking = tokio::spawn(async move {
            io.timeout(Duration::from_secs(20)).emit_with_ack::<Binary>("question", &()).await
        });
        for (number, ws) in cluster.clients.iter_mut().enumerate() {
            let event = ws.text().await;
            let id: String = event[2..].chars().take_while(char::is_ascii_digit).collect();
            ws.send(&format!(r#"461-{id}[{{"_placeholder":true,"num":0}}]"#)).await;
            ws.send_binary(&[number as u8]).await;
        }
        let mut answers: Vec<_> = soon(asking).await.unwrap().unwrap().iter().map(|data| data[0]).collect();
        answers.sort();
        assert_eq!(answers, [0, 1, 2]);
    }
}

/// ADAPTER-30
#[tokio::test]
async fn a_room_that_nobody_is_in_answers_at_once() {
    for bus in Bus::of_each_kind() {
        let cluster = Cluster::new(bus).await;
        let long = cluster.io(0).to("nobody").timeout(Duration::from_secs(3600));
        assert_eq!(soon(long.emit_with_ack::<u32>("question", &())).await.unwrap(), [0; 0]);
    }
}

/// ADAPTER-31
#[tokio::test]
async fn who_does_not_answer_is_missing() {
    for bus in Bus::of_each_kind() {
        let mut cluster = Cluster::new(bus).await;
        let io = cluster.io(0).clone();
        let asking = tokio::spawn(async move {
            io.timeout(Duration::from_millis(500)).emit_with_ack::<u32>("question", &()).await
        });
        cluster.answer(&[Some("1"), Some("2"), None]).await;
        let error = soon(asking).await.unwrap().unwrap_err();
        assert!(error.to_string().starts_with("operation has timed out"), "{error}");
        let partial = error.partial().unwrap();
        assert_eq!((partial.answers.len(), partial.missing, partial.silent.len()), (2, 1, 0));
    }
}

/// ADAPTER-32
#[tokio::test]
async fn a_single_socket_answers_as_ever() {
    for bus in Bus::of_each_kind() {
        let mut cluster = Cluster::new(bus).await;
        let socket = cluster.io(0).socket(&cluster.ids[0]).unwrap();
        let asking = tokio::spawn(async move { socket.emit_with_ack::<u32>("question", &()).await });
        cluster.answer(&[Some("2")]).await;
        assert_eq!(soon(asking).await.unwrap().unwrap(), 2);
    }
}

/// ADAPTER-33
#[tokio::test]
async fn a_socket_of_another_node_answers_too() {
    for bus in Bus::of_each_kind() {
        let mut cluster = Cluster::new(bus).await;
        let id = cluster.ids[1].clone();
        let remote = cluster.io(0).r#in(&id).fetch_sockets().await.unwrap().remove(0);
        assert_eq!(remote.id(), id);
        let asking = tokio::spawn(async move {
            let remote = remote.timeout(Duration::from_secs(20));
            remote.emit("hello", &1).await.unwrap();
            remote.emit_with_ack::<u32>("question", &()).await
        });
        assert_eq!(cluster.clients[1].text().await, r#"42["hello",1]"#);
        let ws = &mut cluster.clients[1];
        assert_eq!(ws.text().await, r#"420["question",null]"#);
        ws.send("430[2]").await;
        assert_eq!(soon(asking).await.unwrap().unwrap(), 2);
    }
}

/// The node of the sender does not matter, nor whether an ack is requested.
#[tokio::test]
async fn listeners_of_outgoing_events_hear_what_other_nodes_send() {
    for bus in Bus::of_each_kind() {
        let mut cluster = Cluster::new(bus).await;
        let id = cluster.ids[1].clone();
        let (sender, mut heard) = mpsc::unbounded_channel();
        let socket = cluster.io(1).socket(&id).unwrap();
        socket.on_any_outgoing(move |event, _| sender.send(event.to_owned()).unwrap());
        let to_it = [cluster.io(0).r#in(&id), cluster.io(1).r#in(&id)];
        let remote = [to_it[0].fetch_sockets().await.unwrap(), to_it[1].fetch_sockets().await.unwrap()];
        let asking = tokio::spawn(async move {
            to_it[0].emit("one", &()).await.unwrap();
            to_it[0].emit_with_ack::<u32>("two", &()).await.unwrap();
            to_it[1].emit_with_ack::<u32>("three", &()).await.unwrap();
            remote[0][0].emit_with_ack::<u32>("four", &()).await.unwrap();
            remote[1][0].emit_with_ack::<u32>("five", &()).await.unwrap();
        });
        assert_eq!(cluster.clients[1].text().await, r#"42["one",null]"#);
        for _ in 0..4 {
            let asked = cluster.clients[1].text().await;
            let id: String = asked[2..].chars().take_while(char::is_ascii_digit).collect();
            cluster.clients[1].send(&format!("43{id}[1]")).await;
        }
        soon(asking).await.unwrap();
        for event in ["one", "two", "three", "four", "five"] {
            assert_eq!(soon(heard.recv()).await.as_deref(), Some(event));
        }
    }
}

/// ADAPTER-34, ADAPTER-35, ADAPTER-36
#[tokio::test]
async fn sockets_join_on_all_nodes() {
    for bus in Bus::of_each_kind() {
        let mut cluster = Cluster::new(bus).await;
        let lens = |cluster: &Cluster, room| (0..3).map(|n| cluster.io(n).room_len(room)).collect::<Vec<_>>();
        cluster.io(0).sockets_join("all").await.unwrap();
        cluster.io(1).socket(&cluster.ids[1]).unwrap().join("some");
        cluster.io(2).socket(&cluster.ids[2]).unwrap().join("some");
        cluster.io(0).to("some").sockets_join("more").await.unwrap();
        cluster.io(0).to(&cluster.ids[1]).sockets_join("one").await.unwrap();
        cluster.flushed().await;
        assert_eq!(lens(&cluster, "all"), [1, 1, 1]);
        assert_eq!(lens(&cluster, "more"), [0, 1, 1]);
        assert_eq!(lens(&cluster, "one"), [0, 1, 0]);
    }
}

/// ADAPTER-37, ADAPTER-38, ADAPTER-39
#[tokio::test]
async fn sockets_leave_on_all_nodes() {
    for bus in Bus::of_each_kind() {
        let mut cluster = Cluster::new(bus).await;
        let lens = |cluster: &Cluster, room| (0..3).map(|n| cluster.io(n).room_len(room)).collect::<Vec<_>>();
        cluster.io(0).sockets_join(["all", "some", "one"]).await.unwrap();
        cluster.flushed().await;
        cluster.io(0).socket(&cluster.ids[0]).unwrap().join("member");
        cluster.io(2).socket(&cluster.ids[2]).unwrap().join("member");
        cluster.io(1).sockets_leave("all").await.unwrap();
        cluster.io(1).to("member").sockets_leave("some").await.unwrap();
        cluster.io(1).to(&cluster.ids[2]).sockets_leave("one").await.unwrap();
        cluster.flushed().await;
        assert_eq!(lens(&cluster, "all"), [0, 0, 0]);
        assert_eq!(lens(&cluster, "some"), [0, 1, 0]);
        assert_eq!(lens(&cluster, "one"), [1, 1, 0]);
    }
}

/// ADAPTER-40, ADAPTER-41
#[tokio::test]
async fn sockets_are_put_out_on_all_nodes_after_what_was_sent_before() {
    for bus in Bus::of_each_kind() {
        let mut cluster = Cluster::new(bus).await;
        cluster.io(0).emit("bye", &1).await.unwrap();
        cluster.io(0).disconnect_sockets(true).await.unwrap();
        for ws in &mut cluster.clients {
            assert_eq!(ws.text().await, r#"42["bye",1]"#);
            assert_eq!(ws.text().await, "41");
            ws.closed().await;
        }
        for node in &cluster.nodes {
            soon(async {
                while !node.io.is_empty() {
                    tokio::task::yield_now().await;
                }
            })
            .await;
        }
    }
}

/// ADAPTER-42, ADAPTER-43
#[tokio::test]
async fn sockets_are_found_on_all_nodes() {
    for bus in Bus::of_each_kind() {
        let cluster = Cluster::in_namespace(bus, "/", |number, io| {
            io.on_connect(move |socket: Socket| async move {
                socket.join("room1");
                socket.data().set("node", number).unwrap();
            });
        })
        .await;
        let mut found = cluster.io(0).fetch_sockets().await.unwrap();
        found.sort_by_key(|socket| cluster.ids.iter().position(|id| id == socket.id()));
        assert_eq!(found.len(), 3);
        for (number, socket) in found.iter().enumerate() {
            let rooms: Vec<&str> = socket.rooms().iter().map(AsRef::as_ref).collect();
            assert_eq!(rooms, [socket.id(), "room1"]);
            assert_eq!(socket.data()["node"], number);
            let local = cluster.io(number).socket(socket.id()).unwrap();
            assert_eq!(*socket.handshake(), local.handshake().details());
            assert_eq!(socket.handshake().query["EIO"], "4");
        }
        let one = cluster.io(0).r#in(&cluster.ids[2]).fetch_sockets().await.unwrap();
        one[0].join("joined").await.unwrap();
        one[0].leave("room1").await.unwrap();
        let again = cluster.io(0).r#in(&cluster.ids[2]).fetch_sockets().await.unwrap();
        assert_eq!(
            again[0].rooms().iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
            [again[0].id(), "joined"]
        );
    }
}

/// ADAPTER-45
#[tokio::test]
async fn servers_hear_of_each_other() {
    for bus in Bus::of_each_kind() {
        let (sender, mut heard) = mpsc::unbounded_channel();
        let cluster = Cluster::in_namespace(bus, "/", |number, io| {
            let sender = sender.clone();
            io.on_server_event("hello", move |Arguments(args): Arguments<(String, u32, String)>| {
                sender.send((number, args)).unwrap();
                async {}
            });
        })
        .await;
        cluster.io(0).server_side_emit("hello", &Args(("world", 1, "2"))).await.unwrap();
        let mut who = Vec::new();
        for _ in 0..2 {
            let (number, args) = soon(heard.recv()).await.unwrap();
            assert_eq!(args, ("world".to_owned(), 1, "2".to_owned()));
            who.push(number);
        }
        who.sort();
        assert_eq!(who, [1, 2]);
        cluster.io(1).fetch_sockets().await.unwrap();
        assert!(heard.try_recv().is_err(), "not the sender");
    }
}

/// ADAPTER-46
#[tokio::test]
async fn servers_answer_each_other() {
    for bus in Bus::of_each_kind() {
        let cluster = Cluster::in_namespace(bus, "/", |number, io| match number {
            1 => {
                io.on_server_event("sum", |Arguments((a, b)): Arguments<(u32, u32)>| async move {
                    Ack(json!(a + b))
                });
            }
            2 => {
                io.on_server_event("sum", |Data(a): Data<u32>, ack: Option<AckSender>| async move {
                    tokio::spawn(async move { ack.unwrap().send(&format!("{a}")) });
                });
            }
            _ => {}
        })
        .await;
        let answers =
            cluster.io(0).server_side_emit_with_ack::<serde_json::Value>("sum", &Args((1, 2))).await;
        let mut answers: Vec<String> = answers.unwrap().iter().map(ToString::to_string).collect();
        answers.sort();
        assert_eq!(answers, [r#""1""#, "3"]);
        // An argument of the wrong type is acknowledged with an error. No other node has a handler, and no
        // time passes while waiting.
        tokio::time::pause();
        let answers = cluster.io(1).server_side_emit_with_ack::<serde_json::Value>("sum", &"x").await;
        let error = answers.unwrap_err();
        let answers = error.partial().unwrap().answers;
        assert!(answers[0]["error"].as_str().unwrap().starts_with("argument 0"), "{answers:?}");
        tokio::time::resume();
    }
}

/// A request does not wait forever for a node that is unreachable, and names it.
#[tokio::test]
async fn a_node_that_leaves_is_not_waited_for() {
    for bus in Bus::of_each_kind() {
        let cluster = Cluster::new(bus).await;
        cluster.io(2).close();
        soon(async {
            while cluster.bus.nodes("/") > 2 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(cluster.io(0).fetch_sockets().await.unwrap().len(), 2);
    }
}

/// ADAPTER-47
#[tokio::test]
async fn a_silent_server_is_missing_and_named() {
    let cluster = Cluster::in_namespace(Bus::with_heartbeats(), "/", |number, io| {
        io.on_server_event("hello", move |ack: Option<AckSender>| async move {
            match number {
                2 => std::mem::forget(ack),
                _ => ack.unwrap().send(&number).unwrap(),
            }
        });
    })
    .await;
    tokio::time::pause();
    let asked = cluster.io(0).server_side_emit_with_ack::<u32>("hello", &()).await;
    let error = asked.unwrap_err();
    assert!(matches!(&error, GatherError::Partial(partial) if partial.missing == 1), "{error}");
    let partial = error.partial().unwrap();
    assert_eq!((partial.answers, partial.silent.len()), (vec![1], 1));
}

/// ADAPTER-48
#[tokio::test]
async fn a_server_that_leaves_while_it_is_asked_is_not_waited_for() {
    let (sender, mut asked) = mpsc::unbounded_channel();
    let cluster = Cluster::in_namespace(Bus::with_heartbeats(), "/", |number, io| {
        let sender = sender.clone();
        io.on_server_event("hello", move |ack: Option<AckSender>| {
            let sender = sender.clone();
            async move {
                match number {
                    2 => sender.send(ack).unwrap(),
                    _ => ack.unwrap().send(&number).unwrap(),
                }
            }
        });
    })
    .await;
    let io = cluster.io(0).clone();
    let asking = tokio::spawn(async move { io.server_side_emit_with_ack::<u32>("hello", &()).await });
    let _unanswered = soon(asked.recv()).await.unwrap();
    cluster.io(2).close();
    assert_eq!(soon(asking).await.unwrap().unwrap(), [1]);
}

/// Silent nodes are removed; nodes that send heartbeats are not.
#[tokio::test]
async fn heartbeats_tell_the_living_from_the_dead() {
    let cluster = Cluster::new(Bus::with_heartbeats()).await;
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(30)).await;
    let io = cluster.io(0);
    assert_eq!(io.fetch_sockets().await.unwrap().len(), 3, "all nodes stayed in touch");
    cluster.bus.lose("/", 2);
    // Requests wait for the node, and name it, until it has been silent for too long.
    let partial = io.fetch_sockets().await.unwrap_err().partial().unwrap();
    assert_eq!((partial.answers.len(), partial.missing, partial.silent.len()), (2, 1, 1));
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(io.fetch_sockets().await.unwrap().len(), 2);
}

/// With recovery each node assigns an offset of its own to the event.
#[tokio::test]
async fn offsets_are_each_nodes_own() {
    let recovering = || builder().connection_state_recovery(socketio_server::Recovery::default());
    let nodes = [
        start(recovering().adapter(Bus::with_heartbeats()), |_| {}).await,
        start(recovering(), |_| {}).await,
    ];
    for node in &nodes {
        let mut ws = node.open().await;
        ws.send("40").await;
        assert!(ws.text().await.contains(r#""pid":""#));
        node.io.emit("event", &1).await.unwrap();
        assert!(ws.text().await.starts_with(r#"42["event",1,""#));
    }
}

/// An adapter with a custom `open`.
struct Opening<F>(F, mpsc::UnboundedSender<Message>);

struct Published(mpsc::UnboundedSender<Message>);

impl<F: Fn(&ClusterInbox) + Send + Sync + 'static> Adapter for Opening<F> {
    fn open(&self, inbound: ClusterInbox) -> Arc<dyn ClusterLink> {
        self.0(&inbound);
        Arc::new(Published(self.1.clone()))
    }
}

impl ClusterLink for Published {
    fn publish<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async {
            let _ = self.0.send(message.clone());
            Ok(())
        })
    }

    fn presence(&self) -> Presence {
        Presence::Counted
    }
}

/// Some adapters store state in a namespace of their own.
#[tokio::test]
async fn an_adapter_may_use_the_server_while_it_opens() {
    let server = Arc::new(OnceLock::<Server>::new());
    let (published, _) = mpsc::unbounded_channel();
    let used = Arc::clone(&server);
    let open = move |inbound: &ClusterInbox| {
        let Some(io) = used.get().filter(|_| inbound.namespace() != "/of-the-adapter") else { return };
        io.of("/of-the-adapter").on("x", || async {});
        io.of(inbound.namespace()).on_connect(|socket: Socket| async move { socket.join("opened") });
        io.of_pattern("/{name}").unwrap();
        io.on_new_namespace(|_| {});
        assert!(io.namespaces().contains(&"/of-the-adapter".to_owned()));
    };
    let running = start(builder().adapter(Opening(open, published)), |_| {}).await;
    server.set(running.io.clone()).unwrap();
    let (io, runtime) = (running.io.clone(), tokio::runtime::Handle::current());
    let (done, named) = tokio::sync::oneshot::channel();
    // On a separate thread, which is not joined in case it never returns.
    std::thread::spawn(move || {
        let _entered = runtime.enter();
        io.of("/named");
        let _ = done.send(());
    });
    soon(named).await.unwrap();
    let (_ws, id) = running.connect_to("/named").await;
    assert_eq!(running.io.of("/named").socket(&id).unwrap().rooms().len(), 2);
}

/// Other nodes already have the namespace, but until the adapter is open no client is accepted and no message
/// is lost.
#[tokio::test]
async fn what_is_said_while_an_adapter_opens_is_said_when_it_has() {
    let (published, mut heard) = mpsc::unbounded_channel();
    let (entered, mut opening) = mpsc::unbounded_channel();
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let open = move |inbound: &ClusterInbox| {
        if inbound.namespace() == "/slow" {
            entered.send(()).unwrap();
            wait.lock().unwrap().recv().unwrap();
        }
    };
    let running = start(builder().adapter(Opening(open, published)), |_| {}).await;
    let (io, runtime) = (running.io.clone(), tokio::runtime::Handle::current());
    std::thread::spawn(move || {
        let _entered = runtime.enter();
        io.of("/slow");
    });
    soon(opening.recv()).await.unwrap();
    let mut ws = running.open().await;
    ws.send("40/slow,").await;
    join(&mut ws, "/").await;
    let slow = running.io.of("/slow");
    let mut emit = std::pin::pin!(slow.emit("hello", &1));
    let early = std::future::poll_fn(|cx| Poll::Ready(emit.as_mut().poll(cx))).await;
    assert!(early.is_pending());
    go_on.send(()).unwrap();
    soon(emit).await.unwrap();
    let Some(Message::Broadcast { event, .. }) = soon(heard.recv()).await else { panic!("no broadcast") };
    assert_eq!(event.name(), "hello");
    assert!(ws.text().await.starts_with(r#"40/slow,{"sid":"#));
}
