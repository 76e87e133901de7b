//! Settings of webhooks: HTTP requests to a backend.

use serde::{Deserialize, Serialize};

use super::Transport;
use super::secret::{self, MIN_KEY_LEN, Secret};

/// Backend that decides which clients may connect, handles their events, and is notified when they
/// disconnect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Webhooks {
    /// URL of the backend, `http://` or `https://`. Default empty: no backend, and no cost.
    pub url: String,
    /// Secrets that sign the webhooks, each of at least 16 bytes; `whsec_…` is read as base64. Default none:
    /// webhooks are not signed. With several secrets each webhook carries one signature per secret, so that a
    /// secret can be rotated.
    #[serde(deserialize_with = "secret::list")]
    pub secrets: Vec<Secret>,
    /// Types of webhooks that the backend receives. Default `connect`, `event` and `disconnect`. Each
    /// webhook is one request.
    pub calls: Vec<WebhookType>,
    /// Events that go to the backend although the gateway handles events of these names itself (`join`,
    /// `message`, …). Default none: the backend receives the events without a built-in handler.
    pub events: Vec<String>,
    /// Headers of a client's handshake request that the `connect` webhook includes. Default `authorization`,
    /// `cookie`, `origin`, `user-agent`.
    pub headers: Vec<String>,
    /// Timeout of one attempt, in milliseconds. Default 5,000. Later events of the same client wait that
    /// long.
    pub timeout_ms: u64,
    /// Deadline of `connect` over all its attempts, in milliseconds; less than
    /// `transport.connect_timeout_ms`. Default 8,000. The client waits that long.
    pub connect_ms: u64,
    /// Number of retries after the first attempt. Default 2.
    pub retries: u32,
    /// Backoff before the second attempt, in milliseconds. Each further backoff is twice as long, and each is
    /// shortened at random by up to half. Default 200.
    pub backoff_ms: u64,
    /// Whether an event is retried even if the backend may have handled it already. Default `false`: an event
    /// is retried only if the backend cannot have received it. `true` suits a backend that remembers the ids
    /// of webhooks.
    pub repeat_events: bool,
    /// Limit of concurrent requests. Default 64. Each may hold a connection.
    pub max_concurrent: usize,
    /// Limit of webhooks that are under way or queued; each client counts with at most one event. Default
    /// 50,000. Webhooks beyond the limit fail at once. A sixteenth of the limit, and at least one webhook, is
    /// reserved for `connect`.
    pub max_waiting: usize,
    /// Limit of the bytes of these webhooks. Default 64 MiB. A sixteenth is reserved for `connect`.
    pub max_waiting_bytes: usize,
    /// Limit of the events of one socket that are under way or queued. Default 128. Events beyond the limit
    /// fail at once.
    pub max_waiting_per_socket: usize,
    /// Limit of the bytes of these events. Default 4 MiB, which each socket may hold in memory.
    pub max_waiting_bytes_per_socket: usize,
    /// Number of consecutive failed webhooks that opens the circuit breaker. Default 5. A webhook has failed
    /// when its last attempt has failed.
    pub failures: u32,
    /// Pause of the open circuit, after which one webhook tries the backend again, in milliseconds. Default
    /// 5,000. During the pause events fail at once; connecting clients wait if it ends within `connect_ms`.
    /// While the trial webhook is under way, all others wait for its outcome.
    pub open_ms: u64,
    /// Treatment of connecting clients while the backend is down. Default `refuse`.
    pub when_down: WhenDown,
}

impl Default for Webhooks {
    fn default() -> Self {
        let headers = ["authorization", "cookie", "origin", "user-agent"];
        Self {
            url: String::new(),
            secrets: Vec::new(),
            calls: vec![WebhookType::Connect, WebhookType::Event, WebhookType::Disconnect],
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

impl Webhooks {
    /// Checks that types cannot express: the invalid settings of this section, with the expected values.
    pub(super) fn invalid_settings(&self, transport: &Transport) -> Vec<(&'static str, &'static str)> {
        let mut invalid_settings = Vec::new();
        if self.url.is_empty() {
            return invalid_settings;
        }
        if self.secrets.iter().any(|secret| secret.len() < MIN_KEY_LEN) {
            let message = "at least 16 bytes are expected, such as `openssl rand -hex 32` prints";
            invalid_settings.push(("webhooks.secrets", message));
        }
        for (key, value) in [
            ("webhooks.timeout_ms", self.timeout_ms),
            ("webhooks.connect_ms", self.connect_ms),
            ("webhooks.max_concurrent", self.max_concurrent as u64),
            ("webhooks.max_waiting", self.max_waiting as u64),
            ("webhooks.max_waiting_bytes", self.max_waiting_bytes as u64),
            ("webhooks.max_waiting_per_socket", self.max_waiting_per_socket as u64),
            ("webhooks.max_waiting_bytes_per_socket", self.max_waiting_bytes_per_socket as u64),
            ("webhooks.failures", self.failures.into()),
        ] {
            if value == 0 {
                invalid_settings.push((key, "more than 0 is expected"));
            }
        }
        if self.connect_ms >= transport.connect_timeout_ms {
            invalid_settings
                .push(("webhooks.connect_ms", "less than transport.connect_timeout_ms is expected"));
        }
        invalid_settings
    }
}

/// Type of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookType {
    /// A client connects to a namespace. The backend decides whether it may.
    Connect,
    /// A client sent an event.
    Event,
    /// An admitted client disconnected.
    Disconnect,
}

impl WebhookType {
    /// Name of the type in settings, webhooks and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Event => "event",
            Self::Disconnect => "disconnect",
        }
    }
}

/// Treatment of connecting clients while the backend is down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenDown {
    /// Clients are refused, and may connect again later.
    #[default]
    Refuse,
    /// Clients are admitted as the user of their token if the backend is really down: it is unreachable,
    /// times out, answers 5xx, or its circuit is open. A full queue or an invalid response does not count as
    /// down.
    Allow,
}
