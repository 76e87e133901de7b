//! Cross-origin resource sharing: the other origins whose pages may read responses.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, CONTENT_LENGTH, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::http::list::elements;

/// The other origins whose pages may use this server over HTTP, and the headers that they may see.
///
/// The headers are those of the npm package `cors`, and so of the `cors` option of the official server. Only
/// browsers observe them, and not for WebSocket: CORS is no access control.
///
/// Cost: two to four headers in every response, at most six in the response to a preflight.
#[derive(Clone, Debug)]
pub struct Cors {
    origin: Origin,
    methods: HeaderValue,
    /// `None`: the headers that the preflight requests.
    allowed_headers: Option<HeaderValue>,
    exposed_headers: HeaderValue,
    credentials: bool,
    max_age: Option<u64>,
    preflight_continue: bool,
    options_success_status: StatusCode,
}

/// The origins whose pages may read a response.
#[derive(Clone)]
enum Origin {
    Any,
    Reflect,
    Fixed(HeaderValue),
    List(Arc<[Box<str>]>),
    Matching(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

/// A value that cannot be sent in a header: it contains a control character or a character outside ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the CORS option {option} cannot be sent in a header")]
pub struct CorsError {
    option: &'static str,
}

impl Cors {
    /// Every origin, by `*`. Browsers do not combine `*` with credentials.
    ///
    /// This is the default of the `cors` package, and of [`Cors::default`].
    pub fn any() -> Self {
        Self::with(Origin::Any)
    }

    /// Every origin, by a copy of the request's origin (`origin: true` of the official server).
    ///
    /// Together with [`Cors::credentials`], any page on the web can act as its current user.
    pub fn reflect() -> Self {
        Self::with(Origin::Reflect)
    }

    /// One origin, such as `https://example.com`. It is sent whatever the request's origin is. `*` is
    /// [`Cors::any`].
    pub fn origin(origin: &str) -> Result<Self, CorsError> {
        Ok(Self::with(match origin {
            "*" => Origin::Any,
            origin => Origin::Fixed(header("origin", origin.to_owned())?),
        }))
    }

    /// Each of these origins, compared literally: scheme, host, and the port if it is not the scheme's
    /// default. For patterns see [`Cors::matching`].
    pub fn origins<I>(origins: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        Self::with(Origin::List(origins.into_iter().map(|origin| origin.into().into_boxed_str()).collect()))
    }

    /// Each origin for which the function returns true. It runs for every request with an origin, so it
    /// should be fast.
    ///
    /// It replaces the regular expressions and the function of the official server's `origin`. A pattern has
    /// to check dots and the end: `https://example.com.evil.test` begins with an allowed origin.
    pub fn matching(allows: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self::with(Origin::Matching(Arc::new(allows)))
    }

    fn with(origin: Origin) -> Self {
        Self {
            origin,
            methods: HeaderValue::from_static("GET,HEAD,PUT,PATCH,POST,DELETE"),
            allowed_headers: None,
            exposed_headers: HeaderValue::from_static(""),
            credentials: false,
            max_age: None,
            preflight_continue: false,
            options_success_status: StatusCode::NO_CONTENT,
        }
    }

    /// The methods that pages may use. Default GET, HEAD, PUT, PATCH, POST and DELETE. An empty list leaves
    /// the header out.
    pub fn methods<I>(mut self, methods: I) -> Result<Self, CorsError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        self.methods = list("methods", methods)?;
        Ok(self)
    }

    /// The request headers that pages may set. Default: the headers that the preflight requests. An empty
    /// list leaves the header out, and browsers allow only safelisted headers.
    pub fn allowed_headers<I>(mut self, headers: I) -> Result<Self, CorsError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        self.allowed_headers = Some(list("allowed_headers", headers)?);
        Ok(self)
    }

    /// The response headers that pages may read beyond the safelisted ones. Default none.
    pub fn exposed_headers<I>(mut self, headers: I) -> Result<Self, CorsError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        self.exposed_headers = list("exposed_headers", headers)?;
        Ok(self)
    }

    /// Whether pages may send cookies and other credentials. Default false. Sticky sessions by cookie need
    /// it; clients then set `withCredentials`.
    pub fn credentials(mut self, credentials: bool) -> Self {
        self.credentials = credentials;
        self
    }

    /// The time that browsers cache a preflight's response, in whole seconds. Default: not sent, which
    /// browsers treat as five seconds. Each preflight costs the client a round trip.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age.as_secs());
        self
    }

    /// Whether a preflight, with its headers set, is passed on to the next service. Default false: the server
    /// answers it.
    pub fn preflight_continue(mut self, preflight_continue: bool) -> Self {
        self.preflight_continue = preflight_continue;
        self
    }

    /// The status of the response to a preflight. Default 204; some old browsers fail with it and need 200.
    pub fn options_success_status(mut self, status: StatusCode) -> Self {
        self.options_success_status = status;
        self
    }

    /// Whether preflights are passed on, with the headers of [`Cors::decorate_preflight`].
    pub(crate) fn continues_preflight(&self) -> bool {
        self.preflight_continue
    }

    /// The response to a preflight, which is any OPTIONS request.
    pub(crate) fn preflight(&self, request: &HeaderMap) -> Response<()> {
        let mut response = Response::new(());
        *response.status_mut() = self.options_success_status;
        self.decorate_preflight(request, response.headers_mut());
        // Some browsers wait for a body, even after a 204, unless a header announces its length.
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        response
    }

    /// Adds the headers of a response to a preflight.
    pub(crate) fn decorate_preflight(&self, request: &HeaderMap, response: &mut HeaderMap) {
        self.decorate_origin(request, response);
        set(response, ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
        if let Some(headers) = &self.allowed_headers {
            set(response, ACCESS_CONTROL_ALLOW_HEADERS, headers.clone());
        } else {
            vary(response, "Access-Control-Request-Headers");
            if let Some(headers) = joined(request, ACCESS_CONTROL_REQUEST_HEADERS) {
                set(response, ACCESS_CONTROL_ALLOW_HEADERS, headers);
            }
        }
        if let Some(seconds) = self.max_age {
            set(response, ACCESS_CONTROL_MAX_AGE, HeaderValue::from(seconds));
        }
        set(response, ACCESS_CONTROL_EXPOSE_HEADERS, self.exposed_headers.clone());
    }

    /// Adds the headers of a response to any other request. Refusals need them too: otherwise the page cannot
    /// read the error.
    pub(crate) fn decorate(&self, request: &HeaderMap, response: &mut HeaderMap) {
        self.decorate_origin(request, response);
        set(response, ACCESS_CONTROL_EXPOSE_HEADERS, self.exposed_headers.clone());
    }

    fn decorate_origin(&self, request: &HeaderMap, response: &mut HeaderMap) {
        let allowed = match &self.origin {
            Origin::Any => Some(HeaderValue::from_static("*")),
            Origin::Fixed(origin) => Some(origin.clone()),
            Origin::Reflect => joined(request, ORIGIN),
            Origin::List(origins) => joined(request, ORIGIN)
                .filter(|origin| origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes())),
            Origin::Matching(allows) => {
                joined(request, ORIGIN).filter(|origin| origin.to_str().is_ok_and(|origin| allows(origin)))
            }
        };
        if let Some(origin) = allowed {
            set(response, ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
        // Also for a refused origin: the response to the next origin may differ, and caches need to know.
        if !matches!(self.origin, Origin::Any) {
            vary(response, "Origin");
        }
        // As in the `cors` package, also for a refused origin. Without Access-Control-Allow-Origin it permits
        // nothing.
        if self.credentials {
            set(response, ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}

impl Default for Cors {
    fn default() -> Self {
        Self::any()
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("Any"),
            Self::Reflect => f.write_str("Reflect"),
            Self::Fixed(origin) => f.debug_tuple("Fixed").field(origin).finish(),
            Self::List(origins) => f.debug_tuple("List").field(origins).finish(),
            Self::Matching(_) => f.write_str("Matching(..)"),
        }
    }
}

fn header(option: &'static str, value: String) -> Result<HeaderValue, CorsError> {
    match HeaderValue::try_from(value) {
        Ok(value) if value.to_str().is_ok() => Ok(value),
        _ => Err(CorsError { option }),
    }
}

/// A list in one header, without spaces, as the official server writes it.
fn list<I>(option: &'static str, items: I) -> Result<HeaderValue, CorsError>
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    let mut value = String::new();
    for item in items {
        if !value.is_empty() {
            value.push(',');
        }
        value.push_str(item.as_ref());
    }
    header(option, value)
}

/// Sets a header if the value is not empty.
fn set(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    if !value.is_empty() {
        headers.insert(name, value);
    }
}

/// All values of one request header joined, as Node joins them. A request with two origins thus matches
/// neither.
///
/// The value is a copy: the request's own value would keep its whole read buffer in memory.
fn joined(request: &HeaderMap, name: HeaderName) -> Option<HeaderValue> {
    let mut values = request.get_all(name).iter();
    let mut joined = values.next()?.as_bytes().to_vec();
    for value in values {
        joined.extend_from_slice(b", ");
        joined.extend_from_slice(value.as_bytes());
    }
    HeaderValue::from_bytes(&joined).ok()
}

/// Adds a request header that the response depends on to Vary, unless it is there already.
fn vary(response: &mut HeaderMap, field: &'static str) {
    let Some(present) = joined(response, VARY).filter(|present| !present.is_empty()) else {
        response.insert(VARY, HeaderValue::from_static(field));
        return;
    };
    let mut names = elements(present.as_bytes());
    let value = if names.clone().any(|name| name == b"*") {
        Ok(HeaderValue::from_static("*"))
    } else if names.any(|name| name.eq_ignore_ascii_case(field.as_bytes())) {
        Ok(present.clone())
    } else {
        HeaderValue::from_bytes(&[present.as_bytes(), b", ", field.as_bytes()].concat())
    };
    if let Ok(value) = value {
        response.insert(VARY, value);
    }
}

#[cfg(test)]
mod tests;
