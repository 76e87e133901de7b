//! Layers of other crates in front of a server: sessions, authentication, and the addresses of clients.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use axum_login::{AuthManagerLayerBuilder, AuthSession, AuthUser, AuthnBackend, UserId};
use socketio_server::{Ack, Data, Extension, ExtractError, HandlerResult, Server, Socket};
use tests::raw::{Request, WebSocket, soon};
use tokio::net::TcpListener;
use tower_sessions::{MemoryStore, Session, SessionManagerLayer};

/// Serves a router.
async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    addr
}

/// A client that has joined `/`.
async fn connect(addr: SocketAddr, headers: &[(&str, &str)]) -> WebSocket {
    let target = "/socket.io/?EIO=4&transport=websocket";
    let mut ws = WebSocket::open_with(addr, target, headers).await.unwrap();
    assert!(ws.text().await.starts_with("0{"));
    ws.send("40").await;
    assert!(ws.text().await.starts_with("40{"));
    ws
}

async fn ask(ws: &mut WebSocket, event: &str) -> String {
    ws.send(&format!("421{event}")).await;
    ws.text().await.strip_prefix("431").unwrap().to_owned()
}

/// The cookie that a request to this path sets.
async fn cookie(addr: SocketAddr, path: &str) -> String {
    let response = soon(Request::new("GET", path).send(addr)).await;
    assert_eq!(response.both(), (200, "welcome"));
    response.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

fn sessions() -> SessionManagerLayer<MemoryStore> {
    SessionManagerLayer::new(MemoryStore::default()).with_secure(false)
}

/// A session of tower-sessions: what a route has stored is there in handlers, which can store too.
#[tokio::test]
async fn handlers_use_the_session_of_tower_sessions() {
    let io = Server::builder().build().unwrap();
    io.on("who", |Extension(session): Extension<Session>| async move {
        HandlerResult::Ok(Ack(session.get::<String>("name").await?))
    });
    io.on("rename", |Extension(session): Extension<Session>, Data(name): Data<String>| async move {
        session.insert("name", name).await?;
        session.save().await?;
        HandlerResult::Ok(())
    });
    let login = |session: Session| async move {
        session.insert("name", "ada").await.unwrap();
        "welcome"
    };
    let name = |session: Session| async move { session.get::<String>("name").await.unwrap().unwrap() };
    let app = Router::new().route("/login", get(login)).route("/name", get(name));
    let addr = serve(app.layer(io.layer()).layer(sessions())).await;

    let cookie = cookie(addr, "/login").await;
    let mut ada = connect(addr, &[("cookie", &cookie)]).await;
    assert_eq!(ask(&mut ada, r#"["who"]"#).await, r#"["ada"]"#);
    let mut other = connect(addr, &[]).await;
    assert_eq!(ask(&mut other, r#"["who"]"#).await, "[null]");
    assert_eq!(ask(&mut ada, r#"["rename","lovelace"]"#).await, "[]");
    let response = soon(Request::new("GET", "/name").header("cookie", &cookie).send(addr)).await;
    assert_eq!(response.both(), (200, "lovelace"));
}

#[derive(Clone, Debug)]
struct User(String);

/// Users whose name is their id.
#[derive(Clone, Debug)]
struct Users;

impl AuthUser for User {
    type Id = String;

    fn id(&self) -> String {
        self.0.clone()
    }

    fn session_auth_hash(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl AuthnBackend for Users {
    type User = User;
    type Credentials = String;
    type Error = Infallible;

    async fn authenticate(&self, name: String) -> Result<Option<User>, Infallible> {
        Ok(Some(User(name)))
    }

    async fn get_user(&self, name: &UserId<Self>) -> Result<Option<User>, Infallible> {
        Ok(Some(User(name.clone())))
    }
}

/// A user of axum-login: only clients that have logged in may join, and handlers know who they are.
#[tokio::test]
async fn handlers_use_the_user_of_axum_login() {
    let io = Server::builder().build().unwrap();
    let members = io.of("/members");
    members.middleware(|Extension(auth): Extension<AuthSession<Users>>, socket: Socket| async move {
        let User(name) = auth.user.ok_or("log in first")?;
        socket.join(format!("user:{name}"));
        Ok::<(), &str>(())
    });
    members.on(
        "who",
        |auth: Result<Extension<AuthSession<Users>>, ExtractError>, socket: Socket| async move {
            let Extension(auth) = auth?;
            let name = auth.user.map(|User(name)| name).unwrap_or_default();
            Ok::<_, ExtractError>(Ack((socket.is_in(&format!("user:{name}")), name)))
        },
    );
    let login = |mut auth: AuthSession<Users>| async move {
        let user = auth.authenticate("ada".to_owned()).await.unwrap().unwrap();
        auth.login(&user).await.unwrap();
        "welcome"
    };
    let layer = AuthManagerLayerBuilder::new(Users, sessions()).build();
    let addr = serve(Router::new().route("/login", get(login)).layer(io.layer()).layer(layer)).await;

    let mut nobody = connect(addr, &[]).await;
    nobody.send("40/members,").await;
    assert_eq!(nobody.text().await, r#"44/members,{"message":"log in first"}"#);
    let cookie = cookie(addr, "/login").await;
    let mut ada = connect(addr, &[("cookie", &cookie)]).await;
    ada.send("40/members,").await;
    assert!(ada.text().await.starts_with("40/members,{"));
    ada.send(r#"42/members,1["who"]"#).await;
    assert_eq!(ada.text().await, r#"43/members,1[[true,"ada"]]"#);
}

/// axum's `ConnectInfo` is the address of the client.
#[tokio::test]
async fn the_address_of_a_client_is_known_behind_axum() {
    let io = Server::builder().build().unwrap();
    io.on("where", |socket: Socket| async move {
        Ack(socket.handshake().address().map(|address| address.ip().to_string()))
    });
    let addr = serve(Router::new().layer(io.layer())).await;
    let mut ws = connect(addr, &[]).await;
    assert_eq!(ask(&mut ws, r#"["where"]"#).await, r#"["127.0.0.1"]"#);
}
