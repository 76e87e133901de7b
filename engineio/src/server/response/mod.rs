//! A response: its body, cookies, CORS headers, compression, and the memory that it holds.

pub(crate) mod accept_encoding;
pub(crate) mod body;
pub(crate) mod compression;
pub(crate) mod cookie;
pub(crate) mod cors;
pub(crate) mod loan;

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use self::body::Body;

/// A response without a body.
pub(crate) fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    response
}

/// The refusal of a request that the server cannot take now.
pub(crate) fn unavailable() -> Response<Body> {
    let mut response = status(StatusCode::SERVICE_UNAVAILABLE);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// Adds headers to others. Cookies and `Vary` add up; anything else has one value, the newer one.
pub(crate) fn merge(headers: &mut HeaderMap, added: HeaderMap) {
    let mut name = None;
    for (next, value) in added {
        // An absent name means "as before".
        let first = next.is_some();
        name = next.or(name);
        let Some(name) = &name else { continue };
        if first && *name != header::SET_COOKIE && *name != header::VARY {
            headers.insert(name.clone(), value);
        } else {
            headers.append(name.clone(), value);
        }
    }
}
