//! Check of the list of allowed origins. Browsers send origins in one form, and they are compared literally.

/// The form of an origin in which browsers send it, if `origin` has another one.
pub(super) fn correction(origin: &str) -> Option<String> {
    let origin = origin.trim();
    if origin.is_empty() || origin == "*" || origin == "null" || origin == "file://" {
        return None;
    }
    let (scheme, rest) = origin.split_once("://").unwrap_or(("https", origin));
    let scheme = scheme.to_ascii_lowercase();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let default = match scheme.as_str() {
        "https" => ":443",
        "http" => ":80",
        _ => "",
    };
    let authority = authority.strip_suffix(default).unwrap_or(authority);
    let sent = format!("{scheme}://{authority}");
    (sent != origin).then_some(sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_expected_as_browsers_send_them() {
        for origin in [
            "",
            "*",
            "null",
            "file://",
            "https://example.com",
            " https://example.com ",
            "http://localhost:3000",
            "http://[::1]:3000",
            "chrome-extension://abc",
        ] {
            assert_eq!(correction(origin), None, "{origin}");
        }
        for (origin, expected) in [
            ("example.com", "https://example.com"),
            ("https://example.com/", "https://example.com"),
            ("https://Example.com/app?x=1", "https://example.com"),
            ("HTTPS://example.com:443", "https://example.com"),
            ("http://example.com:80", "http://example.com"),
            ("https://ada@example.com", "https://example.com"),
            ("localhost:3000", "https://localhost:3000"),
        ] {
            assert_eq!(correction(origin).as_deref(), Some(expected), "{origin}");
        }
    }
}
