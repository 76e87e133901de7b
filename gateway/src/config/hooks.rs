//! The settings of webhooks: a backend that is asked and told by HTTP.

use serde::{Deserialize, Serialize};

use super::Transport;
use super::secret::{self, MIN_KEY_LEN, Secret};

/// A backend that is asked whether clients may come, gets their events, and is told when they went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hooks {
    /// Where it is, `http://` or `https://`. Default empty: there is none, and nothing of this costs anything.
    pub url: String,
    /// What the calls are signed with, each of at least 16 bytes; `whsec_…` is read as base64. Default none: calls are
    /// not signed. With several each call has a signature of each, so that a secret can be replaced.
    #[serde(deserialize_with = "secret::list")]
    pub secrets: Vec<Secret>,
    /// Of what the backend is told. Default `connect`, `event` and `disconnect`. Each is one request.
    pub calls: Vec<Moment>,
    /// Events of these names are the backend's too, although the gateway would handle them itself (`join`, `message`,
    /// …). Default none: it gets the others.
    pub events: Vec<String>,
    /// The headers of a client's request that `connect` hands on. Default `authorization`, `cookie`, `origin`,
    /// `user-agent`.
    pub headers: Vec<String>,
    /// How long one try may take, in milliseconds. Default 5,000. A client's later events wait that long.
    pub timeout_ms: u64,
    /// How long `connect` may take with all its tries, in milliseconds; less than `transport.connect_timeout_ms`.
    /// Default 8,000. The client waits that long.
    pub connect_ms: u64,
    /// How often a call is tried again. Default 2.
    pub retries: u32,
    /// How long before the second try, in milliseconds; each further wait is twice as long, and all are shortened at
    /// random by up to half. Default 200.
    pub backoff_ms: u64,
    /// Whether an event is tried again too when the backend may have handled it already. Default `false`: only when it
    /// cannot have. A backend that remembers the ids of calls may have `true`.
    pub repeat_events: bool,
    /// How many requests may be under way. Default 64. Each may hold a connection.
    pub max_concurrent: usize,
    /// How many calls may be under way or wait, of each client one event at most. Default 50,000. Further ones fail at
    /// once. A sixteenth, and at least one, is for `connect` alone.
    pub max_waiting: usize,
    /// And how many bytes of them. Default 64 MiB. A sixteenth is for `connect` alone.
    pub max_waiting_bytes: usize,
    /// How many events of one socket may be under way or wait for their turn. Default 128. Further ones fail at once.
    pub max_waiting_per_socket: usize,
    /// And how many bytes of them. Default 4 MiB, which each socket may hold in memory.
    pub max_waiting_bytes_per_socket: usize,
    /// After how many failed calls in a row the backend is left alone. Default 5. A call has failed when its last try
    /// has.
    pub failures: u32,
    /// For how long, in milliseconds, before one call tries it again. Default 5,000. Events fail at once in that time;
    /// clients that connect wait if it is over within `connect_ms`. All wait for the call that tries.
    pub open_ms: u64,
    /// What happens to clients that want to connect while the backend does not answer. Default `refuse`.
    pub when_down: WhenDown,
}

impl Default for Hooks {
    fn default() -> Self {
        let headers = ["authorization", "cookie", "origin", "user-agent"];
        Self {
            url: String::new(),
            secrets: Vec::new(),
            calls: vec![Moment::Connect, Moment::Event, Moment::Disconnect],
            events: Vec::new(),
            headers: headers.map(str::to_owned).to_vec(),
            timeout_ms: 5000,
            connect_ms: 8000,
            retries: 2,
            backoff_ms: 200,
            repeat_events: false,
            max_concurrent: 64,
            max_waiting: 50_000,
            max_waiting_bytes: 64 * 1024 * 1024,
            max_waiting_per_socket: 128,
            max_waiting_bytes_per_socket: 4 * 1024 * 1024,
            failures: 5,
            open_ms: 5000,
            when_down: WhenDown::Refuse,
        }
    }
}

impl Hooks {
    /// What no type says.
    pub(super) fn wrong(&self, transport: &Transport) -> Vec<(&'static str, &'static str)> {
        let mut wrong = Vec::new();
        if self.url.is_empty() {
            return wrong;
        }
        if self.secrets.iter().any(|secret| secret.len() < MIN_KEY_LEN) {
            let message = "at least 16 bytes are expected, such as `openssl rand -hex 32` prints";
            wrong.push(("hooks.secrets", message));
        }
        for (key, value) in [
            ("hooks.timeout_ms", self.timeout_ms),
            ("hooks.connect_ms", self.connect_ms),
            ("hooks.max_concurrent", self.max_concurrent as u64),
            ("hooks.max_waiting", self.max_waiting as u64),
            ("hooks.max_waiting_bytes", self.max_waiting_bytes as u64),
            ("hooks.max_waiting_per_socket", self.max_waiting_per_socket as u64),
            ("hooks.max_waiting_bytes_per_socket", self.max_waiting_bytes_per_socket as u64),
            ("hooks.failures", self.failures.into()),
        ] {
            if value == 0 {
                wrong.push((key, "more than 0 is expected"));
            }
        }
        if self.connect_ms >= transport.connect_timeout_ms {
            wrong.push(("hooks.connect_ms", "less than transport.connect_timeout_ms is expected"));
        }
        wrong
    }
}

/// What a backend can be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Moment {
    /// A client wants to join a namespace. The backend decides.
    Connect,
    /// A client sent an event.
    Event,
    /// A client that was let in has gone.
    Disconnect,
}

impl Moment {
    /// As the settings, the calls and the metrics have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Event => "event",
            Self::Disconnect => "disconnect",
        }
    }
}

/// What happens to clients that come while the backend does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenDown {
    /// They are refused, and may come again.
    #[default]
    Refuse,
    /// They are let in, as whoever their tokens say, if the backend is really down: it cannot be reached, does not
    /// answer in time, answers 5xx, or its circuit is open. Not if too much waits for it, or its answer is wrong.
    Allow,
}
