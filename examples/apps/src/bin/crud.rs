//! A list of tasks that is the same in all clients: create, read, update, delete and list, with validation. Events and
//! answers are those of the official basic-crud-application.
//!
//! `cargo run -p apps --bin crud`, then from a Socket.IO client:
//!
//! ```js
//! const socket = io("http://127.0.0.1:3000");
//! socket.on("todo:created", (todo) => console.log(todo)); // of other clients
//! const { data: id } = await socket.emitWithAck("todo:create", { title: "write", completed: false });
//! console.log(await socket.emitWithAck("todo:update", { id, title: "write", completed: true })); // undefined
//! console.log(await socket.emitWithAck("todo:list")); // { data: [{ id, title: "write", completed: true }] }
//! console.log(await socket.emitWithAck("todo:create", {})); // { error: "invalid payload", errorDetails: […] }
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde_json::Value;
use socketio_server::{Ack, Data, EmitError, ExtractError, Server, Socket, State};
use uuid::Uuid;

/// Tasks that are kept at most.
const MAX_TODOS: usize = 10_000;

#[derive(Clone, Serialize)]
struct Todo {
    id: Uuid,
    title: String,
    completed: bool,
}

/// The tasks, in the order of their creation. A real application has a database.
#[derive(Clone, Default)]
struct Todos(Arc<Mutex<Vec<Todo>>>);

impl Todos {
    fn lock(&self) -> MutexGuard<'_, Vec<Todo>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Serialize)]
struct Success<T> {
    data: T,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    error: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    error_details: Vec<Detail>,
}

#[derive(Serialize)]
struct Detail {
    message: String,
    path: [&'static str; 1],
    r#type: &'static str,
}

/// The error of a handler is an answer in this form.
type Answer<T = ()> = Result<T, Ack<Failure>>;

fn failure(error: &'static str) -> Ack<Failure> {
    Ack(Failure { error, error_details: Vec::new() })
}

fn position(todos: &[Todo], id: Result<Data<Uuid>, ExtractError>) -> Answer<usize> {
    let place = id.ok().and_then(|Data(id)| todos.iter().position(|todo| todo.id == id));
    place.ok_or_else(|| failure("entity not found"))
}

/// A task from a client; a new one has no id.
fn validate(payload: &Value, new: bool) -> Answer<Todo> {
    let mut error_details = Vec::new();
    let mut wrong = |field, why: &str, r#type| {
        error_details.push(Detail { message: format!("\"{field}\" {why}"), path: [field], r#type });
    };
    let id = payload["id"].as_str().and_then(|id| Uuid::parse_str(id).ok());
    match &payload["id"] {
        Value::Null if new => {}
        Value::Null => wrong("id", "is required", "any.required"),
        _ if new => wrong("id", "is not allowed", "any.unknown"),
        _ if id.is_none() => wrong("id", "must be a valid GUID", "string.guid"),
        _ => {}
    }
    let title = payload["title"].as_str().unwrap_or_default();
    match &payload["title"] {
        Value::Null => wrong("title", "is required", "any.required"),
        Value::String(_) if title.is_empty() => wrong("title", "is not allowed to be empty", "string.empty"),
        Value::String(_) if title.chars().count() > 256 => {
            wrong("title", "length must be less than or equal to 256 characters long", "string.max");
        }
        Value::String(_) => {}
        _ => wrong("title", "must be a string", "string.base"),
    }
    match &payload["completed"] {
        Value::Bool(_) => {}
        Value::Null => wrong("completed", "is required", "any.required"),
        _ => wrong("completed", "must be a boolean", "boolean.base"),
    }
    if !error_details.is_empty() {
        return Err(Ack(Failure { error: "invalid payload", error_details }));
    }
    let completed = payload["completed"] == true;
    Ok(Todo { id: id.unwrap_or_else(Uuid::new_v4), title: title.to_owned(), completed })
}

/// Tells the other clients.
async fn notify(socket: &Socket, event: &str, value: &impl Serialize) -> Answer {
    let unknown = |_: EmitError| failure("an unknown error has occurred");
    socket.broadcast().emit(event, value).await.map_err(unknown)
}

async fn create(
    socket: Socket,
    todos: State<Todos>,
    Data(payload): Data<Value>,
) -> Answer<Ack<Success<Uuid>>> {
    let todo = validate(&payload, true)?;
    {
        let mut todos = todos.0.lock();
        if todos.len() == MAX_TODOS {
            return Err(failure("too many entities"));
        }
        todos.push(todo.clone());
    }
    notify(&socket, "todo:created", &todo).await?;
    Ok(Ack(Success { data: todo.id }))
}

async fn read(
    State(todos): State<Todos>,
    id: Result<Data<Uuid>, ExtractError>,
) -> Answer<Ack<Success<Todo>>> {
    let todos = todos.lock();
    Ok(Ack(Success { data: todos[position(&todos, id)?].clone() }))
}

async fn update(socket: Socket, State(todos): State<Todos>, Data(payload): Data<Value>) -> Answer {
    let todo = validate(&payload, false)?;
    {
        let mut todos = todos.lock();
        let place = position(&todos, Ok(Data(todo.id)))?;
        todos[place] = todo.clone();
    }
    notify(&socket, "todo:updated", &todo).await
}

async fn delete(socket: Socket, State(todos): State<Todos>, id: Result<Data<Uuid>, ExtractError>) -> Answer {
    let deleted = {
        let mut todos = todos.lock();
        let place = position(&todos, id)?;
        todos.remove(place)
    };
    notify(&socket, "todo:deleted", &deleted.id).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let io = Server::builder().state(Todos::default()).build()?;
    io.on("todo:create", create);
    io.on("todo:read", read);
    io.on("todo:update", update);
    io.on("todo:delete", delete);
    io.on(
        "todo:list",
        |State(todos): State<Todos>| async move { Ack(Success { data: todos.lock().clone() }) },
    );
    io.serve(examples::listen().await?).await?;
    Ok(())
}
