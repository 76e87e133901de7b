//! A Chromium whose tabs are driven by a test: the part of the DevTools protocol that tests need.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::chromium::Chromium;

/// Longer than any step takes, including the start of a browser on a busy machine.
const LONG: Duration = Duration::from_secs(90);
/// Polling interval for conditions.
const LOOK: Duration = Duration::from_millis(50);

/// A browser that listens for DevTools.
pub struct Browser {
    chromium: Chromium,
    addr: SocketAddr,
    /// The endpoint of the browser as a whole.
    path: String,
}

/// A tab of the browser.
pub struct Tab {
    line: WebSocketStream<TcpStream>,
    calls: u64,
}

impl Browser {
    /// Starts a browser.
    ///
    /// # Panics
    ///
    /// When there is none, or it does not listen.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a browser with further arguments.
    ///
    /// # Panics
    ///
    /// When there is none, or it does not listen.
    pub async fn start_with(arguments: &[&str]) -> Self {
        let arguments = [&["--remote-debugging-port=0"], arguments].concat();
        let mut chromium = Chromium::open_with("about:blank", &arguments);
        let listening = async {
            loop {
                let said = chromium.output();
                let mut lines = said.lines();
                let line = lines.find_map(|line| line.strip_prefix("DevTools listening on ws://"));
                if let Some((addr, path)) = line.and_then(|line| line.split_once('/')) {
                    return (addr.parse().expect("an address"), path.to_owned());
                }
                assert_eq!(chromium.ended(), None, "{said}");
                tokio::time::sleep(LOOK).await;
            }
        };
        let (addr, path) =
            tokio::time::timeout(LONG, listening).await.expect("Chromium listens for DevTools");
        Self { chromium, addr, path }
    }

    /// Opens a page in a tab of its own.
    ///
    /// # Panics
    ///
    /// When it cannot be opened.
    pub async fn tab(&self, url: &str) -> Tab {
        let mut whole = Tab::open(self.addr, &self.path).await;
        let target = whole.call("Target.createTarget", json!({"url": url})).await;
        let target = target["targetId"].as_str().expect("what the tab is called");
        Tab::open(self.addr, &format!("devtools/page/{target}")).await
    }

    /// The output of the browser, for a test that fails.
    pub fn said(&self) -> String {
        self.chromium.output()
    }
}

impl Tab {
    async fn open(addr: SocketAddr, path: &str) -> Self {
        let stream = TcpStream::connect(addr).await.expect("Chromium listens");
        let opened = tokio_tungstenite::client_async(format!("ws://{addr}/{path}"), stream).await;
        Self { line: opened.expect("Chromium answers").0, calls: 0 }
    }

    /// Calls a method of the protocol.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        let mut answer = self.answer(method, params).await;
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].take()
    }

    async fn answer(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let call = json!({"id": self.calls, "method": method, "params": params});
        self.line.send(Message::text(call.to_string())).await.expect("the tab is there");
        let answered = async {
            while let Some(Ok(message)) = self.line.next().await {
                let Message::Text(text) = message else { continue };
                let message: Value = serde_json::from_str(&text).expect("JSON");
                if message["id"] == self.calls {
                    return message;
                }
            }
            panic!("the tab is gone");
        };
        tokio::time::timeout(LONG, answered).await.expect("the tab answers")
    }

    /// The value of an expression; a promise is awaited.
    ///
    /// # Panics
    ///
    /// When it throws.
    pub async fn evaluate(&mut self, expression: &str) -> Value {
        let mut result = self.call("Runtime.evaluate", evaluated(expression)).await;
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].take()
    }

    /// Waits until an expression is true. A page that is still loading may throw, or not exist yet.
    ///
    /// # Panics
    ///
    /// When the expression does not become true in time; the message shows the text of the page.
    pub async fn until(&mut self, expression: &str) {
        let guarded = format!("(() => {{ try {{ return !!({expression}); }} catch {{ return false; }} }})()");
        let limit = tokio::time::Instant::now() + LONG;
        // Between two documents there is no context that could evaluate it.
        while self.answer("Runtime.evaluate", evaluated(&guarded)).await["result"]["result"]["value"] != true
        {
            if tokio::time::Instant::now() > limit {
                let shown = self.evaluate("document.body.innerText").await;
                panic!("this did not become true: {expression}\n{shown}");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Clicks on an element with the mouse.
    pub async fn click(&mut self, selector: &str) {
        self.evaluate(&format!("document.querySelector({}).click()", json!(selector))).await;
    }

    /// Sets the value of a field.
    pub async fn fill(&mut self, selector: &str, value: &str) {
        let (selector, value) = (json!(selector), json!(value));
        self.evaluate(&format!("document.querySelector({selector}).value = {value}")).await;
    }

    /// A screenshot as PNG.
    ///
    /// # Panics
    ///
    /// When the browser does not return one.
    pub async fn screenshot(&mut self) -> Vec<u8> {
        let shot = self.call("Page.captureScreenshot", json!({"captureBeyondViewport": true})).await;
        let data = shot["data"].as_str().expect("a picture");
        base64::engine::general_purpose::STANDARD.decode(data).expect("base64")
    }
}

fn evaluated(expression: &str) -> Value {
    json!({"expression": expression, "awaitPromise": true, "returnByValue": true})
}
