//! The program `sio`, against servers that are well and servers that are not.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::time::Duration;

use engineio::Cors;
use serde_json::{Value, json};
use socketio_server::{Ack, ConnectError, RawArgs, Server, Socket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

async fn serve(io: Server) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { io.serve(listener).await });
    addr
}

async fn start() -> SocketAddr {
    start_on(&[engineio::Transport::Polling, engineio::Transport::WebSocket]).await
}

async fn start_on(transports: &[engineio::Transport]) -> SocketAddr {
    let transports = transports.to_vec();
    let io = Server::builder().engine(|engine| engine.transports(transports)).build().unwrap();
    io.of("/").on("echo", |args: RawArgs| async move { Ack(args) });
    io.of("/").on("send back", |socket: Socket, args: RawArgs| async move {
        socket.emit("sent back", &args).unwrap();
        socket.disconnect(false);
    });
    io.of("/").on("news", |socket: Socket, args: RawArgs| async move {
        socket.broadcast().emit("news", &args).await.unwrap();
    });
    io.of("/").on("leave", |socket: Socket| async move { socket.disconnect(false) });
    io.of("/no").middleware(|_: Socket| async { Err::<(), _>(ConnectError::new("who are you?")) });
    serve(io).await
}

async fn sio(arguments: &[&str], input: &str) -> Output {
    let mut sio = Command::new(env!("CARGO_BIN_EXE_sio"))
        .args(arguments)
        .env("NO_PROXY", "*")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = sio.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    tokio::time::timeout(Duration::from_secs(60), sio.wait_with_output()).await.unwrap().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn an_event_is_sent_and_answered() {
    let url = format!("http://{}", start().await);
    let output = sio(&["emit", &url, "echo", "--ack", "1", r#"{"a":[true]}"#, "some text"], "").await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "[1,{\"a\":[true]},\"some text\"]\n");
    let old = Server::builder().engine(|engine| engine.allow_eio3(true)).build().unwrap();
    old.of("/").on("which", |socket: Socket| async move { Ack(socket.session().protocol().number()) });
    let output = sio(&["emit", &format!("http://{}", serve(old).await), "which", "--ack", "--v2"], "").await;
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("[3]\n", ""));
    let output = sio(&["emit", &format!("{url}/no"), "echo"], "").await;
    assert!(!output.status.success());
    assert_eq!(text(&output.stderr), "sio: who are you?\n");
}

#[tokio::test]
async fn events_are_printed_and_lines_are_sent() {
    let url = format!("http://{}", start().await);
    for (json, expected) in [
        (
            true,
            "{\"recovered\":false,\"type\":\"connect\"}\n\
             {\"args\":[1,\"two\"],\"event\":\"sent back\",\"type\":\"event\"}\n\
             {\"reason\":\"io server disconnect\",\"type\":\"disconnect\"}\n",
        ),
        (false, "connect recovered=false\nevent said 1 \"two\"\ndisconnect io server disconnect\n"),
    ] {
        let io = Server::builder().build().unwrap();
        io.of("/").on("go", move |socket: Socket, args: RawArgs| async move {
            socket.emit(if json { "sent back" } else { "said" }, &args).unwrap();
            socket.disconnect(false);
        });
        let url = format!("http://{}", serve(io).await);
        let flags: &[&str] = if json { &["connect", &url, "--json"] } else { &["connect", &url] };
        let output = sio(flags, "go 1 \"two\"\n").await;
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout), expected);
    }
    let output = sio(&["connect", &format!("{url}/no")], "").await;
    assert!(!output.status.success());
    assert_eq!(text(&output.stdout), "connect_error who are you?\n");
}

/// Runs `sio load` with three connections: whether all was well, and the lines it printed.
async fn load(url: &str, flags: &[&str]) -> (bool, Vec<Value>) {
    let always = ["load", url, "-n", "3", "--duration", "0.1", "--interval", "0.01", "--json"];
    let output = sio(&[&always, flags].concat(), "").await;
    assert_eq!(text(&output.stderr), "");
    let lines = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.success(), lines)
}

#[tokio::test]
async fn load_measures_connections_echoes_and_broadcasts() {
    let url = format!("http://{}", start().await);
    let (well, lines) = load(&url, &["--echo", "echo", "--bytes", "100", "--broadcast", "news"]).await;
    assert!(well, "{lines:?}");
    let types: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["connect", "echo", "broadcast"]);
    let counts: Vec<_> = lines.iter().map(|line| line["latency"]["count"].as_u64().unwrap()).collect();
    assert!(counts[0] == 3 && counts[1] >= 3 && counts[2] >= 3 && counts[2] % 3 == 0, "{counts:?}");
    for line in &lines {
        let [min, p50, p99, max] =
            ["min_ms", "p50_ms", "p99_ms", "max_ms"].map(|name| line["latency"][name].as_f64().unwrap());
        assert!(0.0 < min && min <= p50 && p50 <= p99 && p99 <= max, "{line}");
    }

    let output = sio(&["load", &url, "-n", "3", "--at-once", "2"], "").await;
    assert!(output.status.success());
    let lines: Vec<_> = text(&output.stdout).lines().collect();
    assert!(lines[0].starts_with("connect   3 in ") && lines[1].starts_with("  p50 "), "{lines:?}");
    assert!(lines[2].contains(" ms ####"), "{lines:?}");
}

#[tokio::test]
async fn load_counts_what_fails() {
    let url = format!("http://{}", start().await);
    let (well, lines) = load(&format!("{url}/no"), &[]).await;
    assert!(!well);
    assert_eq!(lines[0]["failures"], json!({ "who are you?": 3 }));

    let (well, lines) = load(&url, &["--echo", "nobody", "--timeout", "1"]).await;
    assert!(!well);
    assert_eq!((&lines[0]["failures"], &lines[1]["latency"]["count"]), (&json!({}), &json!(0)));
    let failures: Vec<_> = lines[1]["failures"].as_object().unwrap().values().collect();
    assert_eq!(failures, [&json!(3)]);

    let (well, lines) = load(&url, &["--broadcast", "nobody", "--timeout", "1"]).await;
    assert!(!well);
    assert_eq!(lines[1]["failures"], json!({ "an event did not arrive in time": 3 }));

    let (well, lines) = load(&url, &["--echo", "leave"]).await;
    assert!(!well);
    assert_eq!(lines[2]["failures"], json!({ "a connection was lost": 3 }));
}

/// A peer that answers every request for which `answer` knows something, and leaves the others waiting; where it says
/// so they go on to a server.
async fn peer(
    onward: Option<SocketAddr>,
    answer: impl Fn(&str) -> Option<&'static str> + Clone + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { return };
                    head.push(byte);
                }
                match (answer(text(&head)), onward) {
                    (Some(answer), _) => {
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                    (None, Some(onward)) => {
                        let mut onward = TcpStream::connect(onward).await.unwrap();
                        onward.write_all(&head).await.unwrap();
                        let _ = tokio::io::copy_bidirectional(&mut stream, &mut onward).await;
                    }
                    (None, None) => std::future::pending().await,
                }
            });
        }
    });
    addr
}

async fn diagnosis(url: &str, flags: &[&str]) -> String {
    let mut arguments = vec!["doctor", url, "--timeout", "2"];
    arguments.extend(flags);
    let output = sio(&arguments, "").await;
    assert!(!output.status.success(), "{}", text(&output.stdout));
    assert_eq!(text(&output.stderr), "");
    text(&output.stdout).to_owned()
}

#[tokio::test]
async fn the_doctor_finds_nothing_where_nothing_is_wrong() {
    let io = Server::builder()
        .ping_interval(Duration::from_millis(50))
        .engine(|engine| engine.cors(Cors::origin("https://a.example").unwrap().credentials(true)))
        .build()
        .unwrap();
    io.of("/");
    let url = format!("http://{}", serve(io).await);
    let usual = ["polling", "websocket", "upgrade", "namespace", "buffering"];
    let all = ["polling", "websocket", "upgrade", "cors", "namespace", "buffering", "idle", "idle"];
    let flags = ["--origin", "https://a.example", "--idle", "0.2"];
    for (flags, expected) in [
        (&[][..], &usual[..]),
        (&flags, &all),
        (&["--transport", "websocket"], &["websocket", "namespace"]),
        (&["--transport", "polling"], &["polling", "namespace"]),
        (&["--transport", "websocket,polling"], &usual),
    ] {
        let output = sio(&[&["doctor", &url], flags].concat(), "").await;
        assert!(output.status.success(), "{}", text(&output.stdout));
        let steps: Vec<_> =
            text(&output.stdout).lines().map(|line| line.split_whitespace().nth(1).unwrap()).collect();
        assert_eq!(steps, expected);
    }
}

#[tokio::test]
async fn the_doctor_names_what_is_wrong_with_a_server() {
    use engineio::Transport::{Polling, WebSocket};
    let addr = start().await;
    let nowhere = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let polling = start_on(&[Polling]).await;
    let websocket = start_on(&[WebSocket]).await;
    for (url, flags, sentence) in [
        (format!("http://{nowhere}"), &[][..], "nobody can be reached there"),
        (format!("http://{addr}"), &["--path", "/elsewhere/"], "404: nothing answers at this path"),
        (format!("http://{addr}/nowhere"), &[], "there is no namespace /nowhere"),
        (format!("http://{addr}/no"), &[], "a middleware of /no refuses the client: who are you?"),
        (format!("https://{addr}"), &[], "TLS fails"),
        (format!("http://{addr}"), &["--v2"], "the server speaks another revision of the protocol"),
        (format!("http://{addr}"), &["--msgpack"], "the server uses another parser than Msgpack"),
        (
            format!("http://{addr}"),
            &["--origin", "https://a.example"],
            "there is no Access-Control-Allow-Origin",
        ),
        (format!("http://{polling}"), &[], "the server does not allow the transport websocket"),
        (format!("http://{polling}"), &[], "the server does not offer WebSocket"),
        (format!("http://{websocket}"), &[], "the server does not allow the transport polling"),
    ] {
        let found = diagnosis(&url, flags).await;
        assert!(found.contains(sentence), "{url} {flags:?}: {found}");
    }
}

#[tokio::test]
async fn the_doctor_names_what_is_wrong_with_the_way() {
    const BAD_GATEWAY: &str = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    const FORBIDDEN: &str = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    const ELSEWHERE: &str =
        "HTTP/1.1 301 Moved Permanently\r\nLocation: /\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nConnection: close\r\n\r\n<html></html>";
    const OLD: &str = "HTTP/1.1 400 Bad Request\r\nContent-Length: 51\r\nConnection: close\r\n\r\n{\"code\":5,\"message\":\"Unsupported protocol version\"}\n";
    const SSH: &str = "SSH-2.0-OpenSSH_9.2\r\n";
    let server = start().await;
    let all = |answer: &'static str| peer(None, move |_| Some(answer));
    let without_websocket =
        peer(Some(server), |head| head.contains("transport=websocket").then_some(BAD_GATEWAY)).await;
    let without_upgrade = peer(Some(server), |head| {
        (head.contains("transport=websocket") && head.contains("sid=")).then_some(BAD_GATEWAY)
    })
    .await;
    for (addr, sentence) in [
        (all(BAD_GATEWAY).await, "502: a proxy answers, but does not get through to the server"),
        (all(FORBIDDEN).await, "403: the server forbids the connection"),
        (all(ELSEWHERE).await, "301: the server is elsewhere, or wants https"),
        (all(PAGE).await, "something answers, but not an Engine.IO server of revision 4"),
        (all(OLD).await, "the server speaks another revision of the protocol"),
        (all(SSH).await, "what answers does not speak HTTP as it should"),
        (peer(None, |_| None).await, "the connection is accepted, but no answer came in 2s"),
        (
            without_websocket,
            "502: a proxy answers, but does not get through to the server behind it over websocket",
        ),
        (without_upgrade, "the server offers WebSocket, but a session cannot move to it"),
    ] {
        let found = diagnosis(&format!("http://{addr}"), &[]).await;
        assert!(found.contains(sentence), "{sentence}: {found}");
    }
}

/// Hands the requests of a client on, and the answers back as `hand_back` does it.
async fn proxy<F>(
    server: SocketAddr,
    hand_back: impl Fn(String, TcpStream, TcpStream) -> F + Send + 'static,
) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match client.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            let head = String::from_utf8(head).unwrap();
            let server = TcpStream::connect(server).await.unwrap();
            tokio::spawn(hand_back(head, client, server));
        }
    });
    format!("http://{addr}")
}

#[tokio::test]
async fn the_doctor_names_a_proxy_that_buffers() {
    let url = proxy(start().await, |head, mut client, mut server| async move {
        if head.contains("transport=polling") && head.contains("sid=") && head.starts_with("GET") {
            // The answer is not long enough to be worth sending.
            return std::future::pending().await;
        }
        // Each request of polling comes on a connection of its own, so that it is seen here.
        let polling = head.contains("transport=polling");
        let end = if polling { "\r\nConnection: close\r\n\r\n" } else { "\r\n\r\n" };
        let head = head.trim_end().to_owned() + end;
        server.write_all(head.as_bytes()).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    })
    .await;
    let found = diagnosis(&url, &[]).await;
    assert!(
        found.contains("WRONG buffering  sessions open over polling, but no answer came in 2s"),
        "{found}"
    );
}

#[tokio::test]
async fn the_doctor_names_a_proxy_that_does_not_wait() {
    let url = proxy(start().await, |head, mut client, mut server| async move {
        server.write_all(head.as_bytes()).await.unwrap();
        let (mut asked, mut answered) = ([0; 4096], [0; 4096]);
        loop {
            let (read, is_answer) = tokio::select! {
                read = client.read(&mut asked) => (read, false),
                read = server.read(&mut answered) => (read, true),
                () = tokio::time::sleep(Duration::from_secs(1)) => return,
            };
            let Ok(len @ 1..) = read else { return };
            let handed = if is_answer {
                client.write_all(&answered[..len]).await
            } else {
                server.write_all(&asked[..len]).await
            };
            if handed.is_err() {
                return;
            }
        }
    })
    .await;
    let found = diagnosis(&url, &["--idle", "30"]).await;
    for transport in ["polling", "websocket"] {
        assert!(found.contains(&format!("over {transport} the connection is cut after ")), "{found}");
    }
}

#[tokio::test]
async fn the_doctor_names_a_heartbeat_that_does_not_come_through() {
    const PING: &[u8] = b"\x81\x012";
    const PONG: &[u8] = b"\x81\x81\0\0\0\x003";
    let io = Server::builder()
        .ping_interval(Duration::from_millis(300))
        .ping_timeout(Duration::from_millis(700))
        .build()
        .unwrap();
    io.of("/");
    let url = proxy(serve(io).await, |head, mut client, mut server| async move {
        server.write_all(head.as_bytes()).await.unwrap();
        let (mut asked, mut answered) = ([0; 4096], [0; 4096]);
        loop {
            let handed = tokio::select! {
                read = client.read(&mut asked) => match read {
                    Ok(len @ 1..) => server.write_all(&asked[..len]).await,
                    _ => return,
                },
                read = server.read(&mut answered) => match read {
                    // The server hears what it wants to, so that only the client can notice.
                    Ok(len @ 1..) if &answered[..len] == PING => server.write_all(PONG).await,
                    Ok(len @ 1..) => client.write_all(&answered[..len]).await,
                    _ => return,
                },
            };
            if handed.is_err() {
                return;
            }
        }
    })
    .await;
    let found = diagnosis(&url, &["--idle", "5"]).await;
    assert!(found.contains("over websocket no heartbeat of the server came through in "), "{found}");
}
