//! Types and generics of rustdoc's JSON as Rust writes them.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::Value;

/// Crates of the standard library.
const STANDARD: &[&str] = &["std", "core", "alloc"];

/// Renders types, and collects the external ones.
pub(super) struct Types<'a> {
    paths: &'a Value,
    external: RefCell<BTreeSet<String>>,
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn joined(parts: impl Iterator<Item = String>, separator: &str) -> String {
    parts.collect::<Vec<_>>().join(separator)
}

impl<'a> Types<'a> {
    pub(super) fn new(document: &'a Value) -> Self {
        Self { paths: &document["paths"], external: RefCell::default() }
    }

    pub(super) fn into_external(self) -> BTreeSet<String> {
        self.external.into_inner()
    }

    /// The name of an item: alone if it belongs to this crate or the standard library, and with its path otherwise.
    pub(super) fn path(&self, path: &Value) -> String {
        let written = text(&path["path"]);
        let last = written.rsplit("::").next().unwrap_or(written);
        let known = &self.paths[path["id"].to_string()];
        let segments: Vec<&str> = list(&known["path"]).map(text).collect();
        let is_own = known["crate_id"].as_u64() == Some(0);
        let name = match segments.as_slice() {
            [first, ..] if !is_own && !STANDARD.contains(first) => {
                let full = segments.join("::");
                self.external.borrow_mut().insert(full.clone());
                full
            }
            _ => last.to_owned(),
        };
        format!("{name}{}", self.arguments(&path["args"]))
    }

    fn arguments(&self, args: &Value) -> String {
        if let Some(parts) = args.get("parenthesized") {
            let inputs = joined(list(&parts["inputs"]).map(|it| self.of(it)), ", ");
            return format!("({inputs}){}", self.returned(&parts["output"]));
        }
        let Some(parts) = args.get("angle_bracketed") else { return String::new() };
        let arguments = list(&parts["args"]).map(|argument| {
            if let Some(argument) = argument.get("type") {
                self.of(argument)
            } else if let Some(lifetime) = argument.get("lifetime") {
                text(lifetime).to_owned()
            } else {
                argument.get("const").map_or("_", |constant| text(&constant["expr"])).to_owned()
            }
        });
        let constraints = list(&parts["constraints"]).map(|constraint| {
            let name = format!("{}{}", text(&constraint["name"]), self.arguments(&constraint["args"]));
            match constraint["binding"].get("equality") {
                Some(term) => format!("{name} = {}", self.term(term)),
                None => format!("{name}: {}", self.bounds(&constraint["binding"]["constraint"])),
            }
        });
        let all = joined(arguments.chain(constraints), ", ");
        if all.is_empty() { all } else { format!("<{all}>") }
    }

    fn term(&self, term: &Value) -> String {
        match term.get("type") {
            Some(term) => self.of(term),
            None => text(&term["constant"]["expr"]).to_owned(),
        }
    }

    fn returned(&self, output: &Value) -> String {
        if output.is_null() { String::new() } else { format!(" -> {}", self.of(output)) }
    }

    /// A type.
    pub(super) fn of(&self, it: &Value) -> String {
        let Some((kind, it)) = it.as_object().and_then(|it| it.iter().next()) else { return "_".to_owned() };
        match kind.as_str() {
            "resolved_path" => self.path(it),
            "generic" | "primitive" => text(it).to_owned(),
            "dyn_trait" => {
                let traits = list(&it["traits"]).map(|bound| {
                    format!("{}{}", self.higher(&bound["generic_params"]), self.path(&bound["trait"]))
                });
                let lifetime = it["lifetime"].as_str().map(str::to_owned);
                format!("dyn {}", joined(traits.chain(lifetime), " + "))
            }
            "function_pointer" => {
                format!("{}fn{}", self.higher(&it["generic_params"]), self.signature(&it["sig"], false))
            }
            "tuple" => {
                let parts: Vec<String> = list(it).map(|part| self.of(part)).collect();
                match parts.as_slice() {
                    [only] => format!("({only},)"),
                    parts => format!("({})", parts.join(", ")),
                }
            }
            "slice" => format!("[{}]", self.of(it)),
            "array" => format!("[{}; {}]", self.of(&it["type"]), text(&it["len"])),
            "impl_trait" => format!("impl {}", self.bounds(it)),
            "raw_pointer" => {
                format!(
                    "*{} {}",
                    if it["is_mutable"] == true { "mut" } else { "const" },
                    self.of(&it["type"])
                )
            }
            "borrowed_ref" => {
                let lifetime = it["lifetime"].as_str().map(|name| format!("{name} ")).unwrap_or_default();
                let mutable = if it["is_mutable"] == true { "mut " } else { "" };
                format!("&{lifetime}{mutable}{}", self.of(&it["type"]))
            }
            "qualified_path" => {
                let (own, name) = (self.of(&it["self_type"]), text(&it["name"]));
                match &it["trait"] {
                    Value::Null => format!("{own}::{name}"),
                    of if text(&of["path"]).is_empty() => format!("{own}::{name}"),
                    of => format!("<{own} as {}>::{name}", self.path(of)),
                }
            }
            other => format!("{{{other}}}"),
        }
    }

    /// Arguments and result of a function. The names of the arguments are part of no contract, except for `self`.
    pub(super) fn signature(&self, sig: &Value, is_method: bool) -> String {
        let inputs = list(&sig["inputs"]).map(|input| {
            let (name, kind) = (text(&input[0]), self.of(&input[1]));
            match (name, kind.as_str()) {
                ("self", "Self") if is_method => "self".to_owned(),
                ("self", "&Self") if is_method => "&self".to_owned(),
                ("self", "&mut Self") if is_method => "&mut self".to_owned(),
                ("self", _) if is_method => format!("self: {kind}"),
                _ => kind,
            }
        });
        format!("({}){}", joined(inputs, ", "), self.returned(&sig["output"]))
    }

    pub(super) fn bounds(&self, bounds: &Value) -> String {
        let bounds = list(bounds).map(|bound| {
            if let Some(bound) = bound.get("trait_bound") {
                let modifier = if bound["modifier"] == "maybe" { "?" } else { "" };
                format!("{modifier}{}{}", self.higher(&bound["generic_params"]), self.path(&bound["trait"]))
            } else if let Some(lifetime) = bound.get("outlives") {
                text(lifetime).to_owned()
            } else {
                let captured =
                    list(&bound["use"]).map(|it| it.as_str().unwrap_or_else(|| first_text(it)).to_owned());
                format!("use<{}>", joined(captured, ", "))
            }
        });
        joined(bounds, " + ")
    }

    /// `for<'a> ` in front of a bound.
    fn higher(&self, params: &Value) -> String {
        let names = joined(list(params).map(|param| text(&param["name"]).to_owned()), ", ");
        if names.is_empty() { names } else { format!("for<{names}> ") }
    }

    /// The parameters in angle brackets, and the `where` clause.
    pub(super) fn generics(&self, generics: &Value) -> (String, String) {
        let params = list(&generics["params"]).filter_map(|param| {
            let (name, kind) = (text(&param["name"]), &param["kind"]);
            if let Some(lifetime) = kind.get("lifetime") {
                let outlives = joined(list(&lifetime["outlives"]).map(|it| text(it).to_owned()), " + ");
                return Some(with_bounds(name, &outlives));
            }
            if let Some(constant) = kind.get("const") {
                return Some(format!("const {name}: {}", self.of(&constant["type"])));
            }
            let kind = &kind["type"];
            if kind["is_synthetic"] == true {
                return None;
            }
            let default = if kind["default"].is_null() {
                String::new()
            } else {
                format!(" = {}", self.of(&kind["default"]))
            };
            Some(with_bounds(name, &self.bounds(&kind["bounds"])) + &default)
        });
        let params = joined(params, ", ");
        let clauses = list(&generics["where_predicates"]).map(|predicate| {
            if let Some(bound) = predicate.get("bound_predicate") {
                let subject = format!("{}{}", self.higher(&bound["generic_params"]), self.of(&bound["type"]));
                with_bounds(&subject, &self.bounds(&bound["bounds"]))
            } else if let Some(lifetime) = predicate.get("lifetime_predicate") {
                let outlives = joined(list(&lifetime["outlives"]).map(|it| text(it).to_owned()), " + ");
                with_bounds(text(&lifetime["lifetime"]), &outlives)
            } else {
                let equal = &predicate["eq_predicate"];
                format!("{} = {}", self.of(&equal["lhs"]), self.term(&equal["rhs"]))
            }
        });
        let clauses = joined(clauses, ", ");
        let brackets = |text: String| if text.is_empty() { text } else { format!("<{text}>") };
        (brackets(params), if clauses.is_empty() { clauses } else { format!(" where {clauses}") })
    }
}

fn with_bounds(name: &str, bounds: &str) -> String {
    if bounds.is_empty() { name.to_owned() } else { format!("{name}: {bounds}") }
}

fn first_text(it: &Value) -> &str {
    it.as_object().and_then(|it| it.values().next()).map(text).unwrap_or_default()
}
