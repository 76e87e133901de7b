//! API calls that only read: rooms, sockets and counts, of all nodes, and the links of this one.

use std::collections::BTreeMap;

use engineio::Query;
use serde_json::{Value, json};

use super::call::Call;
use super::everywhere::{root, with_partial};
use super::failure::{Done, Failure};
use crate::cluster::{Answered, Question, RoomList};
use crate::config::STATS_NAMESPACE;
use crate::gateway::Gateway;
use crate::node::listing::{self, Counts, RoomMembers, SocketsPage, user_room};

/// Limit of the sockets in one response; `LISTED` is the default.
const MAX_LISTED: usize = 1000;
const LISTED: usize = 100;

/// Handles a reading call.
pub(super) async fn response(gateway: &Gateway, call: Call, query: &Query) -> Done {
    match call {
        Call::Sockets => sockets(gateway, query).await,
        Call::Counts => Ok(counts(gateway).await),
        Call::Info => Ok(info(gateway)),
        _ => Ok(rooms(gateway).await),
    }
}

/// All rooms, with the ids of their members.
async fn rooms(gateway: &Gateway) -> Value {
    let (rooms, _) = listing::rooms(gateway.io(), usize::MAX);
    if !gateway.cluster().is_enabled() {
        return json!({"rooms": rooms});
    }
    let asked = gateway.cluster().ask::<RoomList>(gateway.io(), &Question::Rooms).await;
    let mut members = BTreeMap::<(String, String), Vec<String>>::new();
    let mut truncated = false;
    let others = asked.answers.into_iter().flat_map(|Answered { answer, .. }| {
        truncated |= answer.truncated;
        answer.rooms
    });
    for RoomMembers { namespace, room, clients } in rooms.into_iter().chain(others) {
        members.entry((namespace, room)).or_default().extend(clients);
    }
    let rooms = members.into_iter().map(|((namespace, room), mut clients)| {
        clients.sort();
        RoomMembers { namespace, room, clients }
    });
    let mut data = json!({"rooms": rooms.collect::<Vec<_>>()});
    if truncated {
        data["truncated"] = true.into();
    }
    with_partial(data, asked.partial)
}

/// Sockets of a namespace, optionally only those of a room or user, in the order of their ids and in pages.
async fn sockets(gateway: &Gateway, query: &Query) -> Done {
    let (mut name, mut rooms, mut limit, mut after) = (None, Vec::new(), LISTED, "");
    for (parameter, value) in query.iter() {
        match parameter {
            "namespace" => name = Some(value.to_owned()),
            "room" => rooms.push(value.to_owned()),
            "user" => rooms.push(user_room(value)),
            "after" => after = value,
            "limit" => {
                let number = value.parse().ok().filter(|number| (1..=MAX_LISTED).contains(number));
                limit = number.ok_or_else(|| Failure::bad_request("limit: 1 to 1000 is expected"))?;
            }
            _ => {
                let message = "the parameters are namespace, room, user, limit and after";
                return Err(Failure::bad_request(message));
            }
        }
    }
    let namespace = name.unwrap_or_else(root);
    let page = SocketsPage { namespace, rooms, after: after.to_owned(), limit: limit + 1 };
    let here = listing::sockets(gateway.io(), &page);
    let node = gateway.node();
    if (here.is_none() && node.is_none()) || page.namespace == STATS_NAMESPACE {
        return Err(Failure::unknown_namespace());
    }
    let is_here = here.is_some();
    let mut found = here.unwrap_or_default();
    let mut partial = None;
    if let Some(node) = node {
        found.iter_mut().for_each(|socket| socket["node"] = node.into());
        let question = Question::Sockets(page);
        let asked = gateway.cluster().ask::<Option<Vec<Value>>>(gateway.io(), &question).await;
        partial = asked.partial;
        if !is_here && partial.is_none() && asked.answers.iter().all(|answered| answered.answer.is_none()) {
            return Err(Failure::unknown_namespace());
        }
        for Answered { node, answer, .. } in asked.answers {
            found.extend(answer.into_iter().flatten().filter(Value::is_object).take(limit + 1).map(
                |mut socket| {
                    socket["node"] = node.as_str().into();
                    socket
                },
            ));
        }
        found.sort_by(|a, b| id(a).cmp(id(b)));
    }
    let next = found.get(limit).and(found.get(limit - 1)).map(|last| id(last).to_owned());
    found.truncate(limit);
    Ok(with_partial(json!({"sockets": found, "next": next}), partial))
}

fn id(socket: &Value) -> &str {
    socket["id"].as_str().unwrap_or_default()
}

/// This gateway, and its links to the others.
fn info(gateway: &Gateway) -> Value {
    let (io, cluster) = (gateway.io(), gateway.cluster());
    let mut info = json!({
        "version": crate::VERSION,
        "uptimeSeconds": gateway.uptime().as_secs(),
        "sessions": io.engine().stats().sessions,
    });
    if let Some((node, link)) = gateway.node().zip(cluster.health()) {
        info["node"] = node.into();
        info["cluster"] = json!({"medium": cluster.medium(), "link": link, "others": cluster.others()});
    }
    if let Some(sharing) = cluster.sharing(io) {
        info["peers"] = json!(sharing);
    }
    info
}

/// Numbers of connections, clients, rooms and users.
async fn counts(gateway: &Gateway) -> Value {
    let is_clustered = gateway.cluster().is_enabled();
    let mut counts = listing::counts(gateway.io(), is_clustered);
    if !is_clustered {
        return counts.to_json();
    }
    let asked = gateway.cluster().ask::<Counts>(gateway.io(), &Question::Counts).await;
    let mut nodes = vec![(gateway.node().unwrap_or_default().to_owned(), counts.clients())];
    for Answered { node, answer, .. } in asked.answers {
        nodes.push((node, answer.clients()));
        counts.add(answer);
    }
    nodes.sort();
    let mut data = counts.to_json();
    let nodes = nodes.into_iter().map(|(node, clients)| json!({"node": node, "clients": clients}));
    data["nodes"] = nodes.collect::<Vec<_>>().into();
    with_partial(data, asked.partial)
}
