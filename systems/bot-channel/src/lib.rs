//! A conversational channel over Socket.IO: users say something, an agent answers, and a conversation goes on
//! when its client comes back.
//!
//! ```no_run
//! use bot_channel::{Channel, ChannelConfig, Replies, Reply, UserMessage, application};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let config = ChannelConfig { session_persistence: true, ..ChannelConfig::default() };
//! let channel = Channel::new(config, |message: UserMessage, replies: Replies| async move {
//!     replies.send(&Reply::text(format!("You said {}", message.text))).await?;
//!     Ok(())
//! })?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:5005").await?;
//! application(&channel, |_| ()).build()?.serve(listener, std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! | file | content |
//! | --- | --- |
//! | `bot` | the bot that settings describe, and the port for operators |
//! | `app` | the application around a channel |
//! | `channel`, `session` | clients, sessions, messages |
//! | `page` | the page at `/` |
//! | `config`, `credentials` | all settings, and those of Rasa's `credentials.yml` |
//! | `agent` | the interface of agents |
//! | `rules`, `backend` | two agents: one with rules, one with an HTTP backend |
//! | `message`, `reply`, `replies` | messages of users, replies of the bot, and their receivers |
//! | `tracker` | conversations, in memory or in Redis |
//! | `delivery` | messages to clients, or to the tracker until a client returns |
//! | `counters`, `metrics` | numbers, and their text for Prometheus |
//! | `rate_limit` | rate limits of clients |
//! | `token`, `expiry` | authentication, and the end of connections whose token expires |
//! | `turns` | sequential processing of a conversation |

mod agent;
mod app;
mod backend;
mod bot;
mod channel;
mod config;
mod counters;
mod credentials;
mod delivery;
mod expiry;
mod message;
mod metrics;
mod page;
mod rate_limit;
mod replies;
mod reply;
mod rules;
mod session;
mod token;
mod tracker;
mod turns;

pub use self::agent::{Agent, AgentError, Answering};
pub use self::app::application;
pub use self::backend::{BackendAgent, BackendConfig, BackendConfigError, BackendError};
pub use self::bot::{Bot, BuildError};
pub use self::channel::Channel;
pub use self::config::{AgentConfig, ChannelConfig, Config, ConfigError, SAMPLE};
pub use self::credentials::Credentials;
pub use self::message::UserMessage;
pub use self::metrics::METRICS_CONTENT_TYPE;
pub use self::rate_limit::{Excess, RateLimits};
pub use self::replies::Replies;
pub use self::reply::{Button, Reply};
pub use self::rules::{Rule, RuleAgent, RulesConfig};
pub use self::token::{Claims, TokenConfigError};
pub use self::tracker::{
    Entry, Kind, MemoryTracker, RedisTracker, Role, Tracker, TrackerConfig, TrackerConfigError, TrackerError,
    Tracking,
};

/// The Rust of README.md compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
