//! Cross-origin resource sharing: which other sites' pages may read our answers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, CONTENT_LENGTH, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

/// Which other sites' pages may talk to this server by HTTP, and what they may see.
///
/// It sends what the npm package `cors`, and so the `cors` option of the official server, sends. Browsers alone heed it,
/// and for WebSocket not even they do: it keeps nobody out.
///
/// The cost is two to four headers in every answer, six at most in the answer to a preflight.
#[derive(Clone, Debug)]
pub struct Cors {
    origin: Origin,
    methods: HeaderValue,
    /// `None`: what the preflight asks for.
    allowed_headers: Option<HeaderValue>,
    exposed_headers: HeaderValue,
    credentials: bool,
    max_age: Option<u64>,
    preflight_continue: bool,
    options_success_status: StatusCode,
}

/// The origins whose pages may read an answer.
#[derive(Clone)]
enum Origin {
    Any,
    Reflect,
    Fixed(HeaderValue),
    List(Arc<[Box<str>]>),
    Matching(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

/// A value that cannot be sent in a header: it has a control character or something outside of ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the CORS option {option} cannot be sent in a header")]
pub struct CorsError {
    option: &'static str,
}

impl Cors {
    /// Every origin, by `*`. Browsers do not combine that with credentials.
    ///
    /// This is the default of the `cors` package, and of [`Cors::default`].
    pub fn any() -> Self {
        Self::with(Origin::Any)
    }

    /// Every origin, by repeating what the request says (`origin: true` of the official server).
    ///
    /// Together with [`Cors::credentials`], any page on the web can act as the user who is looking at it.
    pub fn reflect() -> Self {
        Self::with(Origin::Reflect)
    }

    /// One origin, such as `https://example.com`. It is sent whatever the request says. `*` is [`Cors::any`].
    pub fn origin(origin: &str) -> Result<Self, CorsError> {
        Ok(Self::with(match origin {
            "*" => Origin::Any,
            origin => Origin::Fixed(header("origin", origin.to_owned())?),
        }))
    }

    /// Each of these origins, compared as they are written: scheme, host, and the port if it is not the scheme's own.
    /// No patterns; see [`Cors::matching`] for those.
    pub fn origins<I>(origins: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        Self::with(Origin::List(origins.into_iter().map(|origin| origin.into().into_boxed_str()).collect()))
    }

    /// Each origin that the function says yes to. It is asked on every request that names an origin, so it should be
    /// quick.
    ///
    /// It takes the place of the regular expressions and of the function of the official server's `origin`. Mind the
    /// dots and the end: `https://example.com.evil.test` begins well, too.
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

    /// The methods that pages may use. Default GET, HEAD, PUT, PATCH, POST and DELETE. None: the header is left out.
    pub fn methods<I>(mut self, methods: I) -> Result<Self, CorsError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        self.methods = list("methods", methods)?;
        Ok(self)
    }

    /// The request headers that pages may set. Default: those that the preflight asks for. None: the header is left
    /// out, and browsers allow only what needs no permission.
    pub fn allowed_headers<I>(mut self, headers: I) -> Result<Self, CorsError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        self.allowed_headers = Some(list("allowed_headers", headers)?);
        Ok(self)
    }

    /// The response headers that pages may read beyond the harmless ones. Default none.
    pub fn exposed_headers<I>(mut self, headers: I) -> Result<Self, CorsError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        self.exposed_headers = list("exposed_headers", headers)?;
        Ok(self)
    }

    /// Whether pages may send cookies and other credentials. Default false. Clients then set `withCredentials`;
    /// sticky sessions by cookie need it.
    pub fn credentials(mut self, credentials: bool) -> Self {
        self.credentials = credentials;
        self
    }

    /// How long browsers remember a preflight's answer, in whole seconds. Default: not sent, which browsers take for
    /// five seconds. Each preflight costs the client a round trip.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age.as_secs());
        self
    }

    /// Whether a preflight, its headers set, goes on to whoever answers requests. Default false: it is answered here.
    pub fn preflight_continue(mut self, preflight_continue: bool) -> Self {
        self.preflight_continue = preflight_continue;
        self
    }

    /// The status that answers a preflight. Default 204; some old browsers choke on it and want 200.
    pub fn options_success_status(mut self, status: StatusCode) -> Self {
        self.options_success_status = status;
        self
    }

    /// Whether preflights are for others to answer, with the headers of [`Cors::decorate_preflight`].
    pub(crate) fn continues_preflight(&self) -> bool {
        self.preflight_continue
    }

    /// The answer to a preflight, which is any OPTIONS request.
    pub(crate) fn preflight(&self, request: &HeaderMap) -> Response<()> {
        let mut response = Response::new(());
        *response.status_mut() = self.options_success_status;
        self.decorate_preflight(request, response.headers_mut());
        // Some browsers wait for a body, even behind a 204, unless they are told that there is none.
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        response
    }

    /// Adds the headers of an answer to a preflight.
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

    /// Adds the headers of an answer to any other request. Refusals need them as well, or the page cannot tell why.
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
        // Also when the origin is refused: the answer to the next one may differ, and a cache has to know.
        if !matches!(self.origin, Origin::Any) {
            vary(response, "Origin");
        }
        // As in the `cors` package, for a refused origin too. Without Access-Control-Allow-Origin it permits nothing.
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

/// A list in one header, without spaces as the official server writes it.
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

/// Sets a header, unless to nothing.
fn set(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    if !value.is_empty() {
        headers.insert(name, value);
    }
}

/// All of a request's headers of one name as one, as Node sees them; so a request with two origins has neither.
///
/// A copy: a value of the request's own would hold on to the buffer that it was read into.
fn joined(request: &HeaderMap, name: HeaderName) -> Option<HeaderValue> {
    let mut values = request.get_all(name).iter();
    let mut joined = values.next()?.as_bytes().to_vec();
    for value in values {
        joined.extend_from_slice(b", ");
        joined.extend_from_slice(value.as_bytes());
    }
    HeaderValue::from_bytes(&joined).ok()
}

/// Names a request header that the answer depends on, beside those that are named already.
fn vary(response: &mut HeaderMap, field: &'static str) {
    let Some(present) = joined(response, VARY).filter(|present| !present.is_empty()) else {
        response.insert(VARY, HeaderValue::from_static(field));
        return;
    };
    let mut names = present.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let value = if names.clone().any(|name| name == b"*") {
        Ok(HeaderValue::from_static("*"))
    } else if names.any(|name| name.eq_ignore_ascii_case(field.as_bytes())) {
        Ok(present)
    } else {
        HeaderValue::from_bytes(&[present.as_bytes(), b", ", field.as_bytes()].concat())
    };
    if let Ok(value) = value {
        response.insert(VARY, value);
    }
}

#[cfg(test)]
mod tests;
