//! Subprotocols that a native client offers. One of them may carry its token: pages cannot set headers of a
//! WebSocket, and proxies log query parameters.

use http::{HeaderMap, HeaderValue, header};

/// Prefix of the subprotocol that carries a token.
const BEARER: &str = "bearer.";

/// Subprotocol of the response. A browser that offers subprotocols requires one of them; a token is never
/// returned.
pub(super) fn selected(headers: &HeaderMap) -> Option<HeaderValue> {
    let first = offered(headers).find(|name| !name.starts_with(BEARER))?;
    HeaderValue::from_str(first).ok()
}

/// Sets `Authorization` from a token among the subprotocols, as if the client had set the header.
pub(super) fn authorize(headers: &mut HeaderMap) {
    let token = offered(headers).find_map(|name| name.strip_prefix(BEARER));
    let authorization = token.and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok());
    if let Some(mut authorization) = authorization {
        authorization.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, authorization);
    }
}

fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lists = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lists: &[&'static str]) -> HeaderMap {
        lists.iter().map(|list| (header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(list))).collect()
    }

    #[test]
    fn the_token_is_read_and_never_selected() {
        for (lists, is_selected, token) in [
            (&["native, bearer.a.b-c"][..], Some("native"), Some("Bearer a.b-c")),
            (&["bearer.a.b-c,native"], Some("native"), Some("Bearer a.b-c")),
            (&["bearer.a", "chat , v2"], Some("chat"), Some("Bearer a")),
            (&["bearer.a"], None, Some("Bearer a")),
            (&["chat"], Some("chat"), None),
            (&["", " , "], None, None),
            (&[], None, None),
        ] {
            let mut headers = headers(lists);
            assert_eq!(selected(&headers).as_ref().map(|it| it.to_str().unwrap()), is_selected, "{lists:?}");
            authorize(&mut headers);
            let found = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap());
            assert_eq!(found, token, "{lists:?}");
        }
    }

    #[test]
    fn a_token_in_a_subprotocol_replaces_the_header() {
        for (list, expected) in [("chat", "Bearer old"), ("chat, bearer.new", "Bearer new")] {
            let mut headers = headers(&[list]);
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer old"));
            authorize(&mut headers);
            assert_eq!(headers[header::AUTHORIZATION], expected);
        }
    }
}
