//! Tests of the whole gateway from outside: clients of both protocols, HTTP, and the program itself.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

mod api;
mod auth;
mod churn;
mod cross_site;
mod crowd;
mod deploy;
mod descriptors;
mod events;
mod freed;
mod hook_limits;
mod hooks;
mod http;
mod internal;
mod metrics;
mod native;
mod node;
mod openapi;
mod operators;
mod pace;
mod page;
mod program;
mod proxies;
mod reload;
mod schemathesis;
mod slow_edge;
mod slow_readers;
mod support;
mod tls;
mod webhook_outage;
