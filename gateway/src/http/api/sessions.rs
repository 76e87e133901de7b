//! New sessions: of nobody in particular for everybody, and of users for operators.

use std::net::SocketAddr;
use std::time::{Duration, UNIX_EPOCH};

use http::StatusCode;
use http::request::Parts;
use hyper::body::{Body as _, Incoming};
use serde::Deserialize;
use serde_json::json;

use super::failure::{Done, Failure};
use super::{admit, check_origin, parse, read};
use crate::gateway::Gateway;
use crate::tokens::MAX_USER;

/// The last second of the last year that is written with four digits.
const LAST: u64 = 253_402_300_799;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AcquireSession {
    user: Option<String>,
}

/// A session and its token.
pub(super) async fn acquire(gateway: &Gateway, head: &Parts, body: Incoming, peer: SocketAddr) -> Done {
    check_origin(gateway, head)?;
    let AcquireSession { user } = if body.is_end_stream() {
        AcquireSession::default()
    } else {
        parse(&read(gateway, head, body).await?)?
    };
    if user.is_some() || !gateway.config().auth.anonymous {
        admit(gateway, head, peer)?;
    }
    if user.as_ref().is_some_and(|user| user.is_empty() || user.len() > MAX_USER) {
        return Err(Failure::bad_request("the name of a user has 1 to 256 bytes"));
    }
    match gateway.tokens().acquire(user) {
        Some(Ok((identity, token))) => {
            let end = UNIX_EPOCH + Duration::from_secs(identity.until.min(LAST));
            let end = humantime::format_rfc3339_seconds(end).to_string();
            Ok(json!({"token": token, "user": identity.user, "expiresAt": end}))
        }
        Some(Err(error)) => {
            tracing::error!(%error, "no session");
            let message = "a session cannot be made";
            Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message))
        }
        None => {
            let message = "there are no sessions here without auth.session_secret";
            Err(Failure::new(StatusCode::NOT_FOUND, "no_sessions", message))
        }
    }
}
