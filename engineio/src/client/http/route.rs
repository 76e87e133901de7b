//! The requests of a session: their target and their headers.

use std::sync::{Arc, MutexGuard};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request};
use http_body_util::Full;

use super::cookies::Cookies;
use crate::client::config::ClientConfig;
use crate::client::config::url::{Url, push_query};
use crate::client::error::HttpError;
use crate::config::Transport;
use crate::protocol::packet::Protocol;
use crate::sync::Mutex;
use crate::websocket::negotiation::offer;

/// The data that all requests of one session share.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) url: Arc<Url>,
    pub(crate) proxy: Option<Url>,
    pub(crate) config: Arc<ClientConfig>,
    cookies: Mutex<Cookies>,
}

impl Route {
    pub(crate) fn new(url: Arc<Url>, config: Arc<ClientConfig>) -> Self {
        let proxy = config.proxy.of(&url);
        Self { url, proxy, config, cookies: Mutex::default() }
    }

    /// A polling request: a GET, or a POST if there is a body.
    pub(crate) fn poll(
        &self,
        sid: Option<&str>,
        body: Option<Bytes>,
    ) -> Result<Request<Full<Bytes>>, HttpError> {
        let target = self.target(Transport::Polling, sid);
        // A proxy needs the absolute URI of a plain request that it forwards.
        let uri = match &self.proxy {
            Some(_) if !self.url.is_secure() => format!("http://{}{target}", self.url.authority()),
            _ => target,
        };
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let mut request =
            Request::builder().method(method).uri(uri).body(Full::new(body.unwrap_or_default()))?;
        let is_post = request.method() == Method::POST;
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        if is_post {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=UTF-8"));
        }
        if let Some(proxy) = self.proxy.as_ref().filter(|_| !self.url.is_secure()) {
            insert(headers, header::PROXY_AUTHORIZATION, proxy.authorization())?;
        }
        self.add_headers(headers, Transport::Polling)?;
        Ok(request)
    }

    /// The opening handshake of a WebSocket.
    pub(crate) fn websocket(&self, sid: Option<&str>, key: &str) -> Result<Request<()>, HttpError> {
        let mut request = Request::builder()
            .uri(self.target(Transport::WebSocket, sid))
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, key)
            .body(())?;
        for protocol in &self.config.protocols {
            request.headers_mut().append(header::SEC_WEBSOCKET_PROTOCOL, protocol.clone());
        }
        if let Some(deflate) = self.config.per_message_deflate.filter(|_| cfg!(feature = "compression")) {
            insert(request.headers_mut(), header::SEC_WEBSOCKET_EXTENSIONS, Some(offer(deflate)))?;
        }
        self.add_headers(request.headers_mut(), Transport::WebSocket)?;
        Ok(request)
    }

    /// Stores the cookies of a response.
    pub(crate) fn store_cookies(&self, headers: &HeaderMap) {
        if self.config.cookies {
            self.cookies().store(headers, SystemTime::now());
        }
    }

    fn add_headers(&self, headers: &mut HeaderMap, transport: Transport) -> Result<(), HttpError> {
        insert(headers, header::HOST, Some(self.url.authority()))?;
        insert(headers, header::AUTHORIZATION, self.url.authorization())?;
        if let Some(cookies) = self.cookies().header(SystemTime::now()) {
            headers.insert(header::COOKIE, cookies);
        }
        for (only, name, value) in &self.config.headers {
            if only.is_none_or(|only| only == transport) {
                headers.insert(name, value.clone());
            }
        }
        Ok(())
    }

    /// The path and the query.
    fn target(&self, transport: Transport, sid: Option<&str>) -> String {
        let mut query = String::new();
        for (key, value) in self.config.query.iter().chain(self.url.query()) {
            push_query(&mut query, key, value);
        }
        push_query(&mut query, "EIO", &self.config.protocol.number().to_string());
        push_query(&mut query, "transport", transport.as_str());
        if let Some(sid) = sid {
            push_query(&mut query, "sid", sid);
        } else if self.config.force_base64 || self.is_text_v3(transport) {
            push_query(&mut query, "b64", "1");
        }
        let timestamp = match transport {
            Transport::Polling => self.config.timestamp_requests,
            Transport::WebSocket => self.config.timestamp_websockets,
        };
        if timestamp {
            push_query(&mut query, &self.config.timestamp_param, &token());
        }
        format!("{}?{query}", self.config.path)
    }

    /// Payloads of revision 3 are text or binary, as the client requests; this client uses text.
    fn is_text_v3(&self, transport: Transport) -> bool {
        self.config.protocol == Protocol::V3 && transport == Transport::Polling
    }

    fn cookies(&self) -> MutexGuard<'_, Cookies> {
        self.cookies.lock()
    }
}

fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: Option<String>) -> Result<(), HttpError> {
    if let Some(value) = value {
        headers.insert(name, HeaderValue::try_from(value).map_err(http::Error::from)?);
    }
    Ok(())
}

/// A unique token of eight characters.
fn token() -> String {
    let mut bytes = [0; 6];
    // A predictable token only loses the protection against caches.
    let _ = getrandom::fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(url: &str, change: impl FnOnce(&mut ClientConfig)) -> Route {
        let mut config = ClientConfig { timestamp_requests: false, ..ClientConfig::default() };
        change(&mut config);
        Route::new(Arc::new(url.parse().unwrap()), Arc::new(config))
    }

    fn target(url: &str, change: impl FnOnce(&mut ClientConfig)) -> String {
        route(url, change).target(Transport::Polling, Some("test"))
    }

    /// EIO-CLI-018, EIO-CLI-045, EIO-CLI-054, EIO-CLI-055, EIO-CLI-057, EIO-CLI-058
    #[test]
    fn requests_go_to_the_path_with_the_parameters() {
        assert_eq!(target("http://localhost", |_| {}), "/engine.io/?EIO=4&transport=polling&sid=test");
        assert_eq!(
            target("http://localhost", |config| config.path = "/engine.io".to_owned()),
            "/engine.io?EIO=4&transport=polling&sid=test"
        );
        for (url, host) in [("ws://test", "test"), ("ws://[::1]", "[::1]"), ("ws://[::1]:8080", "[::1]:8080")]
        {
            let request = route(url, |_| {}).websocket(None, "key").unwrap();
            assert_eq!(request.uri(), "/engine.io/?EIO=4&transport=websocket");
            assert_eq!(request.headers()["host"], host);
        }
    }

    /// SIO-CLI-070
    #[test]
    fn parameters_of_the_url_and_the_settings_go_along() {
        let target =
            target("http://h/?c=d&e=%26", |config| config.query = vec![("a b".to_owned(), "1".to_owned())]);
        assert_eq!(target, "/engine.io/?a%20b=1&c=d&e=%26&EIO=4&transport=polling&sid=test");
    }

    /// EIO-CLI-025, EIO-CLI-051, EIO-CLI-056
    #[test]
    fn a_token_keeps_caches_away() {
        let (one, two) = (token(), token());
        assert_eq!((one.len(), two.len()), (8, 8));
        assert_ne!(one, two);
        let change = |config: &mut ClientConfig| {
            config.timestamp_requests = true;
            config.timestamp_param = "woot".to_owned();
        };
        assert!(target("http://localhost", change).contains("&woot="));
        let plain = Route::new(Arc::new("http://h".parse().unwrap()), Arc::default());
        assert!(plain.target(Transport::Polling, None).contains("&t="));
        assert!(!plain.target(Transport::WebSocket, None).contains("&t="));
        let both = route("http://h", |config| config.timestamp_websockets = true);
        assert!(both.target(Transport::WebSocket, None).contains("&t="));
        assert!(!both.target(Transport::Polling, None).contains("&t="));
    }

    /// EIO-CLI-061, EIO-CLI-062, EIO-CLI-065
    #[test]
    fn headers_may_be_for_one_transport_only() {
        let route = route("http://user:pass@h", |config| {
            let header =
                |name: &'static str| (header::HeaderName::from_static(name), HeaderValue::from_static("1"));
            let ((all, one), (polling, two)) = (header("x-all"), header("x-polling"));
            config.headers = vec![(None, all, one), (Some(Transport::Polling), polling, two)];
        });
        let polling = route.poll(None, None).unwrap();
        let websocket = route.websocket(None, "key").unwrap();
        assert!(polling.headers().contains_key("x-all") && polling.headers().contains_key("x-polling"));
        assert!(websocket.headers().contains_key("x-all") && !websocket.headers().contains_key("x-polling"));
        assert_eq!(websocket.headers()["authorization"], "Basic dXNlcjpwYXNz");
    }

    #[test]
    fn revision_3_is_asked_for() {
        let route = route("http://h", |config| config.protocol = Protocol::V3);
        assert_eq!(route.target(Transport::Polling, None), "/engine.io/?EIO=3&transport=polling&b64=1");
        assert_eq!(route.target(Transport::Polling, Some("x")), "/engine.io/?EIO=3&transport=polling&sid=x");
        assert_eq!(
            route.target(Transport::WebSocket, Some("x")),
            "/engine.io/?EIO=3&transport=websocket&sid=x"
        );
    }

    #[test]
    fn a_proxy_sees_whole_addresses_of_plain_requests() {
        let proxy = |config: &mut ClientConfig| {
            config.proxy =
                crate::client::config::proxy::Proxies::fixed("http://me:secret@proxy:3128").unwrap();
        };
        let request = route("http://h:81", proxy).poll(None, None).unwrap();
        assert_eq!(request.uri(), "http://h:81/engine.io/?EIO=4&transport=polling");
        assert_eq!(request.headers()["proxy-authorization"], "Basic bWU6c2VjcmV0");
        let request = route("https://h", proxy).poll(None, None).unwrap();
        assert_eq!(request.uri(), "/engine.io/?EIO=4&transport=polling");
        assert!(!request.headers().contains_key("proxy-authorization"));
    }

    #[test]
    fn a_path_that_cannot_be_written_is_an_error() {
        let route = route("http://h", |config| config.path = "/a b".to_owned());
        assert!(matches!(route.poll(None, None), Err(HttpError::Request(_))));
    }
}
