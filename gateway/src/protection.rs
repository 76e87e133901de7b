//! Headers of every answer that tell browsers what others may not do with it.

use engineio::Origins;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::config::Config;

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");

/// What the answers of a port say.
#[derive(Clone, Debug)]
pub(crate) struct Protection {
    /// Whether any page may run answers of Socket.IO as scripts.
    scripts: bool,
    /// How long browsers use TLS only, for a port that speaks it.
    transport_security: Option<HeaderValue>,
}

impl Protection {
    pub(crate) fn new(config: &Config, origins: &Origins, tls: bool) -> Self {
        let transport_security = format!("max-age={}", config.tls.hsts_seconds);
        Self {
            scripts: config.transport.jsonp && *origins == Origins::Any,
            transport_security: HeaderValue::try_from(transport_security).ok().filter(|_| tls),
        }
    }

    /// Adds the headers to an answer, which is Socket.IO's or not.
    ///
    /// Pages of other origins can embed it in no tag; what CORS lets them read they read by `fetch`.
    pub(crate) fn add(&self, headers: &mut HeaderMap, is_socketio: bool) {
        if !(is_socketio && self.scripts) {
            headers.insert(RESOURCE_POLICY, SAME_ORIGIN);
        }
        if let Some(transport_security) = &self.transport_security {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, transport_security.clone());
        }
    }
}
