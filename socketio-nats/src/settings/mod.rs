//! Settings of the connections to NATS.

mod jetstream;
#[cfg(feature = "tls")]
mod tls;
mod url;

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};
use socketio_broker::publisher::Tuning;
use thiserror::Error;

pub use self::jetstream::{JetStream, Storage};
#[cfg(feature = "tls")]
pub(crate) use self::tls::Tls;
use crate::protocol::Address;

/// Settings of the connections to NATS, for an adapter or an emitter. Each of these opens connections of its own: one that
/// publishes, and an adapter one that subscribes.
///
/// A NATS server 2 is needed, and for JetStream 2.9 or newer ([`jetstream`](Self::jetstream)).
///
/// ```
/// use std::time::Duration;
/// use socketio_nats::Nats;
///
/// let nats = Nats::open("nats://user:password@10.0.0.1:4222,nats://10.0.0.2:4222")?
///     .client_name("chat-1")
///     .timeout(Duration::from_secs(2));
/// # Ok::<(), socketio_nats::SettingsError>(())
/// ```
#[derive(Clone)]
pub struct Nats {
    servers: Vec<Address>,
    credentials: Credentials,
    name: String,
    tuning: Tuning,
    jetstream: JetStream,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
}

/// The credentials of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credentials {
    None,
    User { user: String, password: String },
    Token(String),
}

/// The settings are wrong.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The URL cannot be read.
    #[error("the URL of NATS is wrong: {0}")]
    Url(String),
    /// There are more than 16 servers.
    #[error("a URL of NATS has at most 16 servers")]
    Servers,
    /// The URL needs TLS, without the feature `tls`.
    #[error("tls:// needs the feature `tls`")]
    Tls,
    /// The root certificates cannot be used.
    #[error("the root certificates are wrong: {0}")]
    Certificates(String),
}

impl Nats {
    /// The servers of a URL, `nats://[user:password@|token@]host[:port][,host[:port]…]`, at most 16. No connection is opened
    /// yet. The default port is 4222. Special characters of a user, a password or a token are written as `%` and two
    /// hexadecimal digits.
    ///
    /// The servers are those of one NATS cluster. Each attempt to connect takes the next one of a random order, to which the
    /// servers belong that a server has named (`connect_urls`). With TLS such a server, if it is named by its address, has to have
    /// a certificate for the first name of the URL.
    ///
    /// With `tls://` the connections use TLS, and the certificate of the server is verified, which needs the feature `tls`. With
    /// `nats://` they do not, and a server that requires TLS is not used.
    ///
    /// NKeys, JWTs (files with credentials), client certificates and TLS that begins before INFO (`handshake_first`) are not
    /// supported.
    pub fn open(url: &str) -> Result<Self, SettingsError> {
        let url::Url { servers, credentials, tls } = url::parse(url)?;
        #[cfg(not(feature = "tls"))]
        if tls {
            return Err(SettingsError::Tls);
        }
        #[cfg(feature = "tls")]
        let tls = if tls {
            let mut names = servers.iter().map(|server| &server.host);
            let name = names.find(|host| host.parse::<std::net::IpAddr>().is_err());
            Some(Tls::system(name.cloned())?)
        } else {
            None
        };
        Ok(Self {
            servers,
            credentials,
            name: "socketio".to_owned(),
            tuning: Tuning::default(),
            jetstream: JetStream::default(),
            #[cfg(feature = "tls")]
            tls,
        })
    }

    /// User and password, instead of those of the URL.
    ///
    /// Default: those of the URL.
    #[must_use]
    pub fn user(mut self, user: &str, password: &str) -> Self {
        self.credentials = Credentials::User { user: user.to_owned(), password: password.to_owned() };
        self
    }

    /// The token, instead of the one of the URL.
    ///
    /// Default: the one of the URL.
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        self.credentials = Credentials::Token(token.to_owned());
        self
    }

    /// Name of the connections, which `/connz` of a server shows, followed by `:publish`, `:subscribe`, or `:stream` where a stream of
    /// JetStream is read.
    ///
    /// Default `socketio`.
    #[must_use]
    pub fn client_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Maximum size of the messages that wait for NATS. Beyond it a message is not sent, which is an error and is counted.
    ///
    /// Default 16 MiB; unit: bytes. Cost: that memory while NATS is slow or away.
    #[must_use]
    pub fn max_queued_bytes(mut self, bytes: usize) -> Self {
        self.tuning.max_queued_bytes = bytes;
        self
    }

    /// Maximum size of the received messages that wait for their namespaces. Beyond it a message is dropped, which is counted
    /// and reported as a gap. A message that alone is larger is not taken into memory.
    ///
    /// Default 64 MiB; unit: bytes. Cost: that memory while this server is slower than the others.
    #[must_use]
    pub fn max_received_bytes(mut self, bytes: usize) -> Self {
        self.tuning.max_received_bytes = bytes;
        self
    }

    /// Maximum wait for a connection, and for the confirmation of messages. A connection without a confirmation is replaced.
    ///
    /// Default 5 s. Cost: none.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.tuning.timeout = timeout;
        self
    }

    /// Interval of the messages by which a node tests whether it hears. After somewhat more than two intervals of silence it
    /// knows that it is deaf.
    ///
    /// Default 3 s. Cost: one small message in each interval.
    #[must_use]
    pub fn probe_interval(mut self, interval: Duration) -> Self {
        self.tuning.probe_interval = interval;
        self
    }

    /// Delay before a lost connection is opened again: the first, and the longest, to which it grows while NATS is away. Each
    /// is shortened at random by up to half.
    ///
    /// Default 100 ms and 2 s. Cost: one attempt to connect each.
    #[must_use]
    pub fn reconnect_delay(mut self, first: Duration, longest: Duration) -> Self {
        (self.tuning.min_delay, self.tuning.max_delay) = (first, longest);
        self
    }

    /// Settings of new streams and key-value buckets of JetStream.
    ///
    /// Default: in files, one replica.
    #[must_use]
    pub fn jetstream(mut self, jetstream: JetStream) -> Self {
        self.jetstream = jetstream;
        self
    }

    /// Certificates that are trusted, in PEM, instead of those of the system. Without `tls://` it is an error.
    #[cfg(feature = "tls")]
    pub fn root_certificates(mut self, pem: &[u8]) -> Result<Self, SettingsError> {
        let Some(tls) = &self.tls else {
            return Err(SettingsError::Certificates("they need tls://".to_owned()));
        };
        self.tls = Some(tls.trusting(pem)?);
        Ok(self)
    }

    pub(crate) fn tuning(&self) -> &Tuning {
        &self.tuning
    }

    pub(crate) fn jetstream_settings(&self) -> &JetStream {
        &self.jetstream
    }

    pub(crate) fn servers(&self) -> &[Address] {
        &self.servers
    }

    /// The operation CONNECT of a connection for this purpose, as JSON.
    pub(crate) fn connect(&self, purpose: &str, tls: bool, headers: bool) -> Value {
        let mut json = json!({
            "verbose": false,
            "pedantic": false,
            "tls_required": tls,
            "name": format!("{}:{purpose}", self.name),
            "lang": "rust",
            "version": env!("CARGO_PKG_VERSION"),
            // The server reports changes of its cluster.
            "protocol": 1,
            "headers": headers,
            // A request that has no subscriber is answered at once, by a message that has headers.
            "no_responders": headers,
        });
        match &self.credentials {
            Credentials::None => {}
            Credentials::User { user, password } => {
                (json["user"], json["pass"]) = (user.as_str().into(), password.as_str().into());
            }
            Credentials::Token(token) => json["auth_token"] = token.as_str().into(),
        }
        json
    }

    #[cfg(feature = "tls")]
    pub(crate) fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }
}

impl fmt::Debug for Nats {
    /// Without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_hide_the_password() {
        let nats = Nats::open("nats://user:secret@localhost").unwrap();
        assert!(!format!("{nats:?}").contains("secret"));
        let json = nats.client_name("a\r\n").connect("publish", false, true);
        assert_eq!((&json["user"], &json["pass"]), (&"user".into(), &"secret".into()));
        assert_eq!((&json["headers"], &json["no_responders"]), (&true.into(), &true.into()));
        assert!(!json.to_string().contains(['\r', '\n']), "one line");
        let json =
            Nats::open("nats://token@localhost").unwrap().token("other").connect("publish", true, false);
        assert_eq!((&json["auth_token"], json["user"].is_null()), (&"other".into(), true));
        assert_eq!((&json["headers"], &json["no_responders"]), (&false.into(), &false.into()));
        assert_eq!(Nats::open("tls://localhost").is_ok(), cfg!(feature = "tls"));
    }

    #[cfg(feature = "tls")]
    #[test]
    fn certificates_need_tls() {
        let pem = b"";
        for url in ["nats://localhost", "tls://localhost"] {
            let refused = Nats::open(url).unwrap().root_certificates(pem).unwrap_err();
            assert!(matches!(refused, SettingsError::Certificates(_)), "{refused}");
        }
    }
}
