//! API call for session tokens: anonymous ones for all callers, those of users for operators.

use engineio::RequestBody;
use http::StatusCode;
use http::request::Parts;
use http_body::Body as _;
use serde::Deserialize;
use serde_json::json;

use super::failure::{Done, Failure};
use super::{admit, check_origin, parse, read};
use crate::auth::tokens::SessionError;
use crate::gateway::Gateway;
use crate::listen::Listener;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AcquireSession {
    user: Option<String>,
}

/// Issues a session token.
pub(super) async fn acquire(
    gateway: &Gateway,
    head: &Parts,
    body: &mut RequestBody,
    listener: Listener,
) -> Done {
    check_origin(gateway, head)?;
    let AcquireSession { user } = if body.is_end_stream() {
        AcquireSession::default()
    } else {
        parse(&read(gateway, head, body).await?)?
    };
    if user.is_some() || !gateway.config().auth.anonymous {
        admit(gateway, head, listener)?;
    }
    match gateway.acquire_session(user) {
        Ok(session) => {
            let end = session.expires_at();
            Ok(json!({"token": session.token, "user": session.user, "expiresAt": end}))
        }
        Err(error @ SessionError::User) => Err(Failure::bad_request(error.to_string())),
        Err(error @ SessionError::Off) => {
            Err(Failure::new(StatusCode::NOT_FOUND, "no_sessions", error.to_string()))
        }
        Err(error) => {
            tracing::error!(%error, "session token not issued");
            let message = "the session token cannot be issued";
            Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message))
        }
    }
}
