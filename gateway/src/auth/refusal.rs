//! Refusals of clients by the gateway. Each has a code for programs, as `data.code` of the CONNECT_ERROR, and
//! an HTTP status for native clients.

use http::StatusCode;
use serde_json::json;
use socketio_server::ConnectError;

/// Reason for which a client is refused. The codes are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    InvalidToken,
    TokenRequired,
    KeyRequired,
    /// The backend answered with 401 or 403.
    Refused,
    TooManyNamespaces,
    BackendUnavailable,
    /// The revocations of the cluster are not known yet.
    ClusterUnavailable,
}

const ALL: &[Refusal] = &[
    Refusal::InvalidToken,
    Refusal::TokenRequired,
    Refusal::KeyRequired,
    Refusal::Refused,
    Refusal::TooManyNamespaces,
    Refusal::BackendUnavailable,
    Refusal::ClusterUnavailable,
];

impl Refusal {
    /// Code, HTTP status and message.
    const fn parts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::InvalidToken => ("invalid_token", StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::TokenRequired => ("token_required", StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::KeyRequired => ("key_required", StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::Refused => ("refused", StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::TooManyNamespaces => (
                "too_many_namespaces",
                StatusCode::TOO_MANY_REQUESTS,
                "too many namespaces on this connection",
            ),
            Self::BackendUnavailable => {
                ("backend_unavailable", StatusCode::SERVICE_UNAVAILABLE, "unavailable")
            }
            Self::ClusterUnavailable => {
                ("cluster_unavailable", StatusCode::SERVICE_UNAVAILABLE, "unavailable")
            }
        }
    }
}

impl From<Refusal> for ConnectError {
    fn from(refusal: Refusal) -> Self {
        let (code, _, message) = refusal.parts();
        Self::new(message).with_data(json!({"code": code}))
    }
}

/// HTTP status of the refusal with this code; `None` for codes that are not the gateway's.
pub(crate) fn status(code: &str) -> Option<StatusCode> {
    let parts = ALL.iter().map(|refusal| refusal.parts());
    parts.into_iter().find_map(|(known, status, _)| (known == code).then_some(status))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_refusal_has_a_code_of_its_own_and_a_status() {
        let codes: BTreeSet<_> = ALL.iter().map(|refusal| refusal.parts().0).collect();
        assert_eq!(codes.len(), ALL.len());
        for refusal in ALL {
            let (code, expected, _) = refusal.parts();
            assert_eq!(status(code), Some(expected), "{code}");
        }
        assert_eq!(status("kitchen_full"), None);
    }

    #[test]
    fn the_readme_names_every_code() {
        let readme = include_str!("../../README.md");
        for refusal in ALL {
            assert!(readme.contains(&format!("`{}`", refusal.parts().0)), "{refusal:?}");
        }
    }
}
