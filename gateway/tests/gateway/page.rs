//! The page in a real Chromium, and the statistics that it receives.

use serde_json::{Value, json};
use tests::devtools::{Browser, Tab};
use tests::raw::{Request, WebSocket};
use tests::redis::RedisServer;

use crate::cluster_peers::{sharing, sockets};
use crate::support::{Running, start};

const KEY: &str = "a key for operators";

#[tokio::test]
async fn browsers_get_the_page_and_others_get_json() {
    let running = start(json!({})).await;
    let page = Request::new("GET", "/").header("accept", "text/html,*/*;q=0.8").send(running.addr).await;
    assert_eq!((page.status, page.header("vary")), (200, Some("accept")));
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    // The page uses no external asset: the gateway serves every file that it names.
    for name in page.text().split(['"', '\'']).filter(|text| text.ends_with(".js") || text.ends_with(".css"))
    {
        assert_eq!(Request::new("GET", &format!("/{name}")).send(running.addr).await.status, 200, "{name}");
    }
    assert!(!page.text().contains("//"));
    assert_eq!(running.get("/").await.1["name"], "socketio-gateway");

    let without = start(json!({"api": {"page": false}})).await;
    let home = Request::new("GET", "/").header("accept", "text/html").send(without.addr).await;
    assert_eq!(home.header("content-type"), Some("application/json"));
    assert_eq!(without.get("/page.js").await.0, 404);
}

/// The first packet in the namespace of the statistics.
async fn watch(running: &Running, headers: &[(&str, &str)], auth: Value) -> String {
    let target = "/socket.io/?EIO=4&transport=websocket";
    let mut ws = WebSocket::open_with(running.addr, target, headers).await.unwrap();
    ws.text().await;
    ws.send(&format!("40/gateway,{auth}")).await;
    ws.text().await
}

#[tokio::test]
async fn numbers_are_for_operators() {
    let keyless = start(json!({})).await;
    let refused = r#"44/gateway,{"message":"unauthorized","data":{"code":"key_required"}}"#;
    assert_eq!(watch(&keyless, &[], json!({})).await, refused);
    assert_eq!(watch(&keyless, &[], json!({"key": ""})).await, refused);
    assert!(watch(&keyless, &[], json!({"key": keyless.key()})).await.starts_with("40/gateway,"));
    assert_eq!(WebSocket::open(keyless.addr, "/?namespace=/gateway").await.err(), Some(401));
    let headers = [("x-api-key", keyless.key())];
    assert!(WebSocket::open_with(keyless.addr, "/?namespace=/gateway", &headers).await.is_ok());

    let locked = start(json!({"api": {"keys": ["another key of ours", KEY]}})).await;
    assert_eq!(watch(&locked, &[], json!({})).await, refused);
    assert_eq!(watch(&locked, &[], json!({"key": "a key for operatorS"})).await, refused);
    assert!(watch(&locked, &[("via", "x")], json!({"key": KEY})).await.starts_with("40/gateway,"));
    assert!(watch(&locked, &[("x-api-key", KEY)], json!({})).await.starts_with("40/gateway,"));
}

#[tokio::test]
async fn numbers_are_true() {
    let running = start(json!({"server": {"namespaces": ["/", "/t/{n}"]}})).await;
    let [mut native, mut socketio] = running.both().await;
    let mut tenant = running.native("/?namespace=/t/1").await;
    for (client, room) in [(&mut native, "b"), (&mut socketio, "b"), (&mut tenant, "a")] {
        client.ask("join", json!(room)).await;
    }
    let headers = [("x-api-key", running.key())];
    let mut ws = WebSocket::open_with(running.addr, "/?namespace=/gateway", &headers).await.unwrap();
    let mut next = async || {
        loop {
            let message: Value = serde_json::from_str(&ws.text().await).unwrap();
            if message["event"] == "stats" {
                return message["data"].clone();
            }
        }
    };
    let stats = next().await;
    assert_eq!(stats["connections"], json!({"native": 3, "polling": 0, "websocket": 1}));
    assert_eq!(stats["namespaces"], json!({"/": 2, "/gateway": 1, "/t/1": 1}));
    assert_eq!(
        (&stats["rooms"], &stats["roomCount"]),
        (
            &json!([
                {"namespace": "/", "room": "b", "members": 2},
                {"namespace": "/t/1", "room": "a", "members": 1},
            ]),
            &json!(2)
        )
    );
    assert_eq!((&stats["opened"], &stats["disconnects"]), (&json!(4), &json!({})));
    running.gateway.io().socket(&socketio.id).unwrap().disconnect(true);
    tenant.ws.close().await;
    // The statistics arrive repeatedly.
    loop {
        let stats = next().await;
        if stats["disconnects"] == json!({"server namespace disconnect": 1, "transport close": 1}) {
            let last = stats["recentDisconnects"].as_array().unwrap();
            let of = |id: &str| last.iter().find(|close| close["id"] == id).unwrap();
            assert_eq!(
                (&of(&socketio.id)["transport"], &of(&tenant.id)["transport"]),
                (&json!("websocket"), &json!("native"))
            );
            assert_eq!(of(&tenant.id)["namespace"], "/t/1");
            assert!(stats["received"]["messages"].as_u64() >= Some(7));
            break;
        }
    }
}

async fn open(browser: &Browser, running: &Running) -> Tab {
    visit(browser, &format!("http://{}/", running.addr)).await
}

async fn visit(browser: &Browser, address: &str) -> Tab {
    let mut tab = browser.tab(address).await;
    tab.until("document.readyState === 'complete' && document.getElementById('connect').onsubmit").await;
    tab
}

fn log_has(text: &str) -> String {
    format!("document.getElementById('log').innerText.includes({})", json!(text))
}

fn shows(id: &str, value: &str) -> String {
    format!("document.getElementById('{id}').textContent === {}", json!(value))
}

#[tokio::test]
async fn two_tabs_meet_over_two_protocols() {
    let running = start(json!({})).await;
    let browser = Browser::start().await;
    let address = format!("http://{}/#key={}", running.addr, running.key());
    let mut socketio = visit(&browser, &address).await;
    let mut native = visit(&browser, &address).await;
    native.fill("#protocol", "native").await;
    for tab in [&mut socketio, &mut native] {
        tab.until(&shows("state", "live")).await;
        tab.click("#connect-button").await;
        tab.until(&log_has("connected to / as")).await;
        tab.click("#rooms-form button[value=join]").await;
        tab.until(&log_has(r#"joined: {"room":"lobby"}"#)).await;
    }
    for (from, to, said) in [("native", "socketio", "hello there"), ("socketio", "native", "<b>back</b>")] {
        let (sender, receiver) =
            if from == "native" { (&mut native, &mut socketio) } else { (&mut socketio, &mut native) };
        sender.fill("#data", &json!({"room": "lobby", "content": said}).to_string()).await;
        sender.click("#ack").await;
        sender.click("#emit button").await;
        sender.until(&log_has("acknowledgement of message: {\"data\":")).await;
        receiver.until(&log_has(&format!(r#""content":"{said}""#))).await;
        assert_eq!(to == "native", from == "socketio");
    }
    // The stats are live: two pages that show them, and two clients.
    for tab in [&mut socketio, &mut native] {
        for (id, value) in [("total", "4"), ("websocket", "3"), ("native", "1"), ("rooms-total", "1")] {
            tab.until(&shows(id, value)).await;
        }
        tab.until(
            "document.querySelector('#rooms tr').innerText.replace(/\\s+/g, ' ').trim() === 'lobby / 2'",
        )
        .await;
        tab.until("document.getElementById('line-sent').getAttribute('points').split(' ').length > 1").await;
    }
    native.click("#connect-button").await;
    native.until(&log_has("disconnected: closed")).await;
    socketio.until(&shows("native", "0")).await;
    socketio.until("document.getElementById('disconnects').innerText.includes('transport close')").await;
    // Text of other clients never becomes HTML of the page.
    assert_eq!(native.evaluate("document.querySelectorAll('#log b').length").await, 0);
    pictures(&mut socketio).await;
}

/// With shared sessions the page has a row for each gateway, and names the lost ones.
#[tokio::test]
async fn the_page_shows_shared_sessions() {
    let redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let addresses = sockets(folder.path(), &["a", "b", "c"]);
    let a = start(sharing(&redis, "a", &addresses[0], &addresses, &json!({}))).await;
    let _b = start(sharing(&redis, "b", &addresses[1], &addresses, &json!({}))).await;
    let browser = Browser::start().await;
    let mut tab = visit(&browser, &format!("http://{}/#key={}", a.addr, a.key())).await;
    let row = |node: &str, connections: usize| {
        let text = format!("{node} {connections} 1 of 2 0 0");
        format!(
            "[...document.querySelectorAll('#nodes tr')].some((row) => row.innerText.replace(/\\s+/g, ' ').trim() === '{text}')"
        )
    };
    tab.until(&row("a", 1)).await;
    tab.until(&row("b", 0)).await;
    let lost = format!("Without a connection: a to {0}, b to {0}.", addresses[2]);
    tab.until(&shows("lost", &lost)).await;
    tab.until("document.querySelector('th.sharing').offsetWidth > 0").await;
}

/// Takes screenshots in several sizes and colour schemes, and checks that no content overflows at the side.
/// They are kept if the environment names a folder.
async fn pictures(tab: &mut Tab) {
    for (size, width, height) in [("wide", 1280, 1000), ("phone", 390, 844)] {
        for scheme in ["light", "dark"] {
            let screen =
                json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "phone"});
            tab.call("Emulation.setDeviceMetricsOverride", screen).await;
            let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
            tab.call("Emulation.setEmulatedMedia", media).await;
            let overhang = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
            assert_eq!(tab.evaluate(overhang).await, 0, "{size}");
            let dark = "getComputedStyle(document.body).backgroundColor === 'rgb(20, 23, 28)'";
            assert_eq!(tab.evaluate(dark).await, scheme == "dark");
            let picture = tab.screenshot().await;
            assert!(picture.starts_with(b"\x89PNG"));
            if let Some(folder) = std::env::var_os("PAGE_PICTURES") {
                let name = format!("{size}-{scheme}.png");
                std::fs::write(std::path::Path::new(&folder).join(name), picture).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_key_unlocks_the_statistics() {
    let running = start(json!({"api": {"keys": [KEY]}})).await;
    let browser = Browser::start().await;
    let mut tab = open(&browser, &running).await;
    tab.until(&shows("state", "key required")).await;
    tab.fill("#key", "not the right key").await;
    tab.click("#unlock button").await;
    tab.until(&shows("unlock-error", "Invalid key.")).await;
    tab.fill("#key", KEY).await;
    tab.click("#unlock button").await;
    tab.until(&shows("state", "live")).await;
    tab.until(&shows("total", "1")).await;
}

/// The printed link unlocks the page, and the key does not stay in the address bar.
#[tokio::test]
async fn a_link_with_the_key_opens_the_statistics() {
    let running = start(json!({})).await;
    let browser = Browser::start().await;
    let mut locked = open(&browser, &running).await;
    locked.until(&shows("state", "key required")).await;
    let mut tab = visit(&browser, &format!("http://{}/#key={}", running.addr, running.key())).await;
    tab.until(&shows("state", "live")).await;
    tab.until("location.hash === '' && !location.href.includes('key')").await;
    // The same tab stays unlocked after a reload.
    tab.evaluate("document.title = 'before'; location.reload(); 0").await;
    tab.until("document.title !== 'before'").await;
    tab.until(&shows("state", "live")).await;
    // In a tab with the page, the link changes the fragment only and does not reload.
    locked.evaluate(&format!("location.hash = 'key={}'; 0", running.key())).await;
    locked.until(&shows("state", "live")).await;
    locked.until("location.hash === ''").await;
}

#[tokio::test]
async fn the_console_keeps_the_token_out_of_the_address() {
    let running =
        start(json!({"auth": {"session_secret": "an unguessable session secret", "anonymous": false}})).await;
    let token = running.gateway.acquire_session(Some("ada".to_owned())).unwrap().token;
    let browser = Browser::start().await;
    let mut tab = open(&browser, &running).await;
    tab.evaluate("{ const Plain = WebSocket; window.opened = []; window.WebSocket = class extends Plain { \
                  constructor(url, subprotocols) { super(url, subprotocols); opened.push(String(url)); } }; } 0")
        .await;
    tab.fill("#protocol", "native").await;
    tab.fill("#token", "not a token").await;
    tab.click("#connect-button").await;
    tab.until("document.querySelector('#log .wrong')").await;
    tab.fill("#token", &token).await;
    tab.click("#connect-button").await;
    tab.until(&log_has("connected to / as")).await;
    let native = tab.evaluate("opened.filter((url) => url.includes('/native'))").await;
    let address = format!("ws://{}/native?namespace=%2F", running.addr);
    assert_eq!(native.as_array().unwrap().last().unwrap(), &json!(address));
}
