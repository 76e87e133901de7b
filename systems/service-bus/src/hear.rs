//! Standard events of any client.

use std::collections::BTreeMap;

use socketio_parser::Value;
use socketio_server::Socket;
use tracing::debug;

use crate::bus::{BusState, stamped};
use crate::command::CommandError;
use crate::event::{Event, EventType};
use crate::presence::{Identity, SERVICES, USER_ROOM};

/// Forwards a standard event of any client to all services, with the sender as its source. The bus itself
/// answers presence queries.
pub(crate) async fn hear(
    socket: &Socket,
    bus: &BusState,
    kind: EventType,
    data: &Value,
) -> Result<(), CommandError> {
    let identity = Identity::of(socket);
    let fields = data.parse::<BTreeMap<String, Value>>();
    let Ok(mut fields) = fields else {
        return Err(CommandError::Invalid("expected an object".to_owned()));
    };
    for ours in ["type", "source", "timestamp"] {
        fields.remove(ours);
    }
    let mut event = stamped(Event { fields, ..Event::new(kind) }, identity.source());
    if event.kind == EventType::PresenceQuery {
        let Some(user) = event.field::<String>("user_id") else {
            return Err(CommandError::Invalid("expected { user_id }".to_owned()));
        };
        let online = bus.namespace.room_len(&format!("{USER_ROOM}{user}")) > 0;
        let update = Event::new(EventType::PresenceUpdate).with("user_id", user).with("online", online);
        let update = stamped(update, "bus");
        return Ok(socket.emit(update.kind.name(), &update)?);
    }
    if !matches!(identity, Identity::Service(_)) {
        // A client must not send as another user.
        for ours in ["user_id", "client_id"] {
            event.fields.remove(ours);
        }
    }
    match identity {
        Identity::User(user) => event = event.with("user_id", user),
        Identity::Unknown => event = event.with("client_id", socket.id()),
        Identity::Service(_) => {}
    }
    debug!(kind = event.kind.name(), source = event.source, "heard");
    Ok(socket.to(SERVICES).emit(event.kind.name(), &event).await?)
}
