//! Tokens of Rust source, as far as paths need them: names, `::`, strings and single characters.
//!
//! Comments, documentation, lifetimes, characters and numbers are left out. What is written in a macro is
//! read like any other code.

/// A token that a path, a `use`, a `mod` or an attribute consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A name or a keyword; a raw name without its `r#`.
    Name(String),
    /// The content of a string literal, as written.
    Text(String),
    /// `::`
    Colons,
    /// Any other character.
    Sign(char),
}

/// Reads the tokens of a file. Source that does not compile gives tokens too, but not always the right ones.
pub(super) fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let mut reader = Reader { chars: &chars, at: 0 };
    let mut found = Vec::new();
    while let Some(next) = reader.peek(0) {
        if let Some(token) = reader.token(next) {
            found.push(token);
        }
    }
    found
}

struct Reader<'a> {
    chars: &'a [char],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    /// Takes characters while they fit.
    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> String {
        let begin = self.at;
        while self.peek(0).is_some_and(&fits) {
            self.at += 1;
        }
        self.chars[begin..self.at].iter().collect()
    }

    /// Takes what begins with the character `next`.
    fn token(&mut self, next: char) -> Option<Token> {
        match next {
            '/' if self.peek(1) == Some('/') => {
                self.take_while(|c| c != '\n');
                None
            }
            '/' if self.peek(1) == Some('*') => {
                self.block_comment();
                None
            }
            '"' => Some(self.text()),
            '\'' => {
                self.quote();
                None
            }
            ':' if self.peek(1) == Some(':') => {
                self.at += 2;
                Some(Token::Colons)
            }
            _ if next.is_ascii_digit() => {
                self.take_while(is_of_name);
                None
            }
            _ if is_of_name(next) => self.name(),
            _ => {
                self.at += 1;
                (!next.is_whitespace()).then_some(Token::Sign(next))
            }
        }
    }

    /// Block comments nest.
    fn block_comment(&mut self) {
        let mut depth = 0;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => {
                    depth += 1;
                    self.at += 2;
                }
                (Some('*'), Some('/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                (Some(_), _) => self.at += 1,
                (None, _) => return,
            }
        }
    }

    /// A string with escapes.
    fn text(&mut self) -> Token {
        self.at += 1;
        let begin = self.at;
        loop {
            match self.peek(0) {
                Some('\\') => self.at += 2,
                Some('"') | None => break,
                Some(_) => self.at += 1,
            }
        }
        let end = self.at.min(self.chars.len());
        self.at = end + 1;
        Token::Text(self.chars[begin..end].iter().collect())
    }

    /// A character, or a lifetime: `'a'` and `'\n'` against `'a`.
    fn quote(&mut self) {
        if self.peek(1) == Some('\\') {
            self.at += 3;
            self.take_while(|c| c != '\'');
            self.at += 1;
        } else if self.peek(2) == Some('\'') {
            self.at += 3;
        } else {
            self.at += 1;
            self.take_while(is_of_name);
        }
    }

    /// A name, or a literal with a prefix: `b"…"`, `r#"…"#`, `b'x'`, `r#type`.
    fn name(&mut self) -> Option<Token> {
        let name = self.take_while(is_of_name);
        let raw = ["r", "br", "cr"].contains(&name.as_str());
        match self.peek(0) {
            Some('"') if raw => Some(self.raw_text()),
            Some('"') if ["b", "c"].contains(&name.as_str()) => Some(self.text()),
            Some('\'') if name == "b" => {
                self.quote();
                None
            }
            Some('#') if name == "r" && self.peek(1).is_some_and(is_of_name) => {
                self.at += 1;
                Some(Token::Name(self.take_while(is_of_name)))
            }
            Some('#') if raw && matches!(self.peek(1), Some('#' | '"')) => Some(self.raw_text()),
            _ => Some(Token::Name(name)),
        }
    }

    /// A raw string, from its first `#` or quote on.
    fn raw_text(&mut self) -> Token {
        let hashes = self.take_while(|c| c == '#').chars().count();
        self.at += 1;
        let begin = self.at;
        while self.at < self.chars.len() {
            let closed = self.peek(0) == Some('"') && (1..=hashes).all(|ahead| self.peek(ahead) == Some('#'));
            if closed {
                let text = self.chars[begin..self.at].iter().collect();
                self.at += 1 + hashes;
                return Token::Text(text);
            }
            self.at += 1;
        }
        Token::Text(self.chars[begin.min(self.chars.len())..].iter().collect())
    }
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tokens, separated by spaces; strings in quotes.
    fn shown(source: &str) -> String {
        let shown = tokens(source).into_iter().map(|token| match token {
            Token::Name(name) => name,
            Token::Text(text) => format!("{text:?}"),
            Token::Colons => "::".to_owned(),
            Token::Sign(sign) => sign.to_string(),
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_and_documentation_are_left_out() {
        let source = "//! crate::a\n/// crate::b\nx // crate::c\n/* crate::d /* nested */ crate::e */ y";
        assert_eq!(shown(source), "x y");
    }

    #[test]
    fn a_path_in_a_string_is_text_and_a_quote_in_one_does_not_end_it() {
        assert_eq!(shown(r#"a("crate::b \" // c"); d"#), r#"a ( "crate::b \\\" // c" ) ; d"#);
        assert_eq!(shown(r##"r#"x"y"# + br"z" + b"w" + r#type"##), r#""x\"y" + "z" + "w" + type"#);
    }

    #[test]
    fn characters_and_lifetimes_are_left_out() {
        assert_eq!(shown(r"'\'' 'a' '{' &'a b::<'_> b'}' '\u{7d}' c"), "& b :: < > c");
    }

    #[test]
    fn numbers_are_left_out_and_ranges_are_not_mistaken() {
        assert_eq!(shown("0x1f 1_000u32 1..2 x.0.y 1.5e3"), ". . x . . y .");
    }
}
