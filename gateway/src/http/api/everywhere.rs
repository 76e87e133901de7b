//! Calls on the clients and rooms of all nodes. Without a cluster this node is the only one.

use http::StatusCode;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::failure::{Done, Failure};
use crate::cluster::{Emission, Partial, Question};
use crate::gateway::Gateway;
use crate::node::clients::{self, ClientCall, ClientError, ClientResult};
use crate::node::listing;

/// Name of the default namespace.
pub(super) fn root() -> String {
    "/".to_owned()
}

/// Location of a namespace.
enum Location {
    Here,
    /// On other nodes only: a namespace of a pattern, of which this node has no clients. One of them.
    At(String),
}

async fn locate(gateway: &Gateway, name: &str) -> Result<Location, Failure> {
    if listing::namespace(gateway.io(), name).is_some() {
        return Ok(Location::Here);
    }
    match gateway.cluster().node_with(gateway.io(), name).await {
        Ok(instance) => Ok(Location::At(instance)),
        Err(partial) => {
            refuse_incomplete(partial)?;
            Err(Failure::unknown_namespace())
        }
    }
}

/// A result that depends on nodes that did not answer is unknown.
fn refuse_incomplete(partial: Option<Partial>) -> Result<(), Failure> {
    let Some(Partial { missing, link }) = partial else { return Ok(()) };
    let message = format!("not found here, and without an answer of: {}; link {link}", missing.join(", "));
    Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, "incomplete", message))
}

/// Adds what is missing to a result.
pub(super) fn with_partial(mut data: Value, partial: Option<Partial>) -> Value {
    if let Some(partial) = partial {
        data["partial"] = json!(partial);
    }
    data
}

/// Carries out an operation on a client of any node.
pub(super) async fn on_client(
    gateway: &Gateway,
    namespace: Option<String>,
    id: String,
    call: ClientCall,
) -> Done {
    let (io, namespace) = (gateway.io(), namespace.unwrap_or_else(root));
    let is_here = listing::namespace(io, &namespace).is_some_and(|found| found.socket(&id).is_some());
    if is_here || !gateway.cluster().is_enabled() {
        locate(gateway, &namespace).await?;
        if let Some(done) = clients::call(io, &namespace, &id, call) {
            return Ok(done?);
        }
    } else {
        let question = Question::Client { namespace, id, call };
        let asked = gateway.cluster().ask::<Option<ClientResult>>(io, &question).await;
        if let Some(done) = asked.answers.into_iter().find_map(|answered| answered.answer) {
            return Ok(done?);
        }
        refuse_incomplete(asked.partial)?;
        if let Question::Client { namespace, .. } = question {
            locate(gateway, &namespace).await?;
        }
    }
    let message = "no client of the namespace has this id";
    Err(Failure::new(StatusCode::NOT_FOUND, "unknown_client", message))
}

/// Number of clients of the other nodes in a room, or in the whole namespace.
async fn elsewhere(gateway: &Gateway, namespace: &str, room: Option<&str>) -> (usize, Option<Partial>) {
    let question = Question::Clients { namespace: namespace.to_owned(), room: room.map(str::to_owned) };
    let asked = gateway.cluster().ask::<usize>(gateway.io(), &question).await;
    (sum(asked.answers.iter().map(|answered| answered.answer)), asked.partial)
}

fn sum(numbers: impl Iterator<Item = usize>) -> usize {
    numbers.fold(0, usize::saturating_add)
}

/// Replaces the number of members of the node that has the client by that of all nodes.
pub(super) async fn with_members(
    gateway: &Gateway,
    namespace: Option<String>,
    room: String,
    mut done: Value,
) -> Done {
    if !gateway.cluster().is_enabled() {
        return Ok(done);
    }
    let namespace = namespace.unwrap_or_else(root);
    let (others, partial) = elsewhere(gateway, &namespace, Some(&room)).await;
    let all = others.saturating_add(listing::clients(gateway.io(), &namespace, Some(&room)));
    done["members"] = all.into();
    Ok(with_partial(done, partial))
}

/// Emits to the members of a room, or to a whole namespace. The receivers of other nodes are counted meanwhile.
pub(super) async fn emit(
    gateway: &Gateway,
    namespace: Option<String>,
    room: Option<String>,
    event: String,
    data: Box<RawValue>,
) -> Done {
    let (io, name) = (gateway.io(), namespace.unwrap_or_else(root));
    let location = locate(gateway, &name).await?;
    let here = listing::clients(io, &name, room.as_deref());
    let (sent, (others, partial)) = tokio::join!(
        biased;
        async {
            match location {
                Location::Here => clients::emit(io, &name, room.as_deref(), &event, data.get()).await,
                Location::At(instance) => {
                    let (room, data) = (room.as_deref(), data.get());
                    let emission = Emission { namespace: &name, room, event: &event, data };
                    gateway.cluster().emit_at(io, instance, emission).await
                }
            }
        },
        elsewhere(gateway, &name, room.as_deref()),
    );
    sent?;
    Ok(with_partial(json!({"reached": others.saturating_add(here)}), partial))
}

/// Disconnects the members of a room, in one namespace or in all.
pub(super) async fn disconnect(
    gateway: &Gateway,
    namespace: Option<String>,
    room: String,
    close: bool,
) -> Done {
    let io = gateway.io();
    if let Some(name) = &namespace {
        locate(gateway, name).await?;
    }
    let here = clients::disconnect(io, namespace.as_deref(), &room, close).await;
    let question = Question::Disconnect { namespace, room, close };
    let asked = gateway.cluster().ask::<usize>(io, &question).await;
    let others = sum(asked.answers.iter().map(|answered| answered.answer));
    let disconnected = others.saturating_add(here);
    if let Question::Disconnect { namespace, room, .. } = &question {
        everywhere_else(gateway, namespace.as_deref(), room, close).await?;
    }
    Ok(with_partial(json!({"disconnected": disconnected}), asked.partial))
}

/// Tells all nodes that the tokens of a user are revoked, and disconnects the user. This node knows it.
pub(super) async fn revoke(gateway: &Gateway, user: String, at: u64) -> Value {
    let here = clients::disconnect(gateway.io(), None, &listing::user_room(&user), true).await;
    let asked = gateway.cluster().ask::<usize>(gateway.io(), &Question::Revoke { user, at }).await;
    let others = sum(asked.answers.iter().map(|answered| answered.answer));
    with_partial(json!({"disconnected": others.saturating_add(here)}), asked.partial)
}

/// Disconnects the members of a room on servers of the cluster that are no gateways.
async fn everywhere_else(
    gateway: &Gateway,
    namespace: Option<&str>,
    room: &str,
    close: bool,
) -> Result<(), Failure> {
    if !gateway.cluster().is_enabled() {
        return Ok(());
    }
    let namespaces = match namespace {
        Some(name) => listing::namespace(gateway.io(), name).into_iter().collect(),
        None => listing::namespaces(gateway.io()),
    };
    for namespace in namespaces {
        let disconnected = namespace.to(room).disconnect_sockets(close).await;
        disconnected.map_err(|error| ClientError::NotSent(error.to_string()))?;
    }
    Ok(())
}
