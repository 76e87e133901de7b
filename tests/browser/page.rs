//! The page in the browser, and its reports to the test.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use engineio::{Body, Cors, Query, Session, handler_fn};
use http::Response;
use serde_json::Value;
use tests::chromium::Chromium;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

/// Longer than any step takes, including the start of a browser on a busy machine.
const LONG: Duration = Duration::from_secs(90);
/// Interval of the checks that the browser is still running.
const CHECK_INTERVAL: Duration = Duration::from_millis(200);

/// A page that runs one case.
pub(crate) struct Page {
    case: String,
    chromium: Chromium,
    reports: mpsc::UnboundedReceiver<(String, Report)>,
    /// Server that receives the reports of the page. It is separate from the server under test, which may
    /// stop.
    stand: engineio::Server,
}

/// A report of the page. The page waits for an answer, which is `null` when this value is dropped.
pub(crate) struct Report {
    pub(crate) value: Value,
    answer: oneshot::Sender<Value>,
}

impl Report {
    pub(crate) fn answer(self, value: impl Into<Value>) {
        let _ = self.answer.send(value.into());
    }
}

impl Page {
    /// Opens the page of a site and runs a case with these parameters.
    pub(crate) async fn open(site: SocketAddr, case: &str, parameters: &[(&str, &str)]) -> Self {
        let (sender, reports) = mpsc::unbounded_channel();
        let stand = stand(sender);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let reports_at = listener.local_addr().unwrap();
        let serving = stand.clone();
        tokio::spawn(async move { serving.serve(listener).await });

        let defaults = [("script", "socket.io.js"), ("options", "{}")];
        let defaults = defaults.iter().filter(|(name, _)| parameters.iter().all(|(given, _)| given != name));
        let mut url =
            format!("http://{site}/socket.io/page?case={case}&stand=http://{reports_at}/stand/tell");
        for (name, value) in defaults.chain(parameters) {
            let value: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
            url.push_str(&format!("&{name}={value}"));
        }
        Self { case: case.to_owned(), chromium: Chromium::open(&url), reports, stand }
    }

    /// Waits for the next report of the page, which must be this one.
    pub(crate) async fn report(&mut self, what: &str) -> Report {
        let limit = Instant::now() + LONG;
        let wrong = loop {
            match tokio::time::timeout(CHECK_INTERVAL, self.reports.recv()).await {
                Ok(Some((found, report))) if found == what => return report,
                Ok(Some((found, report))) => break format!("it reported {found:?}: {}", report.value),
                Ok(None) => break "the stand is gone".to_owned(),
                Err(_) if Instant::now() > limit => break format!("it reported nothing for {LONG:?}"),
                Err(_) => {}
            }
            if let Some(status) = self.chromium.ended() {
                break format!("Chromium ended with {status}");
            }
        };
        let said = self.chromium.output().replace("\\n", "\n");
        panic!(
            "the page of the case {} should tell {what:?}, but {wrong}\nChromium said:\n{said}",
            self.case
        );
    }

    /// Waits until the page has finished its case.
    pub(crate) async fn done(mut self) {
        self.report("done").await;
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.stand.close();
    }
}

fn stand(sender: mpsc::UnboundedSender<(String, Report)>) -> engineio::Server {
    let tell = move |below: &str, request: &http::request::Parts| {
        let (answer, answered) = oneshot::channel();
        let text = Query::from(&request.uri).get("told").filter(|_| below == "tell")?.to_owned();
        let (what, value) = serde_json::from_str(&text).ok()?;
        sender.send((what, Report { value, answer })).ok()?;
        Some(async {
            let answer = answered.await.unwrap_or_default().to_string();
            Response::new(Body::from(bytes::Bytes::from(answer)))
        })
    };
    let builder = engineio::Server::builder().path("/stand").cors(Cors::any()).resource(tell);
    builder.build(|_: &Session| handler_fn(|_, _| ())).unwrap()
}
