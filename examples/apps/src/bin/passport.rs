//! A login with a cookie: the session of the HTTP routes is the session of the Socket.IO handlers, and a logout
//! disconnects its sockets. Routes and events are those of the official passport-example.
//!
//! `cargo run -p apps --bin passport`, then open the printed address and log in as john with the password changeit.

use std::convert::Infallible;

use axum::extract::State;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router, http::StatusCode};
use axum_login::{AuthManagerLayerBuilder, AuthUser, AuthnBackend, UserId};
use serde::Deserialize;
use serde_json::Value;
use socketio_server::{Ack, Extension, HandlerResult, Origins, Server, Socket};
use tower_sessions::{MemoryStore, SessionManagerLayer};

#[derive(Clone, Debug)]
struct User {
    id: u64,
    name: &'static str,
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

/// The users of the application: one. A real application has a database, with hashes of passwords.
#[derive(Clone, Debug)]
struct Users;

const JOHN: User = User { id: 1, name: "john" };

impl AuthUser for User {
    type Id = u64;

    fn id(&self) -> u64 {
        self.id
    }

    fn session_auth_hash(&self) -> &[u8] {
        self.name.as_bytes()
    }
}

impl AuthnBackend for Users {
    type User = User;
    type Credentials = Credentials;
    type Error = Infallible;

    async fn authenticate(&self, login: Credentials) -> Result<Option<User>, Infallible> {
        Ok((login.username == JOHN.name && login.password == "changeit").then_some(JOHN))
    }

    async fn get_user(&self, id: &UserId<Self>) -> Result<Option<User>, Infallible> {
        Ok((*id == JOHN.id).then_some(JOHN))
    }
}

type AuthSession = axum_login::AuthSession<Users>;

async fn index(auth: AuthSession) -> Response {
    match auth.user {
        Some(_) => Html(include_str!("../../pages/passport.html")).into_response(),
        None => Redirect::to("/login").into_response(),
    }
}

async fn login(mut auth: AuthSession, Json(credentials): Json<Credentials>) -> StatusCode {
    match auth.authenticate(credentials).await {
        Ok(Some(user)) if auth.login(&user).await.is_ok() => StatusCode::NO_CONTENT,
        _ => StatusCode::UNAUTHORIZED,
    }
}

async fn logout(State(io): State<Server>, mut auth: AuthSession) -> Result<StatusCode, StatusCode> {
    let id = auth.session.id().ok_or(StatusCode::UNAUTHORIZED)?;
    auth.logout().await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    // All tabs of the browser, and no other device of the user.
    let sockets = io.r#in(format!("session:{id}"));
    sockets.disconnect_sockets(true).await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn connect(socket: Socket, Extension(auth): Extension<AuthSession>) -> HandlerResult {
    let user = auth.user.ok_or("log in first")?;
    // The connection may be older than a logout.
    auth.session.load().await?;
    auth.session.get::<Value>("axum-login.data").await?.ok_or("log in first")?;
    let session = auth.session.id().ok_or("log in first")?;
    socket.join([format!("session:{session}"), format!("user:{}", user.id)]);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Browsers send the cookie with the requests of any page.
    let io = Server::builder().origins(Origins::SameHost).build()?;
    io.middleware(connect);
    io.on(
        "whoami",
        |Extension(auth): Extension<AuthSession>| async move { Ack(auth.user.map(|user| user.name)) },
    );

    // Behind TLS the cookie should be secure, which is the default.
    let sessions = SessionManagerLayer::new(MemoryStore::default()).with_secure(false);
    let login_page = get(|| async { Html(include_str!("../../pages/login.html")) });
    let app = Router::new()
        .route("/", get(index))
        .route("/login", login_page.post(login))
        .route("/logout", post(logout))
        .with_state(io.clone())
        .layer(io.layer())
        .layer(AuthManagerLayerBuilder::new(Users, sessions).build());
    axum::serve(examples::listen().await?, app).await?;
    Ok(())
}
