//! The server for the test suite of the official Engine.IO client, on port 3000.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use engineio::{Cors, Handler, Message, Query, Server, Session};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, header};
use tests::suite::Nodes;

/// The headers of the last POST of each session.
type PostHeaders = Arc<Mutex<HashMap<String, BTreeMap<String, String>>>>;

struct Suite {
    posts: PostHeaders,
}

impl Handler for Suite {
    fn on_message(&mut self, session: &Session, message: Message) {
        let answer = match message.as_bytes() {
            b"sendHeaders" => {
                let posts = self.posts.lock().unwrap_or_else(PoisonError::into_inner);
                serde_json::to_string(&posts.get(session.id().as_str())).unwrap_or_default().into()
            }
            b"give binary" => vec![0, 1, 2, 3, 4].into(),
            b"give utf8" => "пойду спать всем спокойной ночи".into(),
            _ => message,
        };
        let _ = session.send(answer);
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (nodes, posts) = (Nodes::from_env()?, PostHeaders::default());
    nodes.serve(3000, || server(&nodes, &posts)).await
}

fn server(nodes: &Nodes, posts: &PostHeaders) -> Result<Server, engineio::error::ConfigError> {
    let (posts, seen) = (Arc::clone(posts), Arc::clone(posts));
    nodes
        .share(Server::builder())
        .ping_interval(Duration::from_millis(500))
        .max_payload(100)
        .cors(Cors::any())
        .jsonp(true)
        .allow_request(|request: &Parts| {
            let denied = Query::from(&request.uri).get("deny").is_some();
            async move { if denied { Err(String::new()) } else { Ok(()) } }
        })
        .middleware(move |request: &Parts| {
            if let (&Method::POST, Some(sid)) = (&request.method, Query::from(&request.uri).get("sid")) {
                let headers = request.headers.iter();
                let headers = headers.map(|(name, value)| {
                    (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into())
                });
                seen.lock().unwrap_or_else(PoisonError::into_inner).insert(sid.to_owned(), headers.collect());
            }
            async { Ok(HeaderMap::new()) }
        })
        .on_initial_headers(|_, headers| {
            let now = httpdate::fmt_http_date(SystemTime::now());
            for cookie in [
                "1=1; Max-Age=86400".to_owned(),
                "2=2; Path=/; HttpOnly; Secure; SameSite=Strict".to_owned(),
                "3=3; Max-Age=0".to_owned(),
                format!("4=4; Expires={now}"),
            ] {
                if let Ok(cookie) = HeaderValue::try_from(cookie) {
                    headers.append(header::SET_COOKIE, cookie);
                }
            }
        })
        .build(move |session: &Session| {
            let _ = session.send("hi");
            Suite { posts: Arc::clone(&posts) }
        })
}
