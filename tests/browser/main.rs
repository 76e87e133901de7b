//! The official client bundle in a real Chromium: each test opens a page that loads the bundle from the
//! server under test.
//!
//! The page runs the case of the same name in `page.js` and reports its progress to the test.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

mod admin;
mod page;
mod site;

use engineio::{Cors, Protocol, Transport};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use socketio_server::{
    Ack, Args, Arguments, Binary, Data, NotRecovered, Parser, RawArgs, Recovery, Server, ServerBuilder,
    Socket,
};
use tests::raw::{soon, until};
use tokio::sync::mpsc;

use self::page::Page;
use self::site::{Site, builder, dist};

/// Registers the handlers that pages expect on every server.
fn answering(io: &Server) {
    io.on("echo", |args: RawArgs| async move { Ack(args) });
    io.on("sum", |Arguments((a, b)): Arguments<(i32, i32)>| async move { Ack(a + b) });
    io.on("nothing", || async {});
    io.on("number", |socket: Socket, Data(number): Data<u32>| async move { socket.emit("number", &number) });
}

/// The transport of each session.
fn transports(site: &Site) -> Vec<Transport> {
    site.io.engine().sessions().iter().map(engineio::Session::transport).collect()
}

async fn script(name: &str, parser: Parser) {
    let site = Site::start(builder().parser(parser), answering);
    let mut page = Page::open(site.addr, "script", &[("script", name)]).await;
    let loaded = page.report("loaded").await;
    let size = |which: &str| loaded.value[which].as_u64().unwrap();
    assert_eq!(size("decodedBodySize"), std::fs::metadata(dist().join(name)).unwrap().len());
    assert!(size("encodedBodySize") < size("decodedBodySize") / 2, "it came compressed: {}", loaded.value);
    loaded.answer(Value::Null);
    page.done().await;
}

#[tokio::test]
async fn the_full_script_works() {
    script("socket.io.js", Parser::Json).await;
}

#[tokio::test]
async fn the_minified_script_works() {
    script("socket.io.min.js", Parser::Json).await;
}

#[tokio::test]
async fn the_esm_module_works() {
    script("socket.io.esm.min.js", Parser::Json).await;
}

#[tokio::test]
async fn the_msgpack_script_works() {
    script("socket.io.msgpack.min.js", Parser::Msgpack).await;
}

#[tokio::test]
async fn polling_upgrades_to_websocket() {
    let site = Site::start(builder(), answering);
    let mut page = Page::open(site.addr, "upgrade", &[]).await;
    let upgraded = page.report("upgraded").await;
    assert_eq!(transports(&site), [Transport::WebSocket]);
    let session = site.io.engine().sessions().remove(0);
    assert_eq!(session.protocol(), Protocol::V4);
    assert_eq!(session.request().query().get("transport"), Some("polling"), "what it began with");
    upgraded.answer(Value::Null);
    page.done().await;
}

async fn transport(name: &str, transport: Transport) {
    let site = Site::start(builder(), answering);
    let options = json!({"transports": [name]}).to_string();
    let mut page = Page::open(site.addr, "transport", &[("options", &options)]).await;
    let connected = page.report("connected").await;
    assert_eq!(transports(&site), [transport]);
    assert_eq!(site.io.engine().sessions()[0].request().query().get("transport"), Some(name));
    assert!(site.io.socket(connected.value.as_str().unwrap()).is_some(), "the id is the socket's");
    connected.answer(Value::Null);
    page.done().await;
}

#[tokio::test]
async fn websocket_works_alone() {
    transport("websocket", Transport::WebSocket).await;
}

#[tokio::test]
async fn polling_works_alone() {
    transport("polling", Transport::Polling).await;
}

#[derive(Debug, Deserialize)]
struct Upload {
    text: String,
    buffer: Binary,
    view: Binary,
    blob: Binary,
    deep: Vec<Attached>,
}

#[derive(Debug, Deserialize)]
struct Attached {
    file: Binary,
}

#[derive(Serialize)]
struct Picture {
    title: &'static str,
    layers: [Binary; 3],
}

async fn binary(transport: &str) {
    let (sender, mut uploads) = mpsc::unbounded_channel();
    let site = Site::start(builder(), |io| {
        io.on("upload", move |socket: Socket, Data(upload): Data<Upload>| {
            let answer = upload.buffer.clone();
            let sent = sender.send(upload);
            async move {
                sent.map_err(|_| "the test is gone")?;
                let layers = [vec![], vec![0, 255], (0..200).collect()].map(|bytes| Binary(bytes.into()));
                socket.emit("picture", &Picture { title: "é€😀", layers }).map_err(|_| "not sent")?;
                Ok::<_, &str>(Ack(Args((answer, "and more"))))
            }
        });
    });
    let options = json!({"transports": [transport]}).to_string();
    let page = Page::open(site.addr, "binary", &[("options", &options)]).await;
    page.done().await;
    let upload: Upload = soon(uploads.recv()).await.unwrap();
    let long: Vec<u8> = (0..300_000).map(|place| u8::try_from(place % 251).unwrap()).collect();
    assert!(upload.buffer.0 == long);
    assert_eq!(upload.view.0[..], [250, 0, 1]);
    assert_eq!(upload.blob.0[..], ["é".as_bytes(), &[0, 1]].concat());
    assert_eq!(upload.deep.iter().map(|part| &part.file.0[..]).collect::<Vec<_>>(), [&b"a file"[..], b""]);
    assert_eq!(upload.text, "é€😀");
}

#[tokio::test]
async fn binary_data_works_over_websocket() {
    binary("websocket").await;
}

#[tokio::test]
async fn binary_data_works_over_polling() {
    binary("polling").await;
}

#[tokio::test]
async fn acks_work_in_both_directions() {
    let site = Site::start(builder(), answering);
    let mut page = Page::open(site.addr, "acks", &[]).await;
    let ready = page.report("ready").await;
    let socket = site.io.sockets().remove(0);
    let product: i32 = soon(socket.emit_with_ack("product", &Args((6, 7)))).await.unwrap();
    assert_eq!(product, 42);
    let data = Binary::from_static(b"abc");
    let reversed: Binary = soon(socket.emit_with_ack("reversed", &data)).await.unwrap();
    assert_eq!(reversed.0, "cba");
    let several =
        soon(socket.timeout(tests::raw::LONG).emit_with_ack_args("several", &Args(()))).await.unwrap();
    assert_eq!(several.len(), 3);
    let asking = (0..200).map(|number| {
        let socket = socket.clone();
        async move { socket.emit_with_ack::<i32>("product", &Args((number, 2))).await.unwrap() }
    });
    let products = soon(futures_util::future::join_all(asking)).await;
    assert_eq!(products, (0..200).map(|number| number * 2).collect::<Vec<_>>());
    ready.answer(Value::Null);
    page.done().await;
}

/// Kinds of server shutdown.
enum End {
    Orderly,
    Crash,
}

/// Returns the disconnect reason that the page's client reports, and the result of the recovery at the new
/// server.
async fn restart(
    transports: &[&str],
    end: End,
    builder: fn() -> ServerBuilder,
) -> (String, Option<NotRecovered>) {
    let site = Site::start(builder(), answering);
    let addr = site.addr;
    let options = json!({"transports": transports}).to_string();
    let mut page = Page::open(addr, "restart", &[("options", &options)]).await;
    let connected = page.report("connected").await;
    assert_eq!(site.io.sockets().len(), 1);
    match end {
        End::Orderly => site.close().await,
        End::Crash => site.crash().await,
    }
    connected.answer(Value::Null);
    let disconnected = page.report("disconnected").await;
    let reason = disconnected.value.as_str().unwrap().to_owned();
    let site = Site::start_on(addr.port(), builder(), answering);
    disconnected.answer(Value::Null);
    let reconnected = page.report("reconnected").await;
    let sockets = site.io.sockets();
    assert_eq!(sockets.iter().map(Socket::id).collect::<Vec<_>>(), [reconnected.value.as_str().unwrap()]);
    reconnected.answer(Value::Null);
    page.done().await;
    (reason, sockets[0].not_recovered())
}

#[tokio::test]
async fn a_client_reconnects_after_an_orderly_restart() {
    let (reason, _) = restart(&["polling", "websocket"], End::Orderly, builder).await;
    assert_eq!(reason, "transport close");
}

#[tokio::test]
async fn a_client_reconnects_after_a_crash() {
    let (reason, _) = restart(&["polling", "websocket"], End::Crash, builder).await;
    assert_eq!(reason, "transport close");
}

#[tokio::test]
async fn a_polling_client_reconnects_after_a_crash() {
    let (reason, _) = restart(&["polling"], End::Crash, builder).await;
    assert_eq!(reason, "transport error");
}

fn recovering() -> ServerBuilder {
    builder().connection_state_recovery(Recovery::default())
}

/// A client that requests recovery from a server without its state gets a new session.
#[tokio::test]
async fn a_crash_ends_recovery() {
    let (_, not_recovered) = restart(&["websocket"], End::Crash, recovering).await;
    assert_eq!(not_recovered, Some(NotRecovered::UnknownSession));
}

#[tokio::test]
async fn recovery_delivers_missed_messages() {
    let site = Site::start(recovering(), answering);
    let io = &site.io;
    let mut page = Page::open(site.addr, "recovery", &[]).await;
    let connected = page.report("connected").await;
    let id = connected.value.as_str().unwrap().to_owned();
    io.socket(&id).unwrap().join("room");
    io.to("room").emit("news", "first").await.unwrap();
    connected.answer(Value::Null);

    let away = page.report("away").await;
    until(async || io.socket(&id).is_none()).await;
    io.to("room").emit("news", "for the room").await.unwrap();
    io.to("another room").emit("news", "for others").await.unwrap();
    io.emit("news", &Binary::from_static(&[0, 255])).await.unwrap();
    io.emit("news", "for all").await.unwrap();
    away.answer(Value::Null);

    // Some of these events are missed and some are not; the result is the same.
    let back = page.report("back").await;
    let socket = io.socket(&id).unwrap();
    assert!(socket.recovered() && socket.rooms().iter().any(|room| &**room == "room"));
    for number in 0..20 {
        if number == 3 {
            socket.session().abort();
        }
        io.to("room").emit("news", &number.to_string()).await.unwrap();
    }
    back.answer(Value::Null);
    page.done().await;
}

/// A page may connect to a server of another origin only if that server allows the origin.
#[tokio::test]
async fn the_browser_enforces_cors() {
    let home = Site::start(builder(), answering);
    let cors = Cors::origin(&format!("http://{}", home.addr)).unwrap().credentials(true);
    let open = Site::start(builder().cors(cors), answering);
    let closed = Site::start(builder(), answering);
    let addresses = [("open", open.addr), ("closed", closed.addr)];
    let urls = addresses.map(|(name, addr)| (name, format!("http://{addr}")));
    let parameters = urls.each_ref().map(|(name, url)| (*name, url.as_str()));
    Page::open(home.addr, "stranger", &parameters).await.done().await;
}
