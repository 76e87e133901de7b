//! The admin UI. Its messages are compared with those of the official package in `tests/interop/admin.mjs`.

use std::sync::{Arc, Mutex, Weak};

use serde::Serialize;
use serde_json::{Value, json};
use socketio_admin::{AdminUi, Auth, InstrumentError, Mode};
use socketio_server::{Ack, Args, Binary, Data, Namespace, Server, Socket};
use tests::raw::{WebSocket, until};

use crate::support::{Running, answering, builder, nothing_else, refused, start};

/// The hash of `changeit`.
const HASH: &str = "$2a$04$1et7WCAXJnJEKLFQGEy2z.GbZCvbtdOCR1Pzooxz3ID88JtTe8yZu";
const LOGIN: &str = r#"{"username":"admin","password":"changeit"}"#;

fn admin_ui() -> AdminUi {
    AdminUi::new(Auth::basic("admin", HASH).unwrap()).server_id("one")
}

async fn with(admin: AdminUi, set_up: impl FnOnce(&Server)) -> Running {
    start(admin.observe(builder()), |io| {
        set_up(io);
        admin.instrument(io).unwrap();
    })
    .await
}

#[derive(Serialize)]
struct Joined {
    room: String,
    bytes: Binary,
}

/// The handlers of `serve` in the script.
fn chat(io: &Server) {
    let chat = io.of("/chat");
    chat.on("join", |socket: Socket, namespace: Namespace, Data(room): Data<String>| async move {
        socket.join(&*room);
        let joined = Joined { room: room.clone(), bytes: Binary::from(vec![1, 2]) };
        namespace.to(&*room).emit("joined", &joined).await.unwrap();
        Ack(room)
    });
    chat.on("leave", |socket: Socket, Data(room): Data<String>| async move { socket.leave(&room) });
    chat.on("rename", |socket: Socket, Data(name): Data<String>| async move {
        socket.data().set("name", name).unwrap();
        socket.emit("renamed", &Args(()))
    });
}

/// A page: a client of the namespace, behind its confirmation.
async fn page(running: &Running, auth: &str) -> WebSocket {
    let mut ws = running.open().await;
    ws.send(&format!("40/admin,{auth}")).await;
    event(&mut ws, "config").await;
    ws
}

/// The arguments of the next event of this name.
async fn event(ws: &mut WebSocket, name: &str) -> Vec<Value> {
    let start = format!("42/admin,[\"{name}\"");
    loop {
        let text = ws.text().await;
        if text.starts_with(&start) {
            let mut event: Vec<Value> = serde_json::from_str(&text["42/admin,".len()..]).unwrap();
            event.remove(0);
            return event;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_receives_what_the_official_server_sends() {
    for (mode, name) in [(Mode::Production, "production"), (Mode::Development, "development")] {
        let running = with(admin_ui().mode(mode), chat).await;
        tests::node::run("admin.mjs", &[&format!("http://{}", running.addr), name]).await;
    }
}

#[tokio::test]
async fn operators_log_in_once() {
    let running = with(admin_ui(), answering).await;
    let mut ws = running.open().await;
    let wrong = json!({"message": "invalid credentials"});
    for auth in
        ["{}", r#"{"username":"admin","password":"wrong"}"#, r#"{"sessionId":7}"#, r#"{"username":[]}"#]
    {
        assert_eq!(refused(&mut ws, "/admin", auth).await, wrong, "{auth}");
    }
    ws.send(&format!("40/admin,{LOGIN}")).await;
    let session = event(&mut ws, "session").await.remove(0);
    let auth = json!({"sessionId": session}).to_string();
    let mut again = running.open().await;
    again.send(&format!("40/admin,{auth}")).await;
    assert!(again.text().await.starts_with("40/admin,{"));
    let config = r#"42/admin,["config",{"supportedFeatures":["EMIT","JOIN","LEAVE","DISCONNECT","MJOIN","MLEAVE","MDISCONNECT","AGGREGATED_EVENTS"]}]"#;
    assert_eq!(again.text().await, config, "without a new session");
}

#[tokio::test]
async fn a_page_that_may_only_look_changes_nothing() {
    for (admin, name) in [(admin_ui().read_only(true), "/"), (admin_ui().namespaces(|name| name != "/"), "/")]
    {
        let running = with(admin, answering).await;
        let (mut client, id) = running.connect().await;
        let mut page = page(&running, LOGIN).await;
        for command in [
            json!(["emit", name, null, "told", 1]),
            json!(["join", name, "r"]),
            json!(["leave", name, id, id]),
            json!(["_disconnect", name, true]),
            json!(["emit"]),
            json!(["join", 1, 2, 3]),
        ] {
            page.send(&format!("42/admin,{command}")).await;
        }
        // The statistics come behind the commands.
        event(&mut page, "server_stats").await;
        nothing_else(&mut client).await;
        assert_eq!(running.io.socket(&id).unwrap().rooms().len(), 1);
    }
}

#[tokio::test]
async fn namespaces_are_shown_as_set() {
    let running = with(admin_ui().namespaces(|name| name == "/chat"), chat).await;
    let mut page = page(&running, LOGIN).await;
    let stats = event(&mut page, "server_stats").await.remove(0);
    assert_eq!(stats["namespaces"], json!([{"name": "/chat", "socketsCount": 0}]));
    page.send(r#"42/admin,["emit","/unknown",null,"e"]"#).await;
    event(&mut page, "server_stats").await;
    assert!(running.io.namespace("/unknown").is_none(), "commands create no namespaces");
}

#[tokio::test]
async fn traffic_is_counted() {
    let running = with(admin_ui(), answering).await;
    let mut page = page(&running, LOGIN).await;
    event(&mut page, "server_stats").await;
    let polling = running.polling().await;
    let (mut client, _) = running.connect().await;
    for _ in 0..3 {
        nothing_else(&mut client).await;
    }
    let mut sums = std::collections::BTreeMap::<String, u64>::new();
    let mut clients = (json!(0), json!(0));
    // CONNECT, and three times an event of 17 bytes.
    while sums.get("bytesIn").is_none_or(|bytes| *bytes < 1 + 3 * 17) {
        let stats = event(&mut page, "server_stats").await.remove(0);
        for entry in stats["aggregatedEvents"].as_array().unwrap() {
            *sums.entry(entry["type"].as_str().unwrap().to_owned()).or_default() +=
                entry["count"].as_u64().unwrap();
        }
        clients = (stats["clientsCount"].clone(), stats["pollingClientsCount"].clone());
    }
    assert_eq!((sums["packetsIn"], sums["bytesIn"]), (4, 1 + 3 * 17));
    assert_eq!(clients, (json!(3), json!(1)));
    drop(polling);
}

/// Without a page, events have no cost in development mode either.
#[tokio::test]
async fn the_last_page_takes_the_hooks_along() {
    let running = with(admin_ui().mode(Mode::Development), answering).await;
    let (_client, id) = running.connect().await;
    let socket = running.io.socket(&id).unwrap();
    let hooks = || (socket.listeners_any_outgoing().len(), running.io.listeners_any().len());
    assert_eq!((hooks(), socket.data().to_value()), ((0, 0), json!({})));
    let (first, second) = (page(&running, LOGIN).await, page(&running, LOGIN).await);
    until(async || hooks() == (1, 1)).await;
    assert_eq!(socket.data().to_value()["_admin"]["transport"], "websocket");
    drop(first);
    until(async || running.io.of("/admin").len() == 1).await;
    assert_eq!(hooks(), (1, 1));
    drop(second);
    until(async || hooks() == (0, 0)).await;
    assert_eq!(socket.data().to_value(), json!({}));
}

#[tokio::test]
async fn a_server_has_to_be_observed() {
    let io = builder().build().unwrap();
    let error = admin_ui().instrument(&io).unwrap_err();
    assert!(matches!(error, InstrumentError::NotObserved), "{error}");
}

/// Neither the tasks nor the hooks of the admin UI keep a server in memory.
#[tokio::test]
async fn a_server_with_an_admin_ui_is_freed() {
    for mode in [Mode::Production, Mode::Development] {
        let value = Arc::new(Mutex::new(()));
        let weak: Weak<_> = Arc::downgrade(&value);
        let running = with(admin_ui().mode(mode), move |io| {
            io.on("own", move || {
                let _ = &value;
                async {}
            });
        })
        .await;
        let (client, _) = running.connect().await;
        let page = page(&running, LOGIN).await;
        running.io.close();
        drop((client, page, running));
        until(async || weak.strong_count() == 0).await;
    }
}
