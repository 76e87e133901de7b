//! Handshakes of sockets. A request for many sockets is usually about their ids, rooms and data, so a handshake becomes
//! plain data only when it is asked for.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use serde::{Serialize, Serializer};
use serde_json::Value;
use socketio_parser::RawValue;

/// A handshake as plain data.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HandshakeDetails {
    /// The request's headers with names in lower case; repeated headers are joined by `, `.
    pub headers: BTreeMap<String, String>,
    /// Creation time of the socket as text.
    pub time: String,
    /// IP address of the client.
    pub address: String,
    /// Whether the request has an Origin header.
    pub xdomain: bool,
    /// Whether the client used TLS.
    pub secure: bool,
    /// Creation time of the socket in milliseconds since 1970.
    pub issued: u64,
    /// Path and query of the request.
    pub url: String,
    /// Query parameters of the request.
    pub query: BTreeMap<String, String>,
    /// Payload of the CONNECT packet.
    pub auth: Value,
}

/// The parts of the handshake of a socket on this node, borrowed where that is possible. Its members, and its serialized
/// form, are those of [`HandshakeDetails`].
#[derive(Clone, Debug, Serialize)]
pub struct HandshakeView<'a> {
    /// The request's headers, each name once.
    #[serde(serialize_with = "object")]
    pub headers: Vec<(&'a str, Cow<'a, str>)>,
    /// Creation time of the socket as text.
    pub time: String,
    /// IP address of the client.
    pub address: String,
    /// Whether the request has an Origin header.
    pub xdomain: bool,
    /// Whether the client used TLS.
    pub secure: bool,
    /// Creation time of the socket in milliseconds since 1970.
    pub issued: u64,
    /// Path and query of the request.
    pub url: &'a str,
    /// Query parameters of the request, each name once.
    #[serde(serialize_with = "object")]
    pub query: Vec<(&'a str, Cow<'a, str>)>,
    /// Payload of the CONNECT packet.
    pub auth: Value,
}

/// The handshake of a socket on this node.
pub trait HandshakeSource: fmt::Debug + Send + Sync + 'static {
    /// Its parts.
    fn view(&self) -> HandshakeView<'_>;
}

/// A handshake that becomes [`HandshakeDetails`] when it is first dereferenced. It occupies the memory of both from then
/// on.
#[derive(Clone)]
pub struct LazyHandshake {
    source: Source,
    details: OnceLock<Box<HandshakeDetails>>,
}

#[derive(Clone)]
enum Source {
    /// The details are there from the start.
    Details,
    /// A socket of this node.
    Own(Arc<dyn HandshakeSource>),
    /// As another node has sent it.
    Received(Box<Received>),
}

#[derive(Clone)]
struct Received {
    value: RawValue,
    read: fn(&RawValue) -> HandshakeDetails,
}

impl LazyHandshake {
    /// The handshake of a socket on this node.
    pub fn own(source: Arc<dyn HandshakeSource>) -> Self {
        Self { source: Source::Own(source), details: OnceLock::new() }
    }

    /// A handshake that another node has sent, and how to read it.
    #[cfg_attr(not(feature = "codec"), expect(dead_code, reason = "messages are read by the codec alone"))]
    pub(crate) fn received(value: RawValue, read: fn(&RawValue) -> HandshakeDetails) -> Self {
        Self { source: Source::Received(Box::new(Received { value, read })), details: OnceLock::new() }
    }
}

impl LazyHandshake {
    /// The socket, if it is one of this node.
    #[cfg(feature = "codec")]
    pub(crate) fn source(&self) -> Option<&dyn HandshakeSource> {
        match &self.source {
            Source::Own(source) => Some(&**source),
            _ => None,
        }
    }
}

impl From<HandshakeDetails> for LazyHandshake {
    fn from(details: HandshakeDetails) -> Self {
        Self { source: Source::Details, details: OnceLock::from(Box::new(details)) }
    }
}

impl Default for LazyHandshake {
    fn default() -> Self {
        Self { source: Source::Details, details: OnceLock::new() }
    }
}

impl Deref for LazyHandshake {
    type Target = HandshakeDetails;

    fn deref(&self) -> &HandshakeDetails {
        self.details.get_or_init(|| {
            Box::new(match &self.source {
                Source::Details => HandshakeDetails::default(),
                Source::Own(source) => source.view().into(),
                Source::Received(received) => (received.read)(&received.value),
            })
        })
    }
}

impl fmt::Debug for LazyHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl PartialEq for LazyHandshake {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Serialize for LazyHandshake {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.source {
            Source::Own(source) => source.view().serialize(serializer),
            _ => (**self).serialize(serializer),
        }
    }
}

impl From<HandshakeView<'_>> for HandshakeDetails {
    fn from(view: HandshakeView<'_>) -> Self {
        let object = |pairs: Vec<(&str, Cow<'_, str>)>| {
            pairs.into_iter().map(|(name, value)| (name.to_owned(), value.into_owned())).collect()
        };
        Self {
            headers: object(view.headers),
            time: view.time,
            address: view.address,
            xdomain: view.xdomain,
            secure: view.secure,
            issued: view.issued,
            url: view.url.to_owned(),
            query: object(view.query),
            auth: view.auth,
        }
    }
}

fn object<S: Serializer>(pairs: &[(&str, Cow<'_, str>)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Debug, Default)]
    struct Counted(AtomicUsize);

    impl HandshakeSource for Counted {
        fn view(&self) -> HandshakeView<'_> {
            self.0.fetch_add(1, Ordering::Relaxed);
            HandshakeView {
                headers: vec![("host", Cow::Borrowed("a")), ("accept", Cow::Borrowed("*/*"))],
                time: "now".to_owned(),
                address: "::1".to_owned(),
                xdomain: true,
                secure: true,
                issued: 7,
                url: "/socket.io/?a=b",
                query: vec![("a", Cow::Borrowed("b"))],
                auth: serde_json::json!({"token": "t"}),
            }
        }
    }

    #[test]
    fn the_view_of_a_handshake_is_serialized_as_its_details() {
        let source = Arc::new(Counted::default());
        let handshake = LazyHandshake::own(Arc::clone(&source) as _);
        let view = serde_json::to_value(&handshake).unwrap();
        assert_eq!(view, serde_json::to_value(&*handshake).unwrap());
        let names: Vec<_> = view.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["address", "auth", "headers", "issued", "query", "secure", "time", "url", "xdomain"]
        );
    }

    #[test]
    fn details_are_made_once_and_when_they_are_asked_for() {
        let source = Arc::new(Counted::default());
        let handshake = LazyHandshake::own(Arc::clone(&source) as _);
        assert_eq!(source.0.load(Ordering::Relaxed), 0);
        assert_eq!((handshake.issued, handshake.headers["accept"].as_str()), (7, "*/*"));
        assert_eq!(source.0.load(Ordering::Relaxed), 1);
    }
}
