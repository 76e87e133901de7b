//! The page in a real Chromium.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::net::SocketAddr;

use serde_json::json;
use tests::devtools::{Browser, Tab};
use tests::raw::Request;
use tokio::process::{Child, Command};

const RULES: &str = r#"
    page = true
    [socketio]
    session_persistence = true
    namespace = "/chat"
    socketio_path = "/live"
    [agent]
    kind = "rules"
    fallback = [{ text = "{message}" }]
    [[agent.rules]]
    words = ["choices"]
    replies = [{ text = "Tea?", buttons = [{ title = "Tea, please", payload = "/tea" }] }]
    [[agent.rules]]
    words = ["picture"]
    replies = [{ image = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==" }]
    [[agent.rules]]
    words = ["evil"]
    replies = [
        { text = "<img src=x onerror=evil()>" },
        { attachment = { type = "file", payload = { src = "javascript:evil()", title = "a file" } } },
        { custom = { a = ["b"] } },
    ]
"#;

async fn start(settings: &str) -> (Child, String, SocketAddr) {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("bot.toml");
    std::fs::write(&config, settings).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_bot-channel"));
    program.arg(&config).env("ADDRESS", "127.0.0.1:0").env("RUST_LOG", "off").env_remove("JWT_KEY");
    let (program, url) = tests::served::start(&mut program).await;
    let addr = url.strip_prefix("http://").unwrap().parse().unwrap();
    (program, url, addr)
}

async fn say(tab: &mut Tab, text: &str) {
    tab.until("document.querySelector('#state').dataset.state === 'live'").await;
    tab.fill("#text", text).await;
    tab.click("#send").await;
}

/// Waits until the last message of an author has this text.
async fn said(tab: &mut Tab, author: &str, text: &str) {
    let last = format!("[...document.querySelectorAll('.{author}')].at(-1).innerText.trim()");
    tab.until(&format!("{last} === {}", json!(text))).await;
}

#[tokio::test]
async fn a_browser_talks_with_the_bot() {
    let (_program, url, _) = start(RULES).await;
    let browser = Browser::start().await;
    let mut tab = browser.tab(&url).await;
    say(&mut tab, "hello").await;
    said(&mut tab, "user", "hello").await;
    said(&mut tab, "bot", "hello").await;
    // A button sends its payload, and the choice is over.
    say(&mut tab, "choices").await;
    tab.until("document.querySelector('.choices button').textContent === 'Tea, please'").await;
    tab.click(".choices button").await;
    said(&mut tab, "user", "Tea, please").await;
    said(&mut tab, "bot", "/tea").await;
    tab.until("document.querySelector('.choices') === null").await;
    say(&mut tab, "picture").await;
    tab.until("document.querySelector('.bot img').naturalWidth === 1").await;
    // The bot runs no scripts.
    say(&mut tab, "evil").await;
    tab.until("document.querySelector('.bot pre').textContent.includes('\"b\"')").await;
    let harmless = "document.querySelectorAll('.bot a').length === 0 && document.querySelectorAll('.bot img').length === 1";
    tab.until(harmless).await;
    // The session goes on after a reload.
    let session = tab.evaluate("sessionStorage.getItem('session')").await;
    tab.call("Page.reload", json!({})).await;
    tab.until("document.querySelectorAll('.message').length === 0").await;
    say(&mut tab, "again").await;
    said(&mut tab, "bot", "again").await;
    assert_eq!(tab.evaluate("sessionStorage.getItem('session')").await, session);
    tab.click("#new").await;
    tab.until(&format!("sessionStorage.getItem('session') !== {session}")).await;
    // Nothing is wider than a phone.
    let phone = json!({ "width": 360, "height": 640, "deviceScaleFactor": 2, "mobile": true });
    tab.call("Emulation.setDeviceMetricsOverride", phone).await;
    tab.until("document.documentElement.scrollWidth <= 360").await;
    let back = "getComputedStyle(document.body).backgroundColor";
    let mut colours = Vec::new();
    for scheme in ["light", "dark"] {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        tab.call("Emulation.setEmulatedMedia", features).await;
        colours.push(tab.evaluate(back).await);
    }
    assert_ne!(colours[0], colours[1]);
}

#[tokio::test]
async fn a_token_is_asked_for() {
    let key = "a key of the tests, long enough";
    let settings = RULES.replace("[socketio]", &format!("[socketio]\njwt_key = \"{key}\""));
    let (_program, url, _) = start(&settings).await;
    let browser = Browser::start().await;
    let mut tab = browser.tab(&url).await;
    tab.until("!document.querySelector('#unlock').hidden").await;
    tab.fill("#token", "nonsense").await;
    tab.click("#unlock button").await;
    tab.until("document.querySelector('#state').textContent === 'not authenticated'").await;
    tab.until("!document.querySelector('#unlock').hidden").await;
    let claims = json!({ "sub": "ada" });
    let key = jsonwebtoken::EncodingKey::from_secret(key.as_bytes());
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    tab.fill("#token", &token).await;
    tab.click("#unlock button").await;
    say(&mut tab, "hello").await;
    said(&mut tab, "bot", "hello").await;
}

#[tokio::test]
async fn the_page_is_there_when_the_settings_say_so() {
    let (_program, _, addr) = start(RULES).await;
    let page = Request::new("GET", "/").header("accept", "text/html,*/*;q=0.8").send(addr).await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe"), "{policy}");
    assert!(!page.text().contains("<script>") && !page.text().contains("//") && !page.text().contains(" on"));
    for name in ["page.css", "page.js", "clients.js", "page.json"] {
        assert_eq!(Request::new("GET", &format!("/{name}")).send(addr).await.status, 200, "{name}");
    }
    // Programs get the health.
    let health = Request::new("GET", "/").send(addr).await;
    assert_eq!((health.text(), health.header("vary")), (r#"{"status":"ok"}"#, Some("accept")));
    let (_program, _, addr) = start(&RULES.replace("page = true", "")).await;
    let home = Request::new("GET", "/").header("accept", "text/html").send(addr).await;
    assert_eq!(home.text(), r#"{"status":"ok"}"#);
    assert_eq!(Request::new("GET", "/page.js").send(addr).await.status, 404);
}
