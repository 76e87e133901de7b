//! Page at `/` for browsers. Its files lie beside this one, and it loads nothing from other servers.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::info;
use crate::gateway::Gateway;
use crate::listen::Program;
use crate::response::{self, HttpResponse};

/// File of the page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct File {
    content_type: &'static str,
    text: &'static str,
}

pub(super) static HOME: File =
    File { content_type: "text/html; charset=utf-8", text: include_str!("index.html") };
pub(super) static STYLE: File =
    File { content_type: "text/css; charset=utf-8", text: include_str!("page.css") };
pub(super) static SCRIPT: File = script(include_str!("page.js"));
pub(super) static CONSOLE: File = script(include_str!("console.js"));
pub(super) static CLIENTS: File = script(include_str!("clients.js"));

const fn script(text: &'static str) -> File {
    File { content_type: "text/javascript; charset=utf-8", text }
}

/// Content security policy of the page. It may load its own files and connect to its own origin. Framing is
/// forbidden, because a frame would allow clickjacking of its buttons.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Response of `/`: the page for callers that accept HTML, the information as JSON for all others.
pub(super) fn home(gateway: &Gateway, headers: &HeaderMap) -> HttpResponse {
    let mut accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut response = if accepted.any(|value| value.contains("text/html")) {
        file(&HOME)
    } else {
        info::info(gateway, Program::GATEWAY)
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Response with a file of the page. The opener policy denies other pages access to its window.
pub(super) fn file(file: &File) -> HttpResponse {
    let mut response = response::of(StatusCode::OK, file.content_type, file.text);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
