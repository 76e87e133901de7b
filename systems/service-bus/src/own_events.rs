//! Events of services that have no HTTP counterpart: subscriptions, and requests with their answers.

use serde::{Deserialize, Serialize};
use serde_json::json;
use socketio_parser::Value;
use socketio_server::{Ack, Data, Namespace, Object, Socket};

use crate::command::CommandError;
use crate::kept::Subscribed;
use crate::presence::Identity;
use crate::requests::Request;
use crate::state::{BusState, Slot};

/// A subscription of a service.
#[derive(Deserialize)]
struct Subscribe {
    subscription: String,
    #[serde(default)]
    types: Vec<String>,
}

/// Answer to a request.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answered {
    Answer(Value),
    Failed { code: &'static str, message: String },
}

/// Registers the handlers.
pub(crate) fn register(namespace: &Namespace, slot: &Slot) {
    let own = slot.clone();
    namespace.on("subscribe", move |socket: Socket, Data(Object(asked)): Data<Object<Subscribe>>| {
        let slot = own.clone();
        async move { subscribe(&socket, &slot.get()?, asked).map(Ack) }
    });
    let own = slot.clone();
    namespace.on("unsubscribe", move |socket: Socket, Data(Object(asked)): Data<Object<Subscribe>>| {
        let slot = own.clone();
        async move {
            slot.get()?.kept.unsubscribe(&socket, &service(&socket)?, &asked.subscription);
            Ok::<_, CommandError>(Ack(json!({ "success": true })))
        }
    });
    let own = slot.clone();
    namespace.on("request", move |socket: Socket, Data(data): Data<Value>| {
        let slot = own.clone();
        async move {
            let name = service(&socket)?;
            let request = Request::read(&data)?;
            Ok::<_, CommandError>(Ack(match ask(&slot.get()?, &name, request).await {
                Ok(answer) => Answered::Answer(answer),
                Err(error) => Answered::Failed { code: error.code(), message: error.to_string() },
            }))
        }
    });
}

/// Asks a service in the name of another one.
pub(crate) async fn ask(bus: &BusState, name: &str, mut request: Request) -> Result<Value, CommandError> {
    request.event = request.event.stamped(name);
    bus.requests.ask(&bus.namespace, name, &request).await
}

fn subscribe(socket: &Socket, bus: &BusState, asked: Subscribe) -> Result<Subscribed, CommandError> {
    if bus.is_clustered {
        let message =
            "subscriptions need a bus without cluster.*: each node would keep its own events".to_owned();
        return Err(CommandError::Invalid(message));
    }
    bus.kept.subscribe(socket, &service(socket)?, &asked.subscription, asked.types)
}

fn service(socket: &Socket) -> Result<String, CommandError> {
    match Identity::of(socket) {
        Identity::Service(name) => Ok(name),
        _ => Err(CommandError::NotAService),
    }
}
