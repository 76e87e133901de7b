//! Arguments of handlers, and what happens when one cannot be extracted.

use std::panic::{AssertUnwindSafe, catch_unwind};

use engineio::{HttpServer, RequestBody, Routes};
use http::Request;
use socketio_server::{
    Ack, Context, Data, EventContext, Extension, Extract, ExtractError, HandlerError, Namespace, Server,
    Socket, State, WeakServer,
};
use tests::raw::{WebSocket, soon};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::support::{builder, nothing_else, room_handlers, start};

/// State of a type that no server of these tests holds.
#[derive(Clone)]
struct Database;

fn panic_of<R: std::fmt::Debug>(register: impl FnOnce() -> R) -> String {
    *catch_unwind(AssertUnwindSafe(register)).unwrap_err().downcast::<String>().unwrap()
}

/// A handler whose state was never added would fail at each call.
#[tokio::test]
async fn a_missing_state_is_found_at_registration() {
    let io = builder().state(7_u8).build().unwrap();
    let chat = io.of("/chat");
    chat.on("here", |_: State<u8>, _: Result<State<Database>, ExtractError>| async {});
    let handler = |_: Socket, _: State<Database>| async {};
    let middleware = |_: State<Database>| async { Ok::<(), String>(()) };
    let panics = [
        ("say", panic_of(|| chat.on("say", handler))),
        ("connect", panic_of(|| chat.on_connect(handler))),
        ("disconnecting", panic_of(|| chat.on_disconnecting(handler))),
        ("disconnect", panic_of(|| chat.on_disconnect(handler))),
        ("any event", panic_of(|| chat.on_any(handler))),
        ("the fallback", panic_of(|| chat.fallback(handler))),
        ("a middleware", panic_of(|| chat.middleware(middleware))),
        ("a middleware of events", panic_of(|| chat.event_middleware(middleware))),
        ("news", panic_of(|| chat.on_server_event("news", |_: State<Database>| async {}))),
    ];
    for (handler, panic) in panics {
        assert_eq!(
            panic,
            format!(
                "handler of {handler:?} in the namespace /chat: the server has no state of type \
                 `socketio::extractors::Database`; `ServerBuilder::state` adds it"
            )
        );
    }
}

/// An extractor of an application that needs state, and does not say so at registration.
struct Query;

impl<C: Context<Socket = Socket>> Extract<C> for Query {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        State::<Database>::extract(context).map(|_| Self)
    }
}

/// The names of types are the application's business: it gets them, and the client gets none.
#[tokio::test]
async fn clients_do_not_see_the_names_of_types() {
    let (sender, mut errors) = mpsc::unbounded_channel();
    let running = start(builder(), |io| {
        io.on("query", |_: Query| async {});
        io.on_connect(|socket: Socket| async move {
            socket.on("own", |_: State<Database>| async {});
        });
        io.of("/closed").middleware(|_: Query| async { Ok::<(), String>(()) });
        io.of("/screened").event_middleware(|_: Query| async {});
        for namespace in [&**io, &io.of("/closed"), &io.of("/screened")] {
            let sender = sender.clone();
            namespace.on_error(move |_, error| {
                let internal = matches!(
                    error,
                    HandlerError::Extract { source: ExtractError::State(name), .. } if name.ends_with("Database")
                );
                sender.send((error.to_string(), internal)).unwrap();
            });
        }
    })
    .await;
    let mut expect_internal = async |event: &str| {
        let (text, internal) = soon(errors.recv()).await.unwrap();
        assert!(internal && text.starts_with(&format!("{event}: the server has no state")), "{text}");
    };
    let (mut ws, _) = running.connect().await;
    // At registration, since each call fails.
    expect_internal("own").await;
    for event in ["query", "own"] {
        ws.send(&format!(r#"421["{event}"]"#)).await;
        assert_eq!(ws.text().await, r#"431[{"error":"internal error"}]"#);
        expect_internal(event).await;
    }
    ws.send("40/closed,").await;
    assert_eq!(ws.text().await, r#"44/closed,{"message":"internal error"}"#);
    expect_internal("connect").await;
    ws.send("40/screened,").await;
    assert!(ws.text().await.starts_with("40/screened,"));
    ws.send(r#"42/screened,1["any"]"#).await;
    assert_eq!(ws.text().await, r#"43/screened,1[{"error":"internal error"}]"#);
    expect_internal("any").await;
    assert_eq!(soon(errors.recv()).await.unwrap(), ("any: internal error".to_owned(), false));
}

/// Every handler and middleware takes the server and its namespace as arguments.
#[tokio::test]
async fn the_server_and_the_namespace_are_arguments_everywhere() {
    let (sender, mut seen) = mpsc::unbounded_channel();
    let running = start(builder(), |io| {
        io.of("/operators");
        let seen = |place: &'static str| {
            let sender = sender.clone();
            move |io: Server, weak: WeakServer, namespace: Namespace| {
                let same =
                    weak.upgrade().is_some_and(|other| *other == *io && other.of("/chat") == namespace);
                sender.send((place, same && io.namespace("/operators").is_some())).unwrap();
                std::future::ready(())
            }
        };
        let passes = |place| {
            let seen = seen(place);
            move |io: Server, weak: WeakServer, namespace: Namespace| {
                let seen = seen(io, weak, namespace);
                async move {
                    seen.await;
                    Ok::<(), String>(())
                }
            }
        };
        let chat = io.of("/chat");
        chat.middleware(passes("middleware")).event_middleware(passes("event middleware"));
        chat.on_connect(seen("connect"));
        chat.on_any(seen("any"));
        chat.on("say", seen("event"));
        chat.fallback(seen("fallback"));
        chat.on_disconnecting(seen("disconnecting"));
        chat.on_disconnect(seen("disconnect"));
    })
    .await;
    let (mut ws, _) = running.connect_to("/chat").await;
    ws.send(r#"42/chat,["say"]"#).await;
    ws.send(r#"42/chat,["other"]"#).await;
    ws.send("41/chat,").await;
    let expected = [
        "middleware",
        "connect",
        "any",
        "event middleware",
        "event",
        "any",
        "event middleware",
        "fallback",
        "disconnecting",
        "disconnect",
    ];
    for place in expected {
        assert_eq!(soon(seen.recv()).await.unwrap(), (place, true));
    }
}

/// A handler that is called by one client emits to all clients of another namespace.
#[tokio::test]
async fn a_handler_reaches_another_namespace_without_a_captured_server() {
    let running = start(builder(), |io| {
        room_handlers(io);
        io.of("/news");
        io.on("publish", |io: Server| async move {
            io.of("/news").emit("published", &1).await.map_err(|error| error.to_string())
        });
        io.on("members", |namespace: Namespace| async move { Ack(namespace.len()) });
    })
    .await;
    let (mut reader, _) = running.connect_to("/news").await;
    let (mut writer, _) = running.connect().await;
    writer.send(r#"421["publish"]"#).await;
    assert_eq!(writer.text().await, "431[]");
    assert_eq!(reader.text().await, r#"42/news,["published",1]"#);
    writer.send(r#"422["members"]"#).await;
    assert_eq!(writer.text().await, "432[1]");
    nothing_else(&mut writer).await;
}

/// The extractors of events of a context that an application writes.
#[allow(dead_code, reason = "compiled, not called")]
fn extractors_can_be_called_by_name(context: &mut EventContext) -> Result<(Server, Namespace), ExtractError> {
    Ok((Server::extract(context)?, Namespace::extract(context)?))
}

/// What a layer in front of the server knows about the sender of a request.
#[derive(Clone, Debug, PartialEq)]
struct User(String);

/// A type that the layer inserts, and that no handler takes.
#[derive(Clone)]
struct Unused;

/// A layer in front of the server adds extensions to requests, and handlers take those of the request that opened
/// the connection.
#[tokio::test]
async fn extensions_of_the_request_are_arguments() {
    let (sender, mut errors) = mpsc::unbounded_channel();
    let io = builder().build().unwrap();
    io.on("who", |Extension(User(name)): Extension<User>, socket: Socket| async move {
        let handshake = socket.handshake();
        Ack((name, handshake.extension::<User>().is_some(), handshake.extension::<Unused>().is_some()))
    });
    io.on_error(move |_, error| sender.send(error.to_string()).unwrap());
    io.of("/users").middleware(|user: Extension<User>| async move {
        if user.0 == User("ada".to_owned()) { Ok(()) } else { Err("unknown user") }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let engine = io.engine().clone();
    let layer = move |mut request: Request<RequestBody>| {
        let engine = engine.clone();
        async move {
            let user = request.headers().get("x-user").map(|user| User(user.to_str().unwrap().to_owned()));
            if let Some(user) = user {
                request.extensions_mut().insert(user);
                request.extensions_mut().insert(Unused);
            }
            engine.handle(request).await
        }
    };
    let http = HttpServer::new(Routes::new(layer));
    tokio::spawn(async move { http.serve(&listener, std::future::pending()).await });
    let open = async |header: (&str, &str)| {
        let target = "/socket.io/?EIO=4&transport=websocket";
        let mut ws = WebSocket::open_with(addr, target, &[header]).await.unwrap();
        assert!(ws.text().await.starts_with("0{"));
        ws.send("40").await;
        assert!(ws.text().await.starts_with("40{"));
        ws
    };
    let mut ada = open(("x-user", "ada")).await;
    ada.send(r#"421["who"]"#).await;
    assert_eq!(ada.text().await, r#"431[["ada",true,false]]"#);
    ada.send("40/users,").await;
    assert!(ada.text().await.starts_with("40/users,{"));
    let mut bob = open(("x-user", "bob")).await;
    bob.send("40/users,").await;
    assert_eq!(bob.text().await, r#"44/users,{"message":"unknown user"}"#);
    // Without the extension the handler is not called, and the client does not see the name of the type.
    let mut nobody = open(("x-other", "ada")).await;
    nobody.send(r#"421["who"]"#).await;
    assert_eq!(nobody.text().await, r#"431[{"error":"internal error"}]"#);
    let error = soon(errors.recv()).await.unwrap();
    assert_eq!(error, "who: the request has no extension of type `socketio::extractors::User`");
    nobody.send("40/users,").await;
    assert_eq!(nobody.text().await, r#"44/users,{"message":"internal error"}"#);
}

/// A parameter of the handshake; the extractor has an error of its own.
struct Version(u32);

impl<C: Context<Socket = Socket>> Extract<C> for Version {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        let version = context.socket().handshake().query().get("version").unwrap_or_default();
        version.parse().map(Self).map_err(|_| ExtractError::custom(format_args!("no version: {version:?}")))
    }
}

/// An error type of an application.
struct Wrong(String);

impl From<ExtractError> for Wrong {
    fn from(error: ExtractError) -> Self {
        Self(format!("wrong: {error}"))
    }
}

/// A handler may decide itself about an argument that cannot be extracted, and extractors have errors of their own.
#[tokio::test]
async fn extraction_errors_reach_the_handler_or_the_client() {
    let running = start(builder(), |io| {
        io.on("try", |data: Result<Data<u32>, ExtractError>| async move {
            Ack(data.map_or_else(|error| error.to_string(), |Data(number)| number.to_string()))
        });
        io.on("own", |data: Result<Data<u32>, Wrong>| async move {
            data.map(|Data(number)| Ack(number)).map_err(|Wrong(text)| text)
        });
        io.on("version", |Version(version): Version| async move { Ack(version) });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    for (event, answer) in [
        (r#"["try",7]"#, r#"["7"]"#),
        (r#"["try","x"]"#, r#"["argument 0: invalid type: string \"x\", expected u32 at line 1 column 3"]"#),
        (r#"["own",7]"#, "[7]"),
        (
            r#"["own",null]"#,
            r#"[{"error":"wrong: argument 0: invalid type: null, expected u32 at line 1 column 4"}]"#,
        ),
        (r#"["version"]"#, r#"[{"error":"no version: \"\""}]"#),
    ] {
        ws.send(&format!("421{event}")).await;
        assert_eq!(ws.text().await, format!("431{answer}"));
    }
}

/// Several `Data` take the arguments of the event one after the other, in each handler from the first on.
#[tokio::test]
async fn several_data_take_consecutive_arguments() {
    let running = start(builder(), |io| {
        io.event_middleware(|Data(room): Data<String>, Data(size): Data<Option<u32>>| async move {
            if room.is_empty() { Err(format!("{size:?}")) } else { Ok(()) }
        });
        io.on_any(
            |Data(room): Data<String>, socket: Socket| async move { socket.emit("any", &room).unwrap() },
        );
        io.on(
            "resize",
            |Data(room): Data<String>,
             socket: Socket,
             Data(size): Data<u32>,
             Data(unit): Data<Option<String>>| async move {
                socket.emit("resized", &room).unwrap();
                Ack((room, size, unit))
            },
        );
    })
    .await;
    let (mut ws, _) = running.connect().await;
    ws.send(r#"421["resize","a",2]"#).await;
    for message in [r#"42["any","a"]"#, r#"42["resized","a"]"#, r#"431[["a",2,null]]"#] {
        assert_eq!(ws.text().await, message);
    }
    ws.send(r#"422["resize","","x"]"#).await;
    // Handlers of any event hear refused events too.
    assert_eq!(ws.text().await, r#"42["any",""]"#);
    assert!(ws.text().await.starts_with(r#"432[{"error":"argument 1: invalid type"#));
}
