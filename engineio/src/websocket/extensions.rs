//! The header Sec-WebSocket-Extensions: its grammar, as strict as in `ws` (RFC 6455, section 9.1).

use http::header::{HeaderMap, SEC_WEBSOCKET_EXTENSIONS};

/// The header is not a list of extensions with parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// An extension of the list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Extension {
    pub(crate) name: String,
    /// The parameters in their order. One without a value is a flag.
    pub(crate) parameters: Vec<(String, Option<String>)>,
}

/// The extensions of all lines of the header. `None` without the header.
pub(crate) fn extensions(headers: &HeaderMap) -> Option<Result<Vec<Extension>, Malformed>> {
    let lines = headers.get_all(SEC_WEBSOCKET_EXTENSIONS);
    let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes().trim_ascii()).collect();
    (!lines.is_empty()).then(|| parse(&lines.join(&b","[..])))
}

/// Whether the byte may be part of a token of HTTP (RFC 9110, section 5.6.2).
pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn parse(header: &[u8]) -> Result<Vec<Extension>, Malformed> {
    let mut rest = Cursor(header);
    let mut found = Vec::new();
    loop {
        rest.skip_spaces();
        let mut extension = Extension { name: rest.token()?, parameters: Vec::new() };
        rest.skip_spaces();
        while rest.skip(b';') {
            rest.skip_spaces();
            let name = rest.token()?;
            let value = rest.skip(b'=').then(|| rest.value()).transpose()?;
            extension.parameters.push((name, value));
            rest.skip_spaces();
        }
        found.push(extension);
        if rest.0.is_empty() {
            return Ok(found);
        }
        if !rest.skip(b',') {
            return Err(Malformed);
        }
    }
}

/// The rest of the header.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn skip(&mut self, byte: u8) -> bool {
        let rest = self.0.strip_prefix(&[byte]);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn skip_spaces(&mut self) {
        while self.skip(b' ') || self.skip(b'\t') {}
    }

    fn token_byte(&mut self) -> Option<char> {
        let (&first, rest) = self.0.split_first().filter(|(byte, _)| is_token_byte(**byte))?;
        self.0 = rest;
        Some(first.into())
    }

    fn token(&mut self) -> Result<String, Malformed> {
        let token: String = std::iter::from_fn(|| self.token_byte()).collect();
        if token.is_empty() { Err(Malformed) } else { Ok(token) }
    }

    /// A token, possibly quoted: "When using the quoted-string syntax variant, the value after quoted-string
    /// unescaping MUST conform to the 'token' ABNF."
    fn value(&mut self) -> Result<String, Malformed> {
        if !self.skip(b'"') {
            return self.token();
        }
        let mut value = String::new();
        while !self.skip(b'"') {
            self.skip(b'\\');
            value.push(self.token_byte().ok_or(Malformed)?);
        }
        if value.is_empty() { Err(Malformed) } else { Ok(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The extensions in one form.
    fn shown(header: &str) -> Result<String, Malformed> {
        let shown = parse(header.as_bytes())?.into_iter().map(|extension| {
            let parameters = extension.parameters.into_iter().map(|(name, value)| match value {
                Some(value) => format!(";{name}={value}"),
                None => format!(";{name}"),
            });
            extension.name + &parameters.collect::<String>()
        });
        Ok(shown.collect::<Vec<_>>().join(","))
    }

    /// The headers of the tests of `ws` for its parser, and others.
    #[test]
    fn headers_are_read_as_ws_reads_them() {
        for (header, expected) in [
            ("foo", "foo"),
            ("foo,bar;baz=1, foo; qux", "foo,bar;baz=1,foo;qux"),
            ("foo;bar;baz=1;bar=2", "foo;bar;baz=1;bar=2"),
            ("foo;bar=\"hi\"", "foo;bar=hi"),
            ("foo;bar=\"1\";baz=\"1\";bar=\"2\"", "foo;bar=1;baz=1;bar=2"),
            ("foo;bar=\"baz\\q\\u\\x\"", "foo;bar=bazqux"),
            ("foo; \t bar \t;baz=1 \t ,qux", "foo;bar;baz=1,qux"),
            ("foo \t, bar", "foo,bar"),
            ("foo;bar=\"\\x\"", "foo;bar=x"),
        ] {
            assert_eq!(shown(header).as_deref(), Ok(expected), "{header:?}");
        }
        for header in [
            "",
            ",",
            ";",
            "foo,",
            "foo;",
            "foo;;bar",
            "foo,,bar",
            "foo;bar=",
            "foo;=1",
            "foo;bar=\"\"",
            "foo;bar=\"baz",
            "foo;bar=\"b az\"",
            "foo;bar=\"baz\"x",
            "foo;bar= 1",
            "foo;bar =1",
            "foo bar",
            "foo;bar baz",
            "foo;bar=1 2",
            "<foo>",
            "foo;bar=\"\\\"",
            "foo\u{e4}",
            "foo;bar=b\"az\"",
            "foo;bar==1",
        ] {
            assert_eq!(shown(header), Err(Malformed), "{header:?}");
        }
    }

    #[test]
    fn several_lines_are_one_list() {
        let mut headers = HeaderMap::new();
        assert_eq!(extensions(&headers), None);
        for line in [" a;b ", "c"] {
            headers.append(SEC_WEBSOCKET_EXTENSIONS, line.parse().unwrap());
        }
        assert_eq!(extensions(&headers).unwrap().unwrap().len(), 2);
        headers.append(SEC_WEBSOCKET_EXTENSIONS, "".parse().unwrap());
        assert_eq!(extensions(&headers), Some(Err(Malformed)));
    }
}
