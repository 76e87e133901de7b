//! The public items of a crate, one per line.

use std::collections::BTreeSet;

use serde_json::Value;

use super::types::Types;

/// Traits that the compiler implements by itself. Only a missing implementation is worth a line.
const AUTOMATIC: &[&str] = &["Send", "Sync", "Unpin"];

/// Public API of a crate.
pub(super) struct Api {
    pub(super) lines: BTreeSet<String>,
    /// Types and traits of other crates that appear in signatures.
    pub(super) external: BTreeSet<String>,
}

impl Api {
    pub(super) fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// The public items of a document of rustdoc.
pub(super) fn api(document: &Value) -> Api {
    let mut walk =
        Walk { index: &document["index"], types: Types::new(document), lines: BTreeSet::new(), depth: 0 };
    let root = walk.item(&document["root"]);
    walk.module(root, text(&root["name"]));
    Api { lines: walk.lines, external: walk.types.into_external() }
}

struct Walk<'a> {
    index: &'a Value,
    types: Types<'a>,
    lines: BTreeSet<String>,
    /// Depth of modules, which bounds re-exports of a module in itself.
    depth: usize,
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Kind and contents of an item.
fn inner(item: &Value) -> (&str, &Value) {
    let inner = item["inner"].as_object().and_then(|inner| inner.iter().next());
    inner.map_or(("", &Value::Null), |(kind, it)| (kind.as_str(), it))
}

impl<'a> Walk<'a> {
    fn item(&self, id: &Value) -> &'a Value {
        &self.index[id.to_string()]
    }

    fn add(&mut self, item: &Value, line: &str) {
        let attributes = item["attrs"].to_string();
        let mark = if attributes.contains("non_exhaustive") { "#[non_exhaustive] " } else { "" };
        self.lines.insert(format!("{mark}{line}"));
    }

    fn module(&mut self, module: &'a Value, path: &str) {
        if self.depth > 8 {
            return;
        }
        self.depth += 1;
        for id in list(&module["inner"]["module"]["items"]) {
            self.member(id, path);
        }
        self.depth -= 1;
    }

    /// An item of a module.
    fn member(&mut self, id: &Value, path: &str) {
        let item = self.item(id);
        let (kind, contents) = inner(item);
        let own = format!("{path}::{}", text(&item["name"]));
        match kind {
            "use" => self.re_export(contents, path),
            "module" => {
                self.add(item, &format!("mod {own}"));
                self.module(item, &own);
            }
            _ => self.definition(item, kind, contents, &own),
        }
    }

    fn re_export(&mut self, contents: &'a Value, path: &str) {
        let target = self.item(&contents["id"]);
        let (kind, definition) = inner(target);
        let own = format!("{path}::{}", text(&contents["name"]));
        match (kind, contents["is_glob"] == true) {
            ("module", true) => self.module(target, path),
            ("module", false) => {
                self.lines.insert(format!("mod {own}"));
                self.module(target, &own);
            }
            // Of another crate, or of a glob of one.
            ("", _) | (_, true) => {
                self.lines.insert(format!("use {own} = {}", text(&contents["source"])));
            }
            _ => self.definition(target, kind, definition, &own),
        }
    }

    fn definition(&mut self, item: &'a Value, kind: &str, contents: &'a Value, path: &str) {
        match kind {
            "function" => self.function(item, contents, path, false),
            "struct" | "union" => {
                let (params, clauses) = self.types.generics(&contents["generics"]);
                let fields = self.fields(&contents["kind"], path);
                self.add(item, &format!("{kind} {path}{params}{fields}{clauses}"));
                self.implementations(&contents["impls"], path);
            }
            "enum" => {
                let (params, clauses) = self.types.generics(&contents["generics"]);
                self.add(item, &format!("enum {path}{params}{clauses}"));
                for id in list(&contents["variants"]) {
                    let variant = self.item(id);
                    let own = format!("{path}::{}", text(&variant["name"]));
                    let fields = self.fields(&inner(variant).1["kind"], &own);
                    self.add(variant, &format!("variant {own}{fields}"));
                }
                self.implementations(&contents["impls"], path);
            }
            "trait" => {
                let (params, clauses) = self.types.generics(&contents["generics"]);
                let bounds = self.types.bounds(&contents["bounds"]);
                let bounds = if bounds.is_empty() { bounds } else { format!(": {bounds}") };
                self.add(item, &format!("trait {path}{params}{bounds}{clauses}"));
                for id in list(&contents["items"]) {
                    self.associated(self.item(id), path);
                }
            }
            "type_alias" => {
                let (params, clauses) = self.types.generics(&contents["generics"]);
                let aliased = self.types.of(&contents["type"]);
                self.add(item, &format!("type {path}{params} = {aliased}{clauses}"));
            }
            "constant" | "static" => {
                let of = self.types.of(&contents["type"]);
                self.add(
                    item,
                    &format!("{} {path}: {of}", if kind == "static" { "static" } else { "const" }),
                );
            }
            "macro" | "proc_macro" => self.add(item, &format!("macro {path}!")),
            _ => self.add(item, &format!("{kind} {path}")),
        }
    }

    fn function(&mut self, item: &Value, contents: &Value, path: &str, is_method: bool) {
        let (params, clauses) = self.types.generics(&contents["generics"]);
        let signature = self.types.signature(&contents["sig"], is_method);
        let header = &contents["header"];
        let words = [("is_const", "const "), ("is_async", "async "), ("is_unsafe", "unsafe ")];
        let words: String =
            words.iter().filter(|(key, _)| header[*key] == true).map(|(_, word)| *word).collect();
        self.add(item, &format!("{words}fn {path}{params}{signature}{clauses}"));
    }

    /// The public fields of a struct or a variant: those of a tuple in parentheses, others as lines of their own.
    fn fields(&mut self, kind: &Value, path: &str) -> String {
        if let Some(fields) = kind.get("tuple") {
            let fields = list(fields).map(|id| match inner(self.item(id)) {
                ("struct_field", of) => self.types.of(of),
                _ => "_".to_owned(),
            });
            return format!("({})", fields.collect::<Vec<_>>().join(", "));
        }
        let Some(plain) = kind.get("plain").or_else(|| kind.get("struct")) else { return String::new() };
        for id in list(&plain["fields"]) {
            let field = self.item(id);
            let of = self.types.of(inner(field).1);
            self.add(field, &format!("field {path}::{}: {of}", text(&field["name"])));
        }
        let is_open = plain["has_stripped_fields"] != true;
        if is_open { " { all fields public }".to_owned() } else { String::new() }
    }

    fn implementations(&mut self, impls: &'a Value, path: &str) {
        for id in list(impls) {
            let (_, it) = inner(self.item(id));
            if !it["blanket_impl"].is_null() {
                continue;
            }
            if it["trait"].is_null() {
                for id in list(&it["items"]) {
                    self.associated(self.item(id), path);
                }
                continue;
            }
            let (is_negative, name) = (it["is_negative"] == true, text(&it["trait"]["path"]));
            let is_automatic = it["is_synthetic"] == true;
            let last = name.rsplit("::").next().unwrap_or(name);
            if is_automatic && !(is_negative && AUTOMATIC.contains(&last)) || last == "StructuralPartialEq" {
                continue;
            }
            let (params, clauses) = self.types.generics(&it["generics"]);
            let (of, own) = (self.types.path(&it["trait"]), self.types.of(&it["for"]));
            let not = if is_negative { "!" } else { "" };
            self.lines.insert(format!("impl{params} {not}{of} for {own}{clauses} // {path}"));
        }
    }

    /// A method, a constant or a type of a trait or an implementation.
    fn associated(&mut self, item: &'a Value, path: &str) {
        let own = format!("{path}::{}", text(&item["name"]));
        match inner(item) {
            ("function", contents) => self.function(item, contents, &own, true),
            ("assoc_const", contents) => {
                let of = self.types.of(&contents["type"]);
                self.add(item, &format!("const {own}: {of}"));
            }
            ("assoc_type", contents) => {
                let bounds = self.types.bounds(&contents["bounds"]);
                let bounds = if bounds.is_empty() { bounds } else { format!(": {bounds}") };
                self.add(item, &format!("type {own}{bounds}"));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A document with a module, a function, a struct with a field and an implementation, and a re-export.
    #[test]
    fn items_have_one_line_each() {
        let public = |name: &str, inner: Value| json!({"name": name, "attrs": [], "inner": inner});
        let none = json!({"params": [], "where_predicates": []});
        let function = json!({
            "sig": {"inputs": [["self", {"borrowed_ref": {"lifetime": null, "is_mutable": false, "type": {"generic": "Self"}}}]],
                    "output": {"resolved_path": {"path": "Uri", "id": 90, "args": null}}},
            "generics": none, "header": {"is_const": false, "is_async": true, "is_unsafe": false}
        });
        let mut exhaustive =
            public("Kind", json!({"enum": {"generics": none, "variants": [6], "impls": []}}));
        exhaustive["attrs"] = json!(["non_exhaustive"]);
        let document = json!({
            "root": 0,
            "index": {
                "0": public("a", json!({"module": {"items": [1, 4]}})),
                "1": public("Thing", json!({"struct": {
                    "kind": {"plain": {"fields": [2], "has_stripped_fields": true}}, "generics": none, "impls": [3, 7]
                }})),
                "2": public("size", json!({"struct_field": {"primitive": "u8"}})),
                "3": public("", json!({"impl": {"trait": null, "items": [5], "generics": none, "blanket_impl": null}})),
                "4": public("", json!({"use": {"source": "b::Kind", "name": "Kind", "id": 8, "is_glob": false}})),
                "5": public("uri", json!({"function": function})),
                "6": public("One", json!({"variant": {"kind": "plain"}})),
                "7": public("", json!({"impl": {
                    "trait": {"path": "Send", "id": 91, "args": null}, "for": {"generic": "Thing"}, "is_negative": true,
                    "is_synthetic": true, "generics": none, "blanket_impl": null, "items": []
                }})),
                "8": exhaustive,
            },
            "paths": {
                "90": {"crate_id": 4, "path": ["http", "uri", "Uri"]}, "91": {"crate_id": 1, "path": ["core", "marker", "Send"]}
            },
        });
        let api = api(&document);
        assert_eq!(
            api.text(),
            "#[non_exhaustive] enum a::Kind\n\
             async fn a::Thing::uri(&self) -> http::uri::Uri\n\
             field a::Thing::size: u8\n\
             impl !Send for Thing // a::Thing\n\
             struct a::Thing\n\
             variant a::Kind::One\n"
        );
        assert_eq!(api.external.into_iter().collect::<Vec<_>>(), ["http::uri::Uri"]);
    }
}
