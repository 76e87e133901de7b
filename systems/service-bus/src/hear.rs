//! Standard events of any client.

use std::collections::BTreeMap;

use socketio_parser::Value;
use socketio_server::Socket;
use tracing::debug;

use crate::carry_out::publish;
use crate::command::{CommandError, Outcome};
use crate::event::{Event, EventType};
use crate::names::{MAX_NAME, USER_ROOM};
use crate::presence::Identity;
use crate::state::BusState;

/// Forwards a standard event of any client to all services, with the sender as its source. The bus itself
/// answers presence queries.
pub(crate) async fn hear(
    socket: &Socket,
    bus: &BusState,
    kind: EventType,
    data: &Value,
) -> Result<Outcome, CommandError> {
    let identity = Identity::of(socket);
    let fields = data.parse::<BTreeMap<String, Value>>();
    let Ok(mut fields) = fields else {
        return Err(CommandError::Invalid("expected an object".to_owned()));
    };
    for ours in ["type", "source", "timestamp"] {
        fields.remove(ours);
    }
    let id =
        fields.remove("event_id").and_then(|id| id.parse().ok()).filter(|id: &String| id.len() <= MAX_NAME);
    let mut event = Event { fields, id, ..Event::new(kind) }.stamped(identity.source());
    if event.kind == EventType::PresenceQuery {
        let Some(user) = event.field::<String>("user_id") else {
            return Err(CommandError::Invalid("expected { user_id }".to_owned()));
        };
        let online = bus.namespace.room_len(&format!("{USER_ROOM}{user}")) > 0;
        let update = Event::new(EventType::PresenceUpdate).with("user_id", user).with("online", online);
        let update = update.stamped("bus");
        socket.emit(update.kind.name(), &update)?;
        return Ok(Outcome::default());
    }
    if !matches!(identity, Identity::Service(_)) {
        // A client must not send as another user.
        for ours in ["user_id", "client_id"] {
            event.fields.remove(ours);
        }
    }
    match &identity {
        Identity::User(user) => event = event.with("user_id", user.as_str()),
        Identity::Unknown => event = event.with("client_id", socket.id()),
        Identity::Service(_) => {}
    }
    debug!(kind = event.kind.name(), source = event.source, "heard");
    let service = if let Identity::Service(name) = &identity { name } else { "" };
    publish(bus, &event, service, Some(socket)).await
}
