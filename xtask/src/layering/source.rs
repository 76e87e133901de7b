//! What one file says about modules: which it declares, what it imports, which paths it names.
//!
//! Code for tests only is left out, since tests may use every module.

use super::tokens::{Token, tokens};

/// The segments of a path: `crate::a::B` is `["crate", "a", "B"]`.
pub(super) type Path = Vec<String>;

/// A name that a `use` brings into a module.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Import {
    /// The name after `as`, or the last one of the path; `*` for everything.
    pub(super) name: String,
    pub(super) path: Path,
    /// Whether it is a `pub use` of any visibility.
    pub(super) re_export: bool,
}

/// A `mod` declaration.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) name: String,
    /// The file named by a `path` attribute.
    pub(super) file: Option<String>,
    /// The content of a module that is written in the same file.
    pub(super) body: Option<Module>,
}

/// The content of a module.
#[derive(Debug, Default)]
pub(super) struct Module {
    pub(super) children: Vec<Child>,
    pub(super) imports: Vec<Import>,
    /// The paths outside of `use`, of two segments at least.
    pub(super) paths: Vec<Path>,
}

/// Reads the source of a file.
pub(super) fn read(source: &str) -> Module {
    let tokens = tokens(source);
    Reader { tokens: &tokens, at: 0 }.module()
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
}

/// What the attributes in front of an item say.
#[derive(Default)]
struct Attributes {
    only_tests: bool,
    file: Option<String>,
}

impl Reader<'_> {
    fn name(&self, ahead: usize) -> Option<&str> {
        match self.tokens.get(self.at + ahead) {
            Some(Token::Name(name)) => Some(name),
            _ => None,
        }
    }

    fn is_sign(&self, ahead: usize, sign: char) -> bool {
        self.tokens.get(self.at + ahead) == Some(&Token::Sign(sign))
    }

    fn is_colons(&self, ahead: usize) -> bool {
        self.tokens.get(self.at + ahead) == Some(&Token::Colons)
    }

    /// Reads up to the end of the file, or the brace that closes the module.
    fn module(&mut self) -> Module {
        let mut module = Module::default();
        let mut depth = 0;
        let mut attributes = Attributes::default();
        let mut public = false;
        while self.at < self.tokens.len() {
            if self.is_sign(0, '#') && (self.is_sign(1, '[') || self.is_sign(1, '!')) {
                self.attribute(&mut attributes, &mut module);
                continue;
            }
            if std::mem::take(&mut attributes.only_tests) {
                self.skip_item();
                attributes = Attributes::default();
                continue;
            }
            if self.name(0) == Some("pub") {
                public = true;
                self.at += 1;
                self.skip_group('(', ')');
                continue;
            }
            match self.name(0) {
                // `use<'a>` in the bounds of a type is none.
                Some("use") if !self.is_sign(1, '<') => {
                    self.at += 1;
                    self.import(public, &mut module.imports);
                }
                Some("mod") if self.name(1).is_some() => self.child(attributes.file.take(), &mut module),
                Some(_) => self.path(&mut module.paths),
                None if self.is_sign(0, '}') && depth == 0 => break,
                None => {
                    depth += usize::from(self.is_sign(0, '{'));
                    depth -= usize::from(self.is_sign(0, '}'));
                    // The path after `::` begins in another crate, or belongs to a type in `<>`.
                    self.at += if self.is_colons(0) && self.name(1).is_some() { 2 } else { 1 };
                }
            }
            public = false;
            attributes = Attributes::default();
        }
        module
    }

    /// An attribute, outer or inner. The paths in it are used by the module.
    fn attribute(&mut self, attributes: &mut Attributes, module: &mut Module) {
        self.at += if self.is_sign(1, '!') { 2 } else { 1 };
        let begin = self.at;
        self.skip_group('[', ']');
        let end = self.at;
        let content = &self.tokens[(begin + 1).min(end)..end.saturating_sub(1).max(begin)];
        let name = |at: usize| match content.get(at) {
            Some(Token::Name(name)) => name.as_str(),
            _ => "",
        };
        match (name(0), content) {
            ("cfg", _) if name(2) == "test" && content.len() == 4 => attributes.only_tests = true,
            ("cfg", _) if name(2) == "all" && name(4) == "test" => attributes.only_tests = true,
            ("path", [_, Token::Sign('='), Token::Text(file)]) => attributes.file = Some(file.clone()),
            // serde takes paths as strings: `with = "crate::a"`.
            ("serde", _) => {
                let texts = content.iter().filter_map(|token| match token {
                    Token::Text(text) => Some(text),
                    _ => None,
                });
                texts.for_each(|text| Reader { tokens: &tokens(text), at: 0 }.paths(&mut module.paths));
            }
            _ => {}
        }
        Reader { tokens: content, at: 0 }.paths(&mut module.paths);
    }

    /// All paths up to the end.
    fn paths(&mut self, paths: &mut Vec<Path>) {
        while self.at < self.tokens.len() {
            match self.name(0) {
                Some(_) => self.path(paths),
                None => self.at += 1,
            }
        }
    }

    /// Skips a group if one begins here.
    fn skip_group(&mut self, open: char, close: char) {
        let mut depth = 0;
        while self.at < self.tokens.len() {
            depth += usize::from(self.is_sign(0, open));
            if depth == 0 {
                return;
            }
            depth -= usize::from(self.is_sign(0, close));
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }

    /// Skips an item, statement, field or variant.
    fn skip_item(&mut self) {
        if self.name(0) == Some("pub") {
            self.at += 1;
            self.skip_group('(', ')');
        }
        // A comma ends a field or variant, but not the parameters of a type.
        let is_member =
            self.name(0).is_some() && [':', ',', '(', '{', '='].iter().any(|sign| self.is_sign(1, *sign));
        while self.at < self.tokens.len() {
            match &self.tokens[self.at] {
                Token::Sign('(') => self.skip_group('(', ')'),
                Token::Sign('[') => self.skip_group('[', ']'),
                Token::Sign('{') => {
                    self.skip_group('{', '}');
                    return;
                }
                Token::Sign('}') => return,
                Token::Sign(';') => {
                    self.at += 1;
                    return;
                }
                Token::Sign(',') if is_member => return,
                _ => self.at += 1,
            }
        }
    }

    /// A path from its first name on. A name alone is none.
    fn path(&mut self, paths: &mut Vec<Path>) {
        let mut path = Vec::new();
        while let Some(name) = self.name(0) {
            path.push(name.to_owned());
            self.at += 1;
            if !(self.is_colons(0) && self.name(1).is_some()) {
                break;
            }
            self.at += 1;
        }
        if path.len() > 1 {
            paths.push(path);
        }
    }

    /// The tree of a `use`, up to its semicolon.
    fn import(&mut self, re_export: bool, imports: &mut Vec<Import>) {
        let begin = imports.len();
        // `use ::a` begins in another crate whatever the modules are called.
        let foreign = self.is_colons(0);
        self.tree(&[], re_export, imports);
        if foreign {
            imports.truncate(begin);
        }
        while self.at < self.tokens.len() && !self.is_sign(0, ';') {
            self.at += 1;
        }
    }

    fn tree(&mut self, prefix: &[String], re_export: bool, imports: &mut Vec<Import>) {
        let mut path = prefix.to_vec();
        loop {
            if self.is_sign(0, '#') && self.is_sign(1, '[') {
                self.at += 1;
                self.skip_group('[', ']');
            } else if self.is_sign(0, '{') {
                self.at += 1;
                while self.at < self.tokens.len() && !self.is_sign(0, '}') {
                    let begin = self.at;
                    self.tree(&path, re_export, imports);
                    // A comma, or something that no `use` has.
                    self.at += usize::from(self.is_sign(0, ',') || self.at == begin);
                }
                self.at += 1;
                return;
            } else if self.is_sign(0, '*') {
                path.push("*".to_owned());
                self.at += 1;
                break;
            } else if self.is_colons(0) {
                self.at += 1;
            } else if let Some(name) = self.name(0) {
                let name = name.to_owned();
                self.at += 1;
                // `a::{self}` is `a`; at the beginning of a path it is the module.
                if name != "self" || path.is_empty() {
                    path.push(name);
                }
                if !self.is_colons(0) {
                    break;
                }
            } else {
                return;
            }
        }
        let mut name = path.last().cloned().unwrap_or_default();
        if self.name(0) == Some("as") {
            name = self.name(1).unwrap_or_default().to_owned();
            self.at += 2;
        }
        imports.push(Import { name, path, re_export });
    }

    fn child(&mut self, file: Option<String>, module: &mut Module) {
        let name = self.name(1).unwrap_or_default().to_owned();
        self.at += 2;
        let body = self.is_sign(0, '{').then(|| {
            self.at += 1;
            self.module()
        });
        self.at += 1;
        module.children.push(Child { name, file, body });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(source: &str) -> Vec<String> {
        let shown = |import: Import| {
            let path = import.path.join("::");
            let mark = if import.re_export { "pub " } else { "" };
            if import.path.last() == Some(&import.name) {
                format!("{mark}{path}")
            } else {
                format!("{mark}{path} as {}", import.name)
            }
        };
        read(source).imports.into_iter().map(shown).collect()
    }

    fn paths(source: &str) -> Vec<String> {
        read(source).paths.into_iter().map(|path| path.join("::")).collect()
    }

    #[test]
    fn groups_nest_and_run_over_lines() {
        let source = "use a::{\n    b::{c, d::{self, e}},\n    f,\n};\nuse g;";
        assert_eq!(imports(source), ["a::b::c", "a::b::d", "a::b::d::e", "a::f", "g"]);
    }

    #[test]
    fn renames_globs_and_visibilities_are_read() {
        let source =
            "pub use a::B as C;\npub(crate) use self::d::*;\npub(in crate::x) use super::{e as _, f};";
        assert_eq!(imports(source), ["pub a::B as C", "pub self::d::*", "pub super::e as _", "pub super::f"]);
    }

    #[test]
    fn attributes_and_comments_may_stand_between() {
        let source =
            "#[cfg(feature = \"x\")]\nuse a::{\n    // why\n    #[cfg(unix)]\n    b,\n    /* c */ d,\n};";
        assert_eq!(imports(source), ["a::b", "a::d"]);
    }

    #[test]
    fn a_use_in_a_function_counts_and_the_bounds_of_a_type_do_not() {
        let source = "fn f<'a>() -> impl Iterator + use<'a> { use crate::a::b; b() }";
        assert_eq!(imports(source), ["crate::a::b"]);
    }

    #[test]
    fn paths_are_read_from_expressions_types_macros_and_attributes() {
        let source = "#[derive(crate::a::B)]\n#[serde(with = \"super::o\")]\nfn f(x: &crate::c::D<super::e::F>) -> self::G {\n\
            vec![crate::h::i::<u8>(), <crate::j::K as l::M>::n()]; \"crate::no\" }";
        let expected = [
            "crate::a::B",
            "super::o",
            "crate::c::D",
            "super::e::F",
            "self::G",
            "crate::h::i",
            "crate::j::K",
            "l::M",
        ];
        assert_eq!(paths(source), expected);
    }

    #[test]
    fn a_path_that_begins_with_colons_is_foreign() {
        assert_eq!(paths("::a::b::c(); d::e()"), ["d::e"]);
        assert_eq!(imports("use ::a::b; use c::d;"), ["c::d"]);
    }

    #[test]
    fn code_for_tests_is_left_out_and_what_follows_is_not() {
        let source = "#[cfg(test)]\nuse a::b;\n#[cfg(test)]\nmod tests { use c::d; }\n\
            struct S { #[cfg(test)] x: e::F<[u8; 2]>, y: g::H }\n#[cfg(all(test, unix))]\nfn f(x: [u8; 3]) { i::j() }\n\
            #[cfg(any(test, feature = \"x\"))]\nuse k::l;\n#[cfg(test)]\nmod more;\nuse m::n;";
        assert_eq!(imports(source), ["k::l", "m::n"]);
        assert_eq!(paths(source), ["g::H"]);
        assert!(read(source).children.is_empty());
    }

    #[test]
    fn modules_in_the_same_file_have_their_own_content() {
        let module = read(
            "mod a { use super::b; mod c; fn f() { d::e() } }\n#[path = \"../x.rs\"]\nmod g;\nuse h::i;",
        );
        let [a, g] = module.children.as_slice() else { panic!("{module:?}") };
        let body = a.body.as_ref().expect("the content of the first module");
        assert_eq!((body.imports.len(), body.paths.len(), body.children.len()), (1, 1, 1));
        assert_eq!((g.name.as_str(), g.file.as_deref()), ("g", Some("../x.rs")));
        assert_eq!(module.imports.len(), 1);
    }
}
