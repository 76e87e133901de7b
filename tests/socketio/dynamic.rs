//! Namespaces that are created when a client connects to them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use socketio_server::{
    Ack, Args, Auth, ConnectError, DisconnectReason, NamespaceRequest, Params, PatternError, Server, Socket,
};
use tests::raw::soon;
use tokio::sync::{Notify, mpsc};

use crate::support::{builder, join, refused, start};

/// SIO-SRV-062, SIO-SRV-068
#[tokio::test]
async fn a_new_namespace_is_announced_once() {
    let names = Arc::new(Mutex::new(Vec::new()));
    let received = Arc::clone(&names);
    let running = start(builder(), |io| {
        io.on_new_namespace(move |namespace| received.lock().unwrap().push(namespace.name().to_owned()));
        io.of("/nsp");
        io.of("nsp");
        io.of_pattern("/dynamic-{n}").unwrap();
    })
    .await;
    let (_first, _) = running.connect_to("/dynamic-1").await;
    let (_second, _) = running.connect_to("/dynamic-1").await;
    assert_eq!(*names.lock().unwrap(), ["/nsp", "/dynamic-1"]);
    let mut there = running.io.namespaces();
    there.sort();
    assert_eq!(there, ["/", "/dynamic-1", "/nsp"]);
    assert_eq!(running.io.namespace("/dynamic-1").unwrap().len(), 2);
    assert!(running.io.namespace("/dynamic-2").is_none(), "asking makes none");
}

/// SIO-SRV-064
#[tokio::test]
async fn a_child_inherits_from_its_parent() {
    let (sender, mut connected) = mpsc::unbounded_channel();
    let running = start(builder(), |io| {
        let parent = io.of_pattern("/dynamic-{n}").unwrap();
        parent.middleware(|socket: Socket, params: Params| async move {
            if params.parse::<u32>("n").is_none() {
                return Err(ConnectError::new("no number"));
            }
            socket.join("asked");
            Ok(())
        });
        parent.on_connect(move |socket: Socket, params: Params| {
            let sender = sender.clone();
            async move {
                let number = params.get("n").map(str::to_owned);
                sender.send((socket.namespace().to_owned(), number, socket.rooms().len())).unwrap();
            }
        });
        parent.on("which", |params: Params| async move { Ack(params.get("n").map(str::to_owned)) });
    })
    .await;
    let (mut ws, _) = running.connect_to("/dynamic-101").await;
    let seen = soon(connected.recv()).await.unwrap();
    assert_eq!(seen, ("/dynamic-101".to_owned(), Some("101".to_owned()), 2));
    ws.send(r#"42/dynamic-101,1["which"]"#).await;
    assert_eq!(ws.text().await, r#"43/dynamic-101,1["101"]"#);
    let mut ws = running.open().await;
    assert_eq!(refused(&mut ws, "/dynamic-x", "").await, json!({"message": "no number"}));
}

/// SIO-SRV-064, SIO-SRV-065
#[tokio::test]
async fn a_parent_emits_to_its_children() {
    let running = start(builder(), |io| {
        let parent = io.of_pattern("/dynamic-{n}").unwrap();
        parent.on_connect(|socket: Socket| async move { socket.join("room") });
    })
    .await;
    let parent = running.io.of_pattern("/other-{n}").unwrap();
    parent.emit("no children", &1).await.unwrap();
    let (mut one, _) = running.connect_to("/other-1").await;
    let (mut two, id) = running.connect_to("/other-2").await;
    parent.emit("hello", &Args((1, "2", json!({"3": "4"})))).await.unwrap();
    assert_eq!(one.text().await, r#"42/other-1,["hello",1,"2",{"3":"4"}]"#);
    assert_eq!(two.text().await, r#"42/other-2,["hello",1,"2",{"3":"4"}]"#);
    running.io.of("/other-1").sockets_join("a").await.unwrap();
    parent.to("a").emit("room", &()).await.unwrap();
    parent.to(id.as_str()).emit("own", &()).await.unwrap();
    assert_eq!(one.text().await, r#"42/other-1,["room",null]"#);
    assert_eq!(two.text().await, r#"42/other-2,["own",null]"#);
    assert_eq!(parent.fetch_sockets().await.unwrap().len(), 2);
    parent.disconnect_sockets(false).await.unwrap();
    assert_eq!(one.text().await, "41/other-1,");
    assert_eq!(two.text().await, "41/other-2,");
}

/// SIO-SRV-066, SIO-SRV-067
#[tokio::test]
async fn parents_are_matched_in_registration_order() {
    let running = start(builder(), |io| {
        io.of_function(|request: NamespaceRequest| async move {
            tokio::task::yield_now().await;
            let token = request.handshake().auth::<std::collections::HashMap<String, String>>();
            request.name() == "/dynamic-101" && token.is_ok_and(|auth| auth.contains_key("token"))
        })
        .on("which", || async { Ack("function") });
        io.of_pattern("/dynamic-{n}").unwrap().on("which", || async { Ack("pattern") });
        io.of_function(|request: NamespaceRequest| async move { request.name() == "/last" });
    })
    .await;
    let mut ws = running.open().await;
    ws.send(r#"40/dynamic-101,{"token":"x"}"#).await;
    assert!(ws.text().await.starts_with("40/dynamic-101,{"));
    ws.send(r#"42/dynamic-101,1["which"]"#).await;
    assert_eq!(ws.text().await, r#"43/dynamic-101,1["function"]"#);
    let mut ws = running.open().await;
    join(&mut ws, "/dynamic-102").await;
    ws.send(r#"42/dynamic-102,1["which"]"#).await;
    assert_eq!(ws.text().await, r#"43/dynamic-102,1["pattern"]"#);
    join(&mut ws, "/last").await;
    assert_eq!(refused(&mut ws, "/first", "").await, json!({"message": "Invalid namespace"}));
}

/// SIO-SRV-069
#[tokio::test]
async fn simultaneous_clients_share_the_new_namespace() {
    let waiting = Arc::new(AtomicUsize::new(0));
    let go = Arc::new(Notify::new());
    let (asked, released) = (Arc::clone(&waiting), Arc::clone(&go));
    let running = start(builder(), |io| {
        io.of_function(move |_| {
            let (asked, released) = (Arc::clone(&asked), Arc::clone(&released));
            async move {
                let notified = released.notified();
                if asked.fetch_add(1, Ordering::SeqCst) == 1 {
                    released.notify_waiters();
                } else {
                    notified.await;
                }
                true
            }
        });
    })
    .await;
    let mut one = running.open().await;
    let mut two = running.open().await;
    one.send("40/dynamic,").await;
    two.send("40/dynamic,").await;
    one.text().await;
    two.text().await;
    assert_eq!(waiting.load(Ordering::SeqCst), 2);
    running.io.of("/dynamic").emit("both", &()).await.unwrap();
    assert_eq!(one.text().await, r#"42/dynamic,["both",null]"#);
    assert_eq!(two.text().await, r#"42/dynamic,["both",null]"#);
}

/// A hook may still add a middleware, which must then decide about each new client.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn clients_wait_while_a_namespace_is_announced() {
    let (entered, mut announcing) = mpsc::unbounded_channel();
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let running = start(builder(), |io| {
        io.of_pattern("/dynamic-{n}").unwrap();
        io.on_new_namespace(move |namespace| {
            entered.send(()).unwrap();
            tokio::task::block_in_place(|| wait.lock().unwrap().recv()).unwrap();
            namespace.middleware(|| async { Err::<(), _>(ConnectError::new("closed")) });
        });
    })
    .await;
    let (mut first, mut second) = (running.open().await, running.open().await);
    first.send("40/dynamic-1,").await;
    soon(announcing.recv()).await.unwrap();
    second.send("40/dynamic-1,").await;
    // This CONNECT is answered although it was sent later.
    join(&mut second, "/").await;
    go_on.send(()).unwrap();
    for client in [&mut first, &mut second] {
        assert_eq!(client.text().await, r#"44/dynamic-1,{"message":"closed"}"#);
    }
}

fn dynamic(io: &Server) {
    let parent = io.of_pattern("/dynamic-{n}").unwrap();
    parent.middleware(|Auth(auth): Auth<serde_json::Value>| async move {
        if auth.get("bad").is_some() { Err(ConnectError::new("no")) } else { Ok(()) }
    });
}

/// Disconnects the client and waits until the server has noticed.
async fn disconnect(
    running: &crate::support::Running,
    mut ws: tests::raw::WebSocket,
    gone: impl Fn(&Server) -> bool,
) {
    ws.send("41/dynamic-1,").await;
    // The packets that a client sends after its disconnect are handled after it.
    join(&mut ws, "/").await;
    assert!(gone(&running.io));
}

/// SIO-SRV-070, SIO-SRV-071
#[tokio::test]
async fn an_empty_child_is_removed_and_can_be_created_again() {
    let running = start(builder().cleanup_empty_child_namespaces(true), dynamic).await;
    let is_there = |io: &Server| io.namespaces().contains(&"/dynamic-1".to_owned());
    for _ in 0..2 {
        let (first, _) = running.connect_to("/dynamic-1").await;
        let (second, _) = running.connect_to("/dynamic-1").await;
        disconnect(&running, first, is_there).await;
        disconnect(&running, second, |io| !is_there(io)).await;
    }
}

/// The way in which the last socket disconnects does not matter.
#[tokio::test]
async fn an_empty_child_is_removed_after_a_disconnect_by_the_server() {
    let running = start(builder().cleanup_empty_child_namespaces(true), dynamic).await;
    let (mut ws, id) = running.connect_to("/dynamic-1").await;
    running.io.of("/dynamic-1").socket(&id).unwrap().disconnect(false);
    assert_eq!(ws.text().await, "41/dynamic-1,");
    join(&mut ws, "/").await;
    assert_eq!(running.io.namespaces(), ["/"]);
}

/// SIO-SRV-072, SIO-SRV-073
#[tokio::test]
async fn an_empty_child_is_not_removed_by_default() {
    let running = start(builder(), dynamic).await;
    let mut ws = running.open().await;
    assert_eq!(refused(&mut ws, "/dynamic-1", r#"{"bad":1}"#).await, json!({"message": "no"}));
    assert!(running.io.namespaces().contains(&"/dynamic-1".to_owned()));
    let (ws, _) = running.connect_to("/dynamic-1").await;
    disconnect(&running, ws, |io| io.of("/dynamic-1").is_empty()).await;
    assert!(running.io.namespaces().contains(&"/dynamic-1".to_owned()));
}

/// SIO-SRV-074, SIO-SRV-075
#[tokio::test]
async fn a_refused_client_removes_only_an_empty_child() {
    let running = start(builder().cleanup_empty_child_namespaces(true), dynamic).await;
    let is_there = |io: &Server| io.namespaces().contains(&"/dynamic-1".to_owned());
    let mut ws = running.open().await;
    assert_eq!(refused(&mut ws, "/dynamic-1", r#"{"bad":1}"#).await, json!({"message": "no"}));
    assert!(!is_there(&running.io));
    let (_in_it, _) = running.connect_to("/dynamic-1").await;
    assert_eq!(refused(&mut ws, "/dynamic-1", r#"{"bad":1}"#).await, json!({"message": "no"}));
    assert!(is_there(&running.io));
}

/// SIO-SRV-063
#[tokio::test]
async fn a_static_namespace_is_not_removed() {
    let running = start(builder().cleanup_empty_child_namespaces(true), |io| {
        io.of("/named");
    })
    .await;
    let (mut ws, _) = running.connect_to("/named").await;
    ws.send("41/named,").await;
    join(&mut ws, "/").await;
    assert!(running.io.namespaces().contains(&"/named".to_owned()));
}

/// SIO-SRV-076
#[tokio::test]
async fn a_static_name_that_matches_a_parent_is_its_child() {
    let running = start(builder(), |io| {
        io.of_pattern("/dynamic-{n}")
            .unwrap()
            .on("which", |params: Params| async move { Ack(params.get("n").map(str::to_owned)) });
        io.of("/dynamic-7");
    })
    .await;
    let (mut ws, _) = running.connect_to("/dynamic-7").await;
    ws.send(r#"42/dynamic-7,1["which"]"#).await;
    assert_eq!(ws.text().await, r#"43/dynamic-7,1["7"]"#);
}

#[test]
fn an_invalid_pattern_is_an_error() {
    let io = builder().build().unwrap();
    assert_eq!(io.of_pattern("/{a}{b}").unwrap_err(), PatternError::Adjacent);
}

/// Deleting disconnects the sockets, joining ones included, and a static name is unknown afterwards.
#[tokio::test]
async fn a_deleted_namespace_is_unknown() {
    let (asked, mut waiting) = mpsc::unbounded_channel();
    let go = Arc::new(Notify::new());
    let released = Arc::clone(&go);
    let (sender, mut left) = mpsc::unbounded_channel();
    let running = start(builder(), |io| {
        let named = io.of("/named");
        named.middleware(move |Auth(auth): Auth<serde_json::Value>| {
            let (released, asked) = (Arc::clone(&released), asked.clone());
            async move {
                if auth["slow"] == true {
                    asked.send(()).unwrap();
                    released.notified().await;
                }
                Ok::<(), ConnectError>(())
            }
        });
        named.on_disconnect(move |socket: Socket, reason: DisconnectReason| {
            sender.send((socket.joined_rooms().len(), reason.to_string())).unwrap();
            async {}
        });
    })
    .await;
    let (mut ws, _) = running.connect_to("/named").await;
    let mut slow = running.open().await;
    slow.send(r#"40/named,{"slow":true}"#).await;
    soon(waiting.recv()).await.unwrap();

    let before = running.io.of("/named");
    assert!(!running.io.delete_namespace("/") && !running.io.delete_namespace("/other"));
    assert!(running.io.delete_namespace("/named") && !running.io.delete_namespace("/named"));
    assert_eq!(ws.text().await, "41/named,");
    assert_eq!(soon(left.recv()).await.unwrap(), (0, "server namespace disconnect".to_owned()));
    go.notify_one();
    assert_eq!(slow.text().await, r#"44/named,{"message":"Invalid namespace"}"#);
    assert_eq!(refused(&mut ws, "/named", "{}").await, json!({"message": "Invalid namespace"}));
    assert_eq!(running.io.namespaces(), ["/"]);
    assert!(before.is_empty());

    // A namespace of the same name is a new one, without the handlers of the former.
    assert!(running.io.of("/named") != before);
    slow.send(r#"40/named,{"slow":true}"#).await;
    assert!(slow.text().await.starts_with(r#"40/named,{"sid":""#));
    assert_eq!((before.len(), running.io.of("/named").len()), (0, 1));
}

#[tokio::test]
async fn a_deleted_child_is_created_again_on_request() {
    let running = start(builder(), dynamic).await;
    let (mut ws, _) = running.connect_to("/dynamic-1").await;
    assert!(running.io.delete_namespace("/dynamic-1"));
    assert_eq!(ws.text().await, "41/dynamic-1,");
    assert_eq!(running.io.namespaces(), ["/"]);
    join(&mut ws, "/dynamic-1").await;
    assert_eq!(running.io.of("/dynamic-1").len(), 1);
}

/// The parent cannot decide about a name without a client, so the application names it.
#[tokio::test]
async fn a_child_of_a_function_can_be_created_by_the_application() {
    let running = start(builder(), |io| {
        let parent = io.of_function(|_: NamespaceRequest| async { false });
        parent.on("which", |socket: Socket| async move { Ack(socket.namespace().to_owned()) });
        let child = io.child_of(&parent, "by-hand").unwrap();
        assert_eq!(child.name(), "/by-hand");
        assert!(io.child_of(&parent, "/by-hand").unwrap() == child && io.of("/by-hand") == child);
        assert!(io.child_of(&child, "/other").is_none());
    })
    .await;
    let (mut ws, _) = running.connect_to("/by-hand").await;
    ws.send(r#"42/by-hand,1["which"]"#).await;
    assert_eq!(ws.text().await, r#"43/by-hand,1["/by-hand"]"#);
    assert_eq!(refused(&mut ws, "/other", "{}").await, json!({"message": "Invalid namespace"}));
}

/// SIO-SRV-064, SIO-SRV-076
#[tokio::test]
async fn namespaces_match_a_regular_expression() {
    let running = start(builder(), |io| {
        let parent = io.of_regex(r"^/dynamic-(?<number>\d+)(?<rest>x)?$").unwrap();
        assert_eq!(parent.name(), r"/^/dynamic-(?<number>\d+)(?<rest>x)?$/");
        parent.on("which", |params: Params| async move {
            Ack(json!([params.get("number"), params.get("rest"), params.iter().count()]))
        });
        io.of("/dynamic-7");
    })
    .await;
    for (name, expected) in [("7", r#"["7",null,1]"#), ("101x", r#"["101","x",2]"#)] {
        let (mut ws, _) = running.connect_to(&format!("/dynamic-{name}")).await;
        ws.send(&format!(r#"42/dynamic-{name},1["which"]"#)).await;
        assert_eq!(ws.text().await, format!("43/dynamic-{name},1[{expected}]"));
    }
    let mut ws = running.open().await;
    for name in ["/dynamic-", "/dynamic-1y", "/x/dynamic-1"] {
        assert_eq!(refused(&mut ws, name, "{}").await, json!({"message": "Invalid namespace"}));
    }
    let error = running.io.of_regex("(").unwrap_err().to_string();
    assert!(error.starts_with("invalid regular expression for a namespace: "), "{error}");
}
