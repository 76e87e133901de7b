//! Sockets as the page reads them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use socketio_server::cluster::HandshakeDetails;
use socketio_server::{RemoteSocket, Room, Socket};

/// Member of `socket.data` with what the official server keeps there for the page, so that servers of both kinds show the
/// sockets of each other.
pub(crate) const ADMIN_DATA: &str = "_admin";
/// Headers whose values are credentials. The page shows that they are there.
const CREDENTIALS: &[&str] = &["authorization", "cookie", "proxy-authorization"];
/// In place of the value of such a header.
const HIDDEN: &str = "(hidden)";
/// Length of the prefix of a session's id that the page shows: it is no credential of the session.
const SHOWN_ID: usize = 12;

/// A socket of this server, or of another one.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SerializedSocket<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transport: Option<Value>,
    nsp: &'a str,
    data: Value,
    handshake: SerializedHandshake<'a>,
    rooms: Vec<String>,
}

/// A handshake without `auth`.
#[derive(Debug, Serialize)]
struct SerializedHandshake<'a> {
    address: &'a str,
    headers: BTreeMap<&'a str, &'a str>,
    query: &'a BTreeMap<String, String>,
    issued: u64,
    secure: bool,
    time: &'a str,
    url: &'a str,
    xdomain: bool,
}

impl<'a> SerializedSocket<'a> {
    /// A socket of this server.
    pub(crate) fn local(socket: &'a Socket, handshake: &'a HandshakeDetails) -> Self {
        let data = socket.data().to_value();
        Self::new(socket.id(), socket.namespace(), data, handshake, &socket.rooms())
    }

    /// A socket of any server.
    pub(crate) fn remote(socket: &'a RemoteSocket, namespace: &'a str) -> Self {
        Self::new(socket.id(), namespace, socket.data().clone(), socket.handshake(), socket.rooms())
    }

    fn new(
        id: &'a str,
        nsp: &'a str,
        mut data: Value,
        handshake: &'a HandshakeDetails,
        rooms: &[Room],
    ) -> Self {
        let rooms = rooms.iter().map(|room| room.to_string()).collect();
        let mut admin = take_admin(&mut data);
        let mut member = |name: &str| admin.as_mut().and_then(|admin| admin.get_mut(name).map(Value::take));
        let (client_id, transport) = (member("clientId"), member("transport"));
        Self { id, client_id, transport, nsp, data, handshake: SerializedHandshake::new(handshake), rooms }
    }
}

impl<'a> SerializedHandshake<'a> {
    fn new(details: &'a HandshakeDetails) -> Self {
        let header = |name: &str| details.headers.get(name).filter(|value| !value.is_empty());
        let address = header("cf-connecting-ip").or_else(|| header("x-forwarded-for"));
        let shown = |(name, value): (&'a String, &'a String)| {
            let value = if CREDENTIALS.contains(&name.as_str()) { HIDDEN } else { value.as_str() };
            (name.as_str(), value)
        };
        Self {
            address: address.unwrap_or(&details.address),
            headers: details.headers.iter().map(shown).collect(),
            query: &details.query,
            issued: details.issued,
            secure: details.secure,
            time: &details.time,
            url: &details.url,
            xdomain: details.xdomain,
        }
    }
}

/// Value of [`ADMIN_DATA`] of a socket of this server.
pub(crate) fn admin_data(socket: &Socket) -> Value {
    let session = socket.session();
    let id: String = session.id().as_str().chars().take(SHOWN_ID).collect();
    serde_json::json!({"clientId": id, "transport": session.transport().as_str()})
}

/// The data of the application alone.
pub(crate) fn without_admin(mut data: Value) -> Value {
    take_admin(&mut data);
    data
}

fn take_admin(data: &mut Value) -> Option<Value> {
    data.as_object_mut().and_then(|object: &mut Map<String, Value>| object.remove(ADMIN_DATA))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn details() -> HandshakeDetails {
        let texts = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        HandshakeDetails {
            headers: texts(&[
                ("host", "localhost"),
                ("cookie", "id=secret"),
                ("authorization", "Bearer secret"),
            ]),
            time: "Mon".to_owned(),
            address: "127.0.0.1".to_owned(),
            issued: 5,
            url: "/socket.io/?EIO=4".to_owned(),
            query: texts(&[("EIO", "4")]),
            auth: json!({"token": "secret"}),
            ..HandshakeDetails::default()
        }
    }

    #[test]
    fn a_socket_has_the_members_of_the_official_server_and_no_credentials() {
        let details = details();
        let data = json!({"name": "ada", "_admin": {"clientId": "abc", "transport": "polling"}});
        let rooms = vec![Room::from("id"), Room::from("r")];
        let socket = SerializedSocket::new("id", "/chat", data, &details, &rooms);
        let expected = concat!(
            r#"{"id":"id","clientId":"abc","transport":"polling","nsp":"/chat","data":{"name":"ada"},"#,
            r#""handshake":{"address":"127.0.0.1","headers":{"authorization":"(hidden)","cookie":"(hidden)","#,
            r#""host":"localhost"},"query":{"EIO":"4"},"issued":5,"secure":false,"time":"Mon","#,
            r#""url":"/socket.io/?EIO=4","xdomain":false},"rooms":["id","r"]}"#
        );
        assert_eq!(serde_json::to_string(&socket).unwrap(), expected);
    }

    #[test]
    fn proxies_name_the_client() {
        let mut details = details();
        let address = |details: &HandshakeDetails| SerializedHandshake::new(details).address.to_owned();
        details.headers.insert("x-forwarded-for".to_owned(), "10.0.0.1".to_owned());
        assert_eq!(address(&details), "10.0.0.1");
        details.headers.insert("cf-connecting-ip".to_owned(), "10.0.0.2".to_owned());
        assert_eq!(address(&details), "10.0.0.2");
    }

    #[test]
    fn data_of_any_kind_is_shown() {
        assert_eq!(without_admin(json!("text")), json!("text"));
        assert_eq!(without_admin(json!({"_admin": 1, "a": 2})), json!({"a": 2}));
        let details = details();
        let socket = SerializedSocket::new("id", "/", json!("text"), &details, &[]);
        let socket = serde_json::to_value(&socket).unwrap();
        assert_eq!((&socket["data"], socket.get("clientId")), (&json!("text"), None));
    }
}
