//! Arguments of handlers, and what happens when one cannot be extracted.

use std::panic::{AssertUnwindSafe, catch_unwind};

use socketio_server::{
    Ack, Context, EventContext, Extract, ExtractError, HandlerError, Namespace, Server, Socket, State,
    WeakServer,
};
use tests::raw::soon;
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
    chat.on("here", |_: State<u8>| async {});
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
        "event middleware",
        "any",
        "event",
        "event middleware",
        "any",
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
