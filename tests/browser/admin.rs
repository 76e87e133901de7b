//! The official page of the admin UI, as npm ships it, at our server.

use std::future::ready;
use std::path::{Path, PathBuf};

use engineio::Body;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Value, json};
use socketio_admin::{AdminUi, Auth, Mode};
use socketio_server::{Ack, Data, Server, Socket};
use tests::devtools::{Browser, Tab};
use tests::raw::WebSocket;

use crate::site::Site;

/// The hash of `changeit`.
const HASH: &str = "$2a$04$1et7WCAXJnJEKLFQGEy2z.GbZCvbtdOCR1Pzooxz3ID88JtTe8yZu";
/// Below the path of the server.
const PAGE: &str = "admin-ui/";

/// The folder of the page.
fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("interop/node_modules/@socket.io/admin-ui/ui/dist")
}

/// A file of the page. Its fonts are at other hosts, which a test does not ask.
fn file(folder: &Path, name: &str) -> Option<Response<Body>> {
    let name = if name.is_empty() { "index.html" } else { name };
    let mut bytes = std::fs::read(folder.join(name)).ok()?;
    let kind = match name.rsplit('.').next()? {
        "html" => {
            let html = String::from_utf8(bytes).ok()?;
            let links = html.split_inclusive('>');
            let own = links.filter(|tag| !(tag.starts_with("<link") && tag.contains("https://")));
            bytes = own.collect::<String>().into_bytes();
            "text/html; charset=utf-8"
        }
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css",
        "svg" => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let mut response = Response::new(Body::from(bytes::Bytes::from(bytes)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    Some(response)
}

fn site(mode: Mode) -> Site {
    let admin = AdminUi::new(Auth::basic("admin", HASH).unwrap()).mode(mode).server_id("server-one");
    let builder = Server::builder().engine(|engine| {
        engine.resource(|below, _| {
            let name = below.strip_prefix(PAGE)?;
            file(&folder(), name).map(ready)
        })
    });
    Site::start(admin.observe(builder), |io| {
        let chat = io.of("/chat");
        chat.on("join", |socket: Socket, Data(room): Data<String>| async move {
            socket.join(&*room);
            Ack(())
        });
        // The statistics are a task of the runtime of this test.
        admin.instrument(io).unwrap();
    })
}

/// A client of `/chat` in the room `blue`, and its id.
async fn client(site: &Site) -> (WebSocket, String) {
    let mut ws = WebSocket::open(site.addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
    ws.text().await;
    ws.send("40/chat,").await;
    let confirmation = ws.text().await;
    let confirmation: Value = serde_json::from_str(&confirmation["40/chat,".len()..]).unwrap();
    ws.send(r#"42/chat,1["join","blue"]"#).await;
    assert_eq!(ws.text().await, "43/chat,1[null]");
    (ws, confirmation["sid"].as_str().unwrap().to_owned())
}

/// Fills the form of the login, and waits until the page is connected.
async fn log_in(tab: &mut Tab, site: &Site, password: &str) {
    let form = ".v-dialog form";
    tab.until(&format!("document.querySelectorAll('{form} input').length >= 3")).await;
    let values = json!([format!("http://{}", site.addr), "admin", password]);
    tab.evaluate(&format!(
        "{values}.forEach((value, at) => {{ \
            const field = document.querySelectorAll('{form} input')[at]; \
            field.value = value; \
            field.dispatchEvent(new Event('input')); \
        }})"
    ))
    .await;
    tab.until(&format!("!document.querySelector('{form} button').disabled")).await;
    tab.click(&format!("{form} button")).await;
}

/// Opens a view of the page, and waits until it shows this text.
async fn shows(tab: &mut Tab, view: &str, text: &str) {
    tab.evaluate(&format!("location.hash = {}", json!(format!("#/{view}")))).await;
    tab.until(&format!("document.querySelector('main').innerText.includes({})", json!(text))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_page_shows_clients_and_rooms() {
    let site = site(Mode::Development);
    let (_ws, id) = client(&site).await;
    let browser = Browser::start().await;
    let mut tab = browser.tab(&format!("http://{}/socket.io/{PAGE}", site.addr)).await;
    log_in(&mut tab, &site, "wrong").await;
    tab.until("document.querySelector('.v-dialog form').innerText.includes('Invalid credentials')").await;
    log_in(&mut tab, &site, "changeit").await;
    tab.until("!document.querySelector('.v-dialog--active')").await;
    for (view, text) in [
        ("", "/chat"),
        ("servers", "server-one"),
        ("clients", "1-2 of 2"),
        (&format!("n/%2Fchat/sockets/{id}"), "Socket details"),
        ("n/%2Fchat/rooms/blue", &*id),
    ] {
        shows(&mut tab, view, text).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_page_shows_numbers_in_production() {
    let site = site(Mode::Production);
    let _client = client(&site).await;
    let browser = Browser::start().await;
    let mut tab = browser.tab(&format!("http://{}/socket.io/{PAGE}", site.addr)).await;
    log_in(&mut tab, &site, "changeit").await;
    tab.until("!document.querySelector('.v-dialog--active')").await;
    shows(&mut tab, "", "/chat\t1").await;
    shows(&mut tab, "servers", "server-one").await;
}
