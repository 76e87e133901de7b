//! A whiteboard for several tenants: a token from an HTTP login opens the namespace of one tenant, rooms are its boards,
//! strokes are binary and acknowledged by the others, and later members receive the history.
//!
//! `cargo run -p apps --bin board`, then open the printed address in two windows, and log in as ada or bob of the tenant
//! acme, or as eve of the tenant globex, with the password changeit. Ctrl-C stops in good order. With a token of
//! `POST /login`, `curl -H "authorization: Bearer $TOKEN" -d hello http://127.0.0.1:3000/boards/plan/notice` shows a
//! notice on the board "plan".

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Html;
use axum::routing::{get, post};
use axum::{Json, Router};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::{Value, json};
use socketio_server::{
    Ack, Auth, Binary, Data, GatherError, HandlerResult, Params, Server, Socket, State as Shared,
};

/// Boards that are kept at most, and strokes of each; the oldest strokes are dropped.
const MAX_BOARDS: usize = 100;
const MAX_STROKES: usize = 1_000;
/// Bytes of a message, and so of a stroke.
const MAX_BYTES: usize = 10_000;

/// Users and their tenants. A real application has a database, with hashes of passwords.
const USERS: [(&str, &str); 3] = [("ada", "acme"), ("bob", "acme"), ("eve", "globex")];

#[derive(Clone, Deserialize, Serialize)]
struct Claims {
    sub: String,
    tenant: String,
    exp: u64,
}

/// Signs and verifies tokens, which are valid until the program ends.
#[derive(Clone)]
struct Tokens(Arc<[u8; 32]>);

impl Tokens {
    fn new() -> Result<Self, getrandom::Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        Ok(Self(Arc::new(secret)))
    }

    fn sign(&self, claims: &Claims) -> jsonwebtoken::errors::Result<String> {
        jsonwebtoken::encode(&Header::default(), claims, &EncodingKey::from_secret(&*self.0))
    }

    fn verify(&self, token: &str) -> jsonwebtoken::errors::Result<Claims> {
        let key = DecodingKey::from_secret(&*self.0);
        Ok(jsonwebtoken::decode(token, &key, &Validation::default())?.claims)
    }
}

/// A stroke. Clients ignore a number that they have, as a stroke may arrive live and in the history.
#[derive(Clone, Serialize)]
struct Stroke {
    number: u64,
    by: String,
    points: Binary,
}

/// The strokes of all boards, by tenant and board.
type Kept = HashMap<(String, String), VecDeque<Stroke>>;

#[derive(Clone, Default)]
struct Boards(Arc<Mutex<Kept>>);

impl Boards {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The board has been joined, so it exists.
    fn add(&self, user: Claims, board: String, points: &Binary) -> Stroke {
        let mut boards = self.lock();
        let strokes = boards.entry((user.tenant, board)).or_default();
        let number = strokes.back().map_or(1, |last| last.number + 1);
        // A copy: received bytes share the memory of the read in which they came.
        let stroke = Stroke { number, by: user.sub, points: points.to_vec().into() };
        strokes.push_back(stroke.clone());
        if strokes.len() > MAX_STROKES {
            strokes.pop_front();
        }
        stroke
    }
}

#[derive(Deserialize)]
struct Credentials {
    token: String,
}

/// Only users of the tenant may connect to its namespace.
async fn authenticate(
    socket: Socket,
    tenant: Params,
    Shared(tokens): Shared<Tokens>,
    Auth(auth): Auth<Credentials>,
) -> HandlerResult {
    let user = tokens.verify(&auth.token).map_err(|_| "invalid token")?;
    if tenant.get("tenant") != Some(&*user.tenant) {
        return Err("not your tenant".into());
    }
    socket.extensions().insert(user);
    Ok(())
}

fn user(socket: &Socket) -> Result<Claims, &'static str> {
    socket.extensions().get().ok_or("not authenticated")
}

async fn join(
    socket: Socket,
    Shared(boards): Shared<Boards>,
    Data(board): Data<String>,
) -> HandlerResult<Ack<usize>> {
    let key = (user(&socket)?.tenant, board);
    let strokes = {
        let mut boards = boards.lock();
        if boards.len() >= MAX_BOARDS && !boards.contains_key(&key) {
            return Err("too many boards".into());
        }
        socket.join(format!("board:{}", key.1));
        boards.entry(key).or_default().clone()
    };
    // As fast as the client reads.
    for stroke in &strokes {
        socket.emit_when_ready("stroke", stroke).await?;
    }
    Ok(Ack(strokes.len()))
}

async fn draw(
    socket: Socket,
    Shared(boards): Shared<Boards>,
    Data(board): Data<String>,
    Data(points): Data<Binary>,
) -> HandlerResult<Ack<Value>> {
    let room = format!("board:{board}");
    if !socket.is_in(&room) {
        return Err("you are not on this board".into());
    }
    let stroke = boards.add(user(&socket)?, board, &points);
    // The others confirm within a second.
    let others = socket.to(room).timeout(Duration::from_secs(1));
    let (seen, missing) = match others.emit_with_ack::<IgnoredAny>("stroke", &stroke).await {
        Ok(seen) => (seen.len(), 0),
        Err(GatherError::Partial(partial)) => (partial.answers.len(), partial.missing),
        Err(error) => return Err(error.into()),
    };
    Ok(Ack(json!({ "number": stroke.number, "seen": seen, "missing": missing })))
}

#[derive(Deserialize)]
struct Login {
    username: String,
    password: String,
}

async fn login(
    State((_, tokens)): State<(Server, Tokens)>,
    Json(login): Json<Login>,
) -> Result<Json<Value>, StatusCode> {
    let found = USERS.iter().find(|(name, _)| *name == login.username && login.password == "changeit");
    let (name, tenant) = found.ok_or(StatusCode::UNAUTHORIZED)?;
    let exp = SystemTime::now() + Duration::from_secs(3600);
    let exp = exp.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let token = tokens.sign(&Claims { sub: (*name).to_owned(), tenant: (*tenant).to_owned(), exp });
    Ok(Json(json!({ "tenant": tenant, "token": token.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)? })))
}

/// Shows a notice on a board of the user's tenant.
async fn notice(
    State((io, tokens)): State<(Server, Tokens)>,
    Path(board): Path<String>,
    headers: HeaderMap,
    text: String,
) -> Result<StatusCode, StatusCode> {
    let header = headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let user = tokens.verify(header.unwrap_or_default()).map_err(|_| StatusCode::UNAUTHORIZED)?;
    let tenant = io.namespace(&format!("/tenant/{}", user.tenant)).ok_or(StatusCode::NOT_FOUND)?;
    let room = tenant.to(format!("board:{board}"));
    room.emit("notice", &text).await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    Ok(StatusCode::NO_CONTENT)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tokens = Tokens::new()?;
    let io = Server::builder()
        .state(tokens.clone())
        .state(Boards::default())
        .max_payload(MAX_BYTES)
        .cleanup_empty_child_namespaces(true)
        .build()?;
    let tenants = io.of_pattern("/tenant/{tenant}")?;
    tenants.middleware(authenticate);
    tenants.on("join", join);
    tenants.on("draw", draw);

    let page = get(|| async { Html(include_str!("../../pages/board.html")) });
    let app = Router::new()
        .route("/", page)
        .route("/login", post(login))
        .route("/boards/{board}/notice", post(notice))
        .with_state((io.clone(), tokens))
        .layer(io.layer());
    let stop = async move {
        tokio::signal::ctrl_c().await.ok();
        io.drain(Duration::from_secs(10), Duration::from_secs(1)).await;
    };
    axum::serve(examples::listen().await?, app).with_graceful_shutdown(stop).await?;
    Ok(())
}
