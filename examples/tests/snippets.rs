//! The JavaScript of README.md, of the guide and of the examples runs, and prints what it says.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::path::Path;

use serde_json::json;
use socketio_server::{Ack, Auth, ConnectError, Data, EmitError, Server, Socket};
use tests::snippets::{IMPORT, Script, blocks, documentation};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

/// The address in documents, which tests replace.
const ADDRESS: &str = "http://127.0.0.1:3000";

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)).unwrap()
}

/// The one block of a document in this language.
fn block(file: &str, language: &str) -> String {
    let [code] = <[String; 1]>::try_from(blocks(&read(file), language)).unwrap();
    code
}

async fn serve(io: Server) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { io.serve(listener).await });
    url
}

/// The server of README.md, and of "Getting started".
async fn lobby() -> String {
    let io = Server::builder().build().unwrap();
    io.on_connect(|socket: Socket| async move { socket.join("lobby") });
    io.on("say", |socket: Socket, Data(text): Data<String>| async move {
        socket.to("lobby").emit("said", &text).await?;
        Ok::<_, EmitError>(Ack("delivered"))
    });
    serve(io).await
}

#[tokio::test]
async fn readme() {
    let url = lobby().await;
    // The second block is that of the gateway, which tests it.
    let [code, _] = <[String; 2]>::try_from(blocks(&read("README.md"), "js")).unwrap();
    let code = code.replace(ADDRESS, &url);
    let mut first = Script::start(&code);
    assert_eq!(first.line().await, "delivered");
    let mut second = Script::start(&code);
    assert_eq!(second.line().await, "delivered");
    assert_eq!(first.line().await, "hello");
}

#[tokio::test]
async fn getting_started() {
    let url = lobby().await;
    let page = block("docs/getting-started.md", "html");
    let (_, script) = page.split_once("<script>\n").unwrap();
    let (script, _) = script.split_once("</script>").unwrap();
    let code = format!("{IMPORT}{}", script.replace(ADDRESS, &url));
    let mut first = Script::start(&code);
    assert_eq!(first.line().await, "delivered");
    let mut second = Script::start(&code);
    assert_eq!(second.line().await, "delivered");
    assert_eq!(first.line().await, "hello");
}

/// The page of the server that the guide describes has a socket, and prints the answers.
#[tokio::test]
async fn acknowledgements() {
    let io = Server::builder().build().unwrap();
    io.on("add", |Data(numbers): Data<Vec<u64>>| async move {
        match numbers.iter().copied().reduce(|a, b| a.saturating_add(b)) {
            Some(total) => Ok(Ack(json!({ "total": total }))),
            None => Err("a number is missing"),
        }
    });
    let url = serve(io).await;
    let code = block("docs/acknowledgements.md", "js");
    let mut script =
        Script::start(&format!("{IMPORT}const socket = io({url:?});\n{code}\nconsole.log(sum, no);"));
    assert_eq!(script.line().await, "{ total: 6 } { error: 'a number is missing' }");
}

/// A page connects to its own server, and has a token.
#[tokio::test]
async fn authentication() {
    let io = Server::builder().build().unwrap();
    io.middleware(|Auth(auth): Auth<serde_json::Value>| async move {
        assert_eq!(auth["token"], "mine");
        Err::<(), _>(ConnectError::new("not allowed").with_data(json!({ "code": "bad_token" })))
    });
    let url = serve(io).await;
    let code = block("docs/authentication.md", "js");
    let import = "import { io as connect } from \"socket.io-client\";\n";
    let page = format!("const io = (options) => connect({url:?}, options), token = \"mine\";\n");
    let mut script = Script::start(&format!("{import}{page}{code}"));
    assert_eq!(script.line().await, "not allowed { code: 'bad_token' }");
}

#[tokio::test]
async fn readme_of_the_server() {
    let io = Server::builder().build().unwrap();
    let chat = io.of("/chat");
    chat.on_connect(|socket: Socket| async move { socket.join("lobby") });
    chat.on("message", |socket: Socket, Data(line): Data<serde_json::Value>| async move {
        socket.to("lobby").emit("message", &line).await
    });
    let url = serve(io).await;
    let code = format!("{IMPORT}{}", block("socketio-server/README.md", "js").replace(ADDRESS, &url));
    let mut first =
        Script::start(&format!("{code}\nsocket.on(\"connect\", () => console.log(\"connected\"));"));
    assert_eq!(first.line().await, "connected");
    let _second = Script::start(&code);
    assert_eq!(first.line().await, "ada hello");
}

/// A document with JavaScript needs a test above.
#[test]
fn all_documents_are_tested() {
    let guide = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")).unwrap();
    let mut with_code: Vec<String> = guide
        .map(|file| format!("docs/{}", file.unwrap().file_name().to_str().unwrap()))
        .filter(|file| file.ends_with(".md"))
        .filter(|file| {
            let text = read(file);
            ["js", "javascript", "mjs", "ts", "html"]
                .iter()
                .any(|language| !blocks(&text, language).is_empty())
        })
        .collect();
    with_code.sort();
    let tested = ["docs/acknowledgements.md", "docs/authentication.md", "docs/getting-started.md"];
    assert_eq!(with_code, tested);
}

/// A program, and the script at its top, which may lack its first line.
async fn example(program: &str) -> (Child, String) {
    let name = Path::new(program).file_stem().unwrap().to_str().unwrap();
    let path = format!("examples/src/bin/{name}.rs");
    let [code] = <[String; 1]>::try_from(blocks(&documentation(&read(&path)), "js")).unwrap();
    let (process, url) = tests::served::start(Command::new(program).env("ADDRESS", "127.0.0.1:0")).await;
    (process, format!("{IMPORT}{}\n", code.replace(ADDRESS, &url)))
}

#[tokio::test]
async fn acks() {
    let (_process, code) = example(env!("CARGO_BIN_EXE_acks")).await;
    let mut script = Script::start(&code);
    assert_eq!(script.line().await, "3");
    assert_eq!(script.line().await, "{ error: 'that cannot be divided' }");
    assert!(script.line().await.starts_with("you guessed "));
}

#[tokio::test]
async fn chat() {
    let (_process, code) = example(env!("CARGO_BIN_EXE_chat")).await;
    let mut first = Script::start(&format!("{code}socket.on(\"login\", () => console.log(\"logged in\"));"));
    assert_eq!(first.line().await, "logged in");
    let _second = Script::start(&code);
    assert_eq!(first.line().await, "ada 2");
    assert_eq!(first.line().await, "ada: hello");
}

#[tokio::test]
async fn private_messaging() {
    let (_process, code) = example(env!("CARGO_BIN_EXE_private_messaging")).await;
    let mut first = Script::start(&code);
    first.until("username: 'ada'").await;
    let mut second = Script::start(&code);
    assert!(second.until(" hello").await.contains("username: 'ada'"));
}

/// No number is missing after the connection has been lost.
#[tokio::test]
async fn recovery() {
    let (_process, code) = example(env!("CARGO_BIN_EXE_recovery")).await;
    let mut script = Script::start(&code);
    assert_eq!(script.line().await, "new");
    let mut last: u64 = script.line().await.parse().unwrap();
    let mut recovered = false;
    let mut after = 0;
    while after < 2 {
        let line = script.line().await;
        if line == "recovered" {
            recovered = true;
            continue;
        }
        assert_eq!(line, (last + 1).to_string());
        last += 1;
        after += usize::from(recovered);
    }
}

#[tokio::test]
async fn rooms() {
    let (_process, code) = example(env!("CARGO_BIN_EXE_rooms")).await;
    assert!(Script::start(&code).line().await.starts_with("[ '"));
}

#[tokio::test]
async fn tenants() {
    let (_process, code) = example(env!("CARGO_BIN_EXE_tenants")).await;
    assert_eq!(Script::start(&code).line().await, "acme");
}

#[tokio::test]
async fn token() {
    let (_process, code) = example(env!("CARGO_BIN_EXE_token")).await;
    assert_eq!(Script::start(&code).line().await, "ada");
}

/// The script uploads a file, here one of two pieces.
#[tokio::test]
async fn upload() {
    let (_process, code) = example(env!("CARGO_BIN_EXE_upload")).await;
    let code =
        format!("const file = Buffer.alloc(100_000, 7);\n{code}console.log(data.length, data[99_999]);");
    assert_eq!(Script::start(&code).line().await, "100000 7");
}
