//! Security headers of all responses. They tell browsers to restrict the use of a response.

use engineio::Origins;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::config::Config;

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");

/// Security headers of a port.
#[derive(Clone, Debug)]
pub(crate) struct SecurityHeaders {
    /// Whether pages of any origin may run Socket.IO responses as scripts, which JSONP needs.
    scripts: bool,
    /// Value of `Strict-Transport-Security`, for ports with TLS.
    transport_security: Option<HeaderValue>,
}

impl SecurityHeaders {
    pub(crate) fn new(config: &Config, origins: &Origins, tls: bool) -> Self {
        let transport_security = format!("max-age={}", config.tls.hsts_seconds);
        Self {
            scripts: config.transport.jsonp && *origins == Origins::Any,
            transport_security: HeaderValue::try_from(transport_security).ok().filter(|_| tls),
        }
    }

    /// Adds the headers to a response. `is_socketio` says whether it comes from the Socket.IO server.
    ///
    /// Pages of other origins cannot embed the response in any element. Responses that CORS allows remain
    /// readable by `fetch`.
    pub(crate) fn add(&self, headers: &mut HeaderMap, is_socketio: bool) {
        if !(is_socketio && self.scripts) {
            headers.insert(RESOURCE_POLICY, SAME_ORIGIN);
        }
        if let Some(transport_security) = &self.transport_security {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, transport_security.clone());
        }
    }
}
