//! The readers: servers that return the received request in a header of each response, and the client that
//! records the responses.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use engineio::{Body, HttpServer, Routes};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tests::raw::soon;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::reading::{ParsedRequest, Reading, same};

/// The requests that a reader behind nginx saw, by the ids that nginx assigned.
pub(crate) type Behind = Arc<Mutex<HashMap<String, String>>>;

/// Our reader.
pub(crate) async fn ours(behind: Behind) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let routes = Routes::new(move |request| {
        let behind = Arc::clone(&behind);
        async move {
            let (parts, body) = request.into_parts();
            match body.collect().await {
                Ok(body) => {
                    if let Some(id) = parts.headers.get("x-id").and_then(|id| id.to_str().ok()) {
                        let seen = format!("{} {} {:?}", parts.method, parts.uri, parts.headers);
                        assert_eq!(
                            behind.lock().unwrap().insert(id.to_owned(), seen),
                            None,
                            "two with one id"
                        );
                    }
                    echo(&parts, &body.to_bytes(), Body::from(""))
                }
                Err(_) => refusal(Body::from("")),
            }
        }
    });
    tokio::spawn(async move { HttpServer::new(routes).serve(&listener, std::future::pending()).await });
    addr
}

/// hyper's reader.
pub(crate) async fn hyper() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(|request: Request<hyper::body::Incoming>| async {
                let (parts, body) = request.into_parts();
                Ok::<_, std::convert::Infallible>(match body.collect().await {
                    Ok(body) => echo(&parts, &body.to_bytes(), Empty::<Bytes>::new()),
                    Err(_) => refusal(Empty::new()),
                })
            });
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder.half_close(true).header_read_timeout(None);
            tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
        }
    });
    addr
}

fn echo<B>(parts: &http::request::Parts, body: &[u8], empty: B) -> Response<B> {
    let seen = [format!("{} {}\n", parts.method, parts.uri).as_bytes(), body].concat();
    let mut response = Response::new(empty);
    response.headers_mut().insert("x-seen", HeaderValue::from_str(&hex(&seen)).unwrap());
    if let Some(id) = parts.headers.get("x-id") {
        response.headers_mut().insert("x-id", id.clone());
    }
    response
}

fn refusal<B>(empty: B) -> Response<B> {
    let mut response = Response::new(empty);
    *response.status_mut() = http::StatusCode::BAD_REQUEST;
    response
}

/// Node's reader.
pub(crate) async fn node() -> (SocketAddr, Child) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("http_differential/server.mjs");
    let mut command = Command::new("node");
    command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", tests::node::NEEDED));
    let mut port = String::new();
    soon(BufReader::new(child.stdout.take().unwrap()).read_line(&mut port)).await.unwrap();
    (SocketAddr::from(([127, 0, 0, 1], port.trim().parse().unwrap())), child)
}

const NGINX: &str = r#"
daemon off;
master_process off;
pid nginx.pid;
error_log stderr emerg;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    upstream ours {
        server BEHIND;
        keepalive 8;
    }
    server {
        listen LISTEN;
        # Answers of HTTP/0.9 have no head, so nothing can be told of them.
        if ($server_protocol = "") {
            return 400;
        }
        location / {
            proxy_pass http://ours;
            proxy_http_version 1.1;
            proxy_next_upstream off;
            proxy_ignore_client_abort on;
            proxy_set_header Connection "";
            proxy_set_header Host localhost;
            proxy_set_header X-Id $request_id;
            add_header X-Nginx "$request_id $request_method $request_uri" always;
        }
    }
}
"#;

/// nginx in front of our reader.
pub(crate) async fn nginx(behind: SocketAddr) -> (SocketAddr, Child, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let addr = StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let file = NGINX.replace("BEHIND", &behind.to_string()).replace("LISTEN", &addr.to_string());
    std::fs::write(folder.path().join("main.conf"), file).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-p").arg(folder.path()).args(["-c", "main.conf"]).stdin(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().unwrap_or_else(|error| {
        panic!("nginx: {error}: `cargo xtask test test` installs Debian's package of it")
    });
    soon(async {
        while TcpStream::connect(addr).await.is_err() {
            assert_eq!(child.try_wait().unwrap(), None, "nginx has ended");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    (addr, child, folder)
}

/// Sends an input over a connection of its own, closes the writing side, and reads to the end.
pub(crate) async fn read(addr: SocketAddr, input: &[u8]) -> Reading {
    let mut heard = Vec::new();
    let talk = async {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        // A server that refuses may already have closed the connection.
        if stream.write_all(input).await.is_ok() {
            let _ = stream.shutdown().await;
        }
        let _ = stream.read_to_end(&mut heard).await;
    };
    tokio::time::timeout(Duration::from_secs(20), talk)
        .await
        .unwrap_or_else(|_| panic!("no end of the answers to {:?}", input.escape_ascii().to_string()));
    reading(&heard)
}

fn reading(heard: &[u8]) -> Reading {
    let mut reading = Reading::default();
    let mut forwarded: Option<(String, String, Vec<u8>)> = None;
    let mut answered: Option<ParsedRequest> = None;
    let mut id = None;
    for line in heard.split(|byte| *byte == b'\n').chain([&b"HTTP/1.1 000"[..]]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b"HTTP/1.") {
            match (answered.take(), forwarded.take()) {
                (Some(seen), None) => reading.seen.push(seen),
                (Some(behind), Some((forwarded_id, method, target))) => {
                    assert_eq!(id.take().as_ref(), Some(&forwarded_id), "an answer to another request");
                    let front = ParsedRequest { method, target, body: behind.body.clone() };
                    assert!(same(&front, &behind), "nginx forwards {front:?}, we read {behind:?}");
                    reading.seen.push(front);
                    reading.ids.push(forwarded_id);
                }
                (None, _) => {}
            }
            let status = line.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
            reading.refused = status.filter(|status| *status >= 400).or(reading.refused);
        } else if let Some(value) = header(line, b"x-seen: ") {
            let seen = unhex(value);
            let end = seen.iter().position(|byte| *byte == b'\n').unwrap();
            let space = seen.iter().position(|byte| *byte == b' ').unwrap();
            answered = Some(ParsedRequest {
                method: String::from_utf8_lossy(&seen[..space]).into_owned(),
                target: seen[space + 1..end].to_vec(),
                body: seen[end + 1..].to_vec(),
            });
        } else if let Some(value) = header(line, b"x-nginx: ") {
            let mut words = value.splitn(3, |byte| *byte == b' ');
            let mut word = || words.next().unwrap_or_default().to_vec();
            let (id, method, target) = (word(), word(), word());
            let text = |word: Vec<u8>| String::from_utf8_lossy(&word).into_owned();
            forwarded = Some((text(id), text(method), target));
        } else if let Some(value) = header(line, b"x-id: ") {
            id = Some(String::from_utf8_lossy(value).into_owned());
        }
    }
    reading
}

fn header<'l>(line: &'l [u8], name: &[u8]) -> Option<&'l [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then_some(value)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(digits: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
    digits.chunks_exact(2).map(|pair| digit(pair[0]) * 16 + digit(pair[1])).collect()
}
