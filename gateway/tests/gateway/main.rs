//! Tests of the whole gateway from outside: clients of both protocols, HTTP, and the program itself.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

mod address_limits;
mod api;
mod auth;
mod builtin;
mod churn;
mod cli;
mod cluster;
mod cluster_deploy;
mod cluster_faults;
mod cluster_recovery;
mod cluster_state;
mod cross_site;
mod deploy;
mod descriptors;
mod freed;
mod http;
mod internal;
mod metrics;
mod native;
mod node;
mod openapi;
mod operators;
mod page;
mod proxies;
mod rate_limit;
mod reload;
mod schemathesis;
mod slow_readers;
mod stuck_clients;
mod support;
mod tls;
mod webhook_backend;
mod webhook_limits;
mod webhook_outage;
mod webhooks;
