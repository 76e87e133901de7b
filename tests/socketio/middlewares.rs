//! Middlewares of namespaces and of the handshake.

use std::sync::Arc;
use std::time::Duration;

use engineio::{HttpServer, RequestBody, Routes, Secure};
use serde_json::json;
use socketio_server::{Ack, Auth, ConnectError, HandlerResult, Namespace, Origins, Socket};
use tests::raw::{Request, WebSocket};
use tokio::net::TcpListener;

use crate::support::{Notes, builder, join, note, start};

/// SIO-SRV-159, SIO-SRV-160, SIO-SRV-161, SIO-SRV-162, SIO-SRV-165, SIO-SRV-167, SIO-SRV-168
#[tokio::test]
async fn middlewares_run_in_order() {
    let calls = Notes::default();
    let (of_root, third) = (Arc::clone(&calls), Arc::clone(&calls));
    let running = start(builder(), |io| {
        io.middleware(move || {
            note(&of_root, "of /");
            async { Ok::<(), ConnectError>(()) }
        });
        let chat = io.of("/chat");
        chat.middleware(|socket: Socket, chat: Namespace, Auth(auth): Auth<serde_json::Value>| async move {
            assert!(!socket.is_connected());
            assert!(chat.is_empty() && chat.socket(socket.id()).is_none());
            socket.extensions().insert(auth["token"].as_str().unwrap_or_default().to_owned());
            Ok::<(), ConnectError>(())
        });
        chat.middleware(|socket: Socket| async move {
            tokio::task::yield_now().await;
            match socket.extensions().get::<String>().as_deref() {
                Some("good") => Ok(()),
                Some("plain") => Err(ConnectError::new("not you")),
                _ => Err(ConnectError::new("not allowed").with_data(json!({"a": "b", "c": 3}))),
            }
        });
        chat.middleware(move |socket: Socket| {
            note(&third, format!("third, {}", socket.extensions().get::<String>().unwrap_or_default()));
            async { Ok::<(), ConnectError>(()) }
        });
        chat.on_connect(|socket: Socket, chat: Namespace| async move {
            assert!(socket.is_connected());
            assert!(chat.socket(socket.id()).is_some_and(|found| found == socket));
            socket.emit("hi", &socket.extensions().get::<String>()).unwrap();
        });
    })
    .await;
    let mut ws = running.open().await;
    ws.send(r#"40/chat,{"token":"bad"}"#).await;
    assert_eq!(ws.text().await, r#"44/chat,{"message":"not allowed","data":{"a":"b","c":3}}"#);
    ws.send(r#"40/chat,{"token":"plain"}"#).await;
    assert_eq!(ws.text().await, r#"44/chat,{"message":"not you"}"#);
    join(&mut ws, "/").await;
    ws.send(r#"40/chat,{"token":"good"}"#).await;
    assert!(ws.text().await.starts_with(r#"40/chat,{"sid":""#));
    assert_eq!(ws.text().await, r#"42/chat,["hi","good"]"#);
    assert_eq!(*calls.lock().unwrap(), ["of /", "third, good"]);
}

/// SIO-SRV-128, SIO-SRV-163, SIO-SRV-164
#[tokio::test]
async fn rooms_joined_in_a_middleware_apply_after_the_connect() {
    let release = Arc::new(tokio::sync::Notify::new());
    let waiting = Arc::clone(&release);
    let running = start(builder(), move |io| {
        io.middleware(move |socket: Socket, Auth(auth): Auth<serde_json::Value>| {
            socket.join("early");
            let waiting = Arc::clone(&waiting);
            async move {
                waiting.notified().await;
                if auth["ok"] == true { Ok(()) } else { Err("no") }
            }
        });
    })
    .await;
    let mut ws = running.open().await;
    ws.send(r#"40{"ok":true}"#).await;
    let mut gone = running.open().await;
    gone.send(r#"40{"ok":true}"#).await;
    gone.send("41").await;
    gone.closed().await;
    running.io.to("early").emit("too early", &()).await.unwrap();
    assert_eq!(running.io.room_len("early"), 0);
    release.notify_one();
    assert!(ws.text().await.starts_with("40{"));
    running.io.to("early").emit("now", &()).await.unwrap();
    assert_eq!(ws.text().await, r#"42["now",null]"#);
    assert_eq!(
        (running.io.len(), running.io.room_len("early")),
        (1, 1),
        "the one that went away never was in"
    );

    let mut refused = running.open().await;
    refused.send(r#"40{"ok":false}"#).await;
    release.notify_one();
    assert_eq!(refused.text().await, r#"44{"message":"no"}"#);
    assert_eq!((running.io.len(), running.io.room_len("early")), (1, 1));
}

/// A middleware uses `?` with errors of any type; the data of a `ConnectError` is not lost.
#[tokio::test]
async fn middlewares_return_errors_of_any_type() {
    let running = start(builder(), |io| {
        io.middleware(|Auth(auth): Auth<serde_json::Value>| async move {
            let number: u32 = auth["number"].as_str().ok_or("a number is missing")?.parse()?;
            if number == 0 {
                return Err(ConnectError::new("not zero").with_data(json!({ "least": 1 })).into());
            }
            HandlerResult::Ok(())
        });
    })
    .await;
    let mut ws = running.open().await;
    for (auth, refusal) in [
        ("{}", r#"44{"message":"a number is missing"}"#),
        (r#"{"number":"x"}"#, r#"44{"message":"invalid digit found in string"}"#),
        (r#"{"number":"0"}"#, r#"44{"message":"not zero","data":{"least":1}}"#),
    ] {
        ws.send(&format!("40{auth}")).await;
        assert_eq!(ws.text().await, refusal);
    }
    ws.send(r#"40{"number":"1"}"#).await;
    assert!(ws.text().await.starts_with("40{"));
}

/// A page of another origin gets no session, with the name that this crate re-exports.
#[tokio::test]
async fn pages_of_other_origins_can_be_refused() {
    let running = start(builder().origins(Origins::SameHost), |_| {}).await;
    let handshake = async |origin: &str| {
        let request = Request::new("GET", "/socket.io/?EIO=4&transport=polling").header("origin", origin);
        request.send(running.addr).await.status
    };
    assert_eq!(handshake("https://evil.test").await, 403);
    assert_eq!(handshake("http://localhost").await, 200);
}

/// SIO-SRV-025, SIO-SRV-026
#[tokio::test]
async fn a_handshake_can_be_refused() {
    let allow = |engine: engineio::ServerBuilder| {
        engine.allow_request(|request| {
            let good = request.uri.query().is_some_and(|query| query.contains("good"));
            async move { if good { Ok(()) } else { Err("not you".to_owned()) } }
        })
    };
    let running = start(builder().cors(engineio::Cors::any()).engine(allow), |_| {}).await;
    let ask = async |query: &str| {
        let target = format!("/socket.io/?EIO=4&transport=polling{query}");
        Request::new("GET", &target).header("origin", "http://foo.example").send(running.addr).await
    };
    assert_eq!(ask("&good").await.status, 200);
    let refused = ask("").await;
    assert_eq!((refused.status, refused.text()), (403, r#"{"code":4,"message":"not you"}"#));
}

/// SIO-SRV-112, SIO-SRV-113, SIO-SRV-114
#[tokio::test]
async fn handlers_receive_the_handshake() {
    let running = start(builder(), |io| {
        io.of("/foo").on("handshake", |socket: Socket, Auth(auth): Auth<serde_json::Value>| async move {
            let handshake = socket.handshake();
            assert!(handshake.address().unwrap().ip().is_loopback());
            assert!(!handshake.is_secure() && !handshake.is_cross_domain());
            assert!(handshake.issued().elapsed().unwrap() < Duration::from_secs(60));
            assert!(handshake.url().starts_with("/socket.io/?"));
            Ack(json!({
                "query": [handshake.query().get("EIO"), handshake.query().get("key1")],
                "auth": auth,
                "host": handshake.header("host").is_some(),
            }))
        });
        io.on("query", |socket: Socket| async move {
            let (handshake, details) = (socket.handshake(), socket.handshake().details());
            assert_eq!((details.xdomain, &details.url[..]), (handshake.is_cross_domain(), handshake.url()));
            let get = |name| handshake.query().get(name).map(str::to_owned);
            Ack((get("key1"), get("key2"), handshake.is_cross_domain()))
        });
    })
    .await;
    let target = "/socket.io/?EIO=4&transport=websocket&key1=1&key2=2";
    let origin = ("origin", "http://a.test");
    let mut ws = WebSocket::open_with(running.addr, target, &[origin]).await.unwrap();
    assert!(ws.text().await.starts_with("0{"));
    join(&mut ws, "/").await;
    ws.send(r#"421["query"]"#).await;
    assert_eq!(ws.text().await, r#"431[["1","2",true]]"#);
    let mut ws = running.open().await;
    ws.send(r#"40/foo,{"key1":"aa","key2":"&=bb"}"#).await;
    ws.text().await;
    ws.send(r#"42/foo,1["handshake"]"#).await;
    assert_eq!(
        ws.text().await,
        r#"43/foo,1[{"auth":{"key1":"aa","key2":"&=bb"},"host":true,"query":["4",null]}]"#
    );
}

/// SIO-SRV-166
#[tokio::test]
async fn a_middleware_can_accept_a_client() {
    let running = start(builder(), |io| {
        io.middleware(|| async { Ok::<_, ConnectError>(()) });
    })
    .await;
    let polling = running.polling().await;
    polling.post("40").await;
    assert!(polling.poll().await.starts_with(r#"40{"sid":""#));
}

/// A server behind code that accepts TLS connections, or trusts a proxy that does.
#[tokio::test]
async fn a_header_does_not_make_a_handshake_secure() {
    let running = start(builder(), |io| {
        io.on("secure", |socket: Socket| async move {
            let details = socket.handshake().details();
            assert_eq!(details.secure, socket.handshake().is_secure());
            Ack(json!([details.secure, details.headers["cookie"], details.headers["x-other"]]))
        });
    })
    .await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let behind_tls = listener.local_addr().unwrap();
    let io = running.io.clone();
    let routes = Routes::new(move |mut request: http::Request<RequestBody>| {
        request.extensions_mut().insert(Secure);
        let io = io.clone();
        async move { io.engine().handle(request).await }
    });
    tokio::spawn(async move { HttpServer::new(routes).serve(&listener, std::future::pending()).await });
    let headers = [
        ("x-forwarded-proto", "https"),
        ("cookie", "a=1"),
        ("x-other", "1"),
        ("cookie", "b=2"),
        ("x-other", "2"),
    ];
    for (addr, expected) in [(running.addr, false), (behind_tls, true)] {
        let target = "/socket.io/?EIO=4&transport=websocket";
        let mut ws = WebSocket::open_with(addr, target, &headers).await.unwrap();
        assert!(ws.text().await.starts_with("0{"));
        join(&mut ws, "/").await;
        ws.send(r#"421["secure"]"#).await;
        assert_eq!(ws.text().await, format!(r#"431[[{expected},"a=1; b=2","1, 2"]]"#));
    }
}
