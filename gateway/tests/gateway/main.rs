//! Tests of the whole gateway from outside: clients of both protocols, HTTP, and the program itself.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

mod address_limits;
mod admin_ui;
mod api;
mod auth;
mod builtin;
mod churn;
mod cli;
mod cluster;
mod cluster_balanced;
mod cluster_churn;
mod cluster_deploy;
mod cluster_faults;
mod cluster_limits;
mod cluster_media;
mod cluster_peers;
mod cluster_peers_limits;
mod cluster_peers_tls;
mod cluster_postgres;
mod cluster_recovery;
mod cluster_state;
mod cluster_webhooks;
mod cross_site;
mod deploy;
mod descriptors;
mod freed;
mod http;
mod internal;
mod media;
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
#[cfg(unix)]
mod workers;
#[cfg(unix)]
mod workers_restart;
