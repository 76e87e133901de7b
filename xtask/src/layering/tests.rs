//! The forms in which a module uses another one: each is found when it leads upwards.

use std::collections::BTreeMap;

use super::*;

/// Reads a crate from texts instead of files, and checks it.
fn check(table: &str, files: &[(&str, &str)]) -> Vec<String> {
    let files: BTreeMap<&str, &str> = files.iter().copied().collect();
    let load = |file: &std::path::Path| files.get(file.to_str()?).map(|text| (*text).to_owned());
    let modules = Modules::read("lib.rs".as_ref(), &load).expect("the crate has all of its files");
    let sections = table::parse(table);
    violations(&modules, &modules.graph(), &sections.iter().collect::<Vec<_>>())
}

/// Checks `source` as the file of the lower of two modules, of which it must use nothing.
fn lower(source: &str) -> Vec<String> {
    let files = [
        ("lib.rs", "pub mod upper;\nmod lower;\nmod free;\npub use self::upper::U as Renamed;"),
        ("upper/mod.rs", "pub mod b;\npub use self::b::{E, V};\npub struct U;"),
        ("upper/b.rs", "pub struct E; pub struct V;"),
        ("free.rs", "use crate::upper::b;"),
        ("lower/mod.rs", source),
        ("lower/inside.rs", "pub struct I;"),
        ("lower/other.rs", ""),
    ];
    check("[c]\nupper free *\nlower", &files)
}

const UPWARDS: [&str; 1] = ["lower must not use upper"];

#[test]
fn a_use_of_what_is_below_or_inside_is_fine() {
    let source =
        "mod inside;\nuse self::inside::I;\nuse std::upper::U;\nuse upper::E;\nfn f() { upper::g() }";
    assert_eq!(lower(source), [""; 0]);
}

#[test]
fn a_nested_group_over_several_lines_is_read() {
    let found = lower(
        "use crate::{\n    lower::{\n        inside,\n    },\n    upper::{\n        b::{\n            E,\n            V,\n        },\n        U,\n    },\n};\nmod inside;",
    );
    assert_eq!(found, ["lower must not use upper", "lower must not use upper::b"]);
}

#[test]
fn a_group_that_begins_with_super_or_crate_is_read() {
    assert_eq!(lower("use super::{free as _, upper};")[1..], UPWARDS);
    assert_eq!(lower("use {std::fmt, crate::upper::U};"), UPWARDS);
}

#[test]
fn a_public_use_is_a_use() {
    assert_eq!(lower("pub(crate) use crate::upper::U;"), UPWARDS);
}

#[test]
fn a_renamed_use_is_a_use_and_so_is_what_the_name_leads_to() {
    assert_eq!(
        lower("use crate::upper as x;\nfn f() -> x::b::E { x::b::E }"),
        ["lower must not use upper", "lower must not use upper::b"]
    );
}

#[test]
fn super_and_self_lead_up_from_a_file_inside() {
    assert_eq!(lower("use self::super::upper::U;"), UPWARDS);
    assert_eq!(lower("mod in_here { use super::super::upper::U; }"), UPWARDS);
}

#[test]
fn attributes_and_comments_hide_nothing() {
    let source = "#[cfg(feature = \"x\")]\nuse crate::{\n    // why\n    #[cfg(unix)]\n    upper::U,\n};";
    assert_eq!(lower(source), UPWARDS);
    assert_eq!(lower("#[cfg(any(test, feature = \"x\"))]\nuse crate::upper::U;"), UPWARDS);
}

#[test]
fn a_path_in_an_expression_a_type_or_a_macro_is_a_use() {
    assert_eq!(lower("fn f() { crate::upper::g() }"), UPWARDS);
    assert_eq!(lower("struct S(Vec<super::upper::U>);"), UPWARDS);
    assert_eq!(lower("fn f() { println!(\"{}\", crate::upper::g()) }"), UPWARDS);
    assert_eq!(lower("macro_rules! m { () => { $crate::upper::g() } }"), UPWARDS);
    assert_eq!(lower("impl<T> Into<T> for <crate::upper::U as Clone>::X {}"), UPWARDS);
}

#[test]
fn a_re_export_leads_to_where_the_name_comes_from() {
    assert_eq!(lower("use crate::Renamed;"), UPWARDS);
    assert_eq!(lower("use crate::upper::E;"), ["lower must not use upper::b"]);
}

#[test]
fn a_glob_is_a_use_of_all_that_it_may_bring() {
    assert_eq!(lower("use crate::upper::*;"), ["lower must not use upper", "lower must not use upper::b"]);
    assert_eq!(lower("use super::*;"), ["lower must not use upper"]);
}

#[test]
fn code_for_tests_may_use_everything() {
    let source = "#[cfg(test)]\nmod tests { use crate::upper::U; }\n#[cfg(test)]\nmod more;";
    assert_eq!(lower(source), [""; 0]);
}

#[test]
fn a_private_import_of_the_parent_hides_no_use_of_a_sibling() {
    let files = [
        ("lib.rs", "mod a;"),
        ("a/mod.rs", "mod x; mod y; use self::y::Y; pub struct A(Y);"),
        ("a/x.rs", "use super::{A, Y};"),
        ("a/y.rs", "use super::x;"),
    ];
    assert_eq!(check("", &files), ["cycle a: x y\n    a::x -> a::y\n    a::y -> a::x"]);
}

#[test]
fn files_beside_their_folder_and_files_at_other_paths_are_read() {
    let files = [
        ("lib.rs", "mod a; #[path = \"elsewhere/b.rs\"] mod b;"),
        ("a.rs", "mod x;"),
        ("a/x.rs", "use crate::b::c;"),
        ("elsewhere/b.rs", "pub mod c;"),
        ("elsewhere/c.rs", "use crate::a;"),
    ];
    assert_eq!(check("", &files), ["cycle: a b\n    a::x -> b::c\n    b::c -> a"]);
}

#[test]
fn a_root_that_calls_a_module_has_nothing_for_it() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c; pub use self::b::B; fn main() { a::run(); c::run() } fn root() {}"),
        ("a.rs", "use crate::root;"),
        ("b.rs", "use crate::root;"),
        ("c.rs", "use crate::B;"),
    ];
    assert_eq!(check("", &files), ["the root and a use each other"]);
}

#[test]
fn a_known_cycle_may_stay_but_not_grow_and_its_line_goes_with_it() {
    let files = |x: &'static str| {
        [
            ("lib.rs", "mod a; mod b; mod x;"),
            ("a.rs", "use crate::b;"),
            ("b.rs", "use crate::a;"),
            ("x.rs", x),
        ]
    };
    assert_eq!(check("[c]\ncycle: a b", &files("")), [""; 0]);
    let mut grown = files("use crate::a;");
    grown[1].1 = "use crate::{b, x};";
    assert_eq!(check("[c]\ncycle: a b", &grown).len(), 2);
    let gone = "there is no cycle: a x; its line in tests/layering.txt can go";
    assert_eq!(check("[c]\ncycle: a b\ncycle: a x", &files("")), [gone]);
}

#[test]
fn a_proposal_puts_each_module_above_what_it_uses_and_cycles_on_one_line() {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let graph: Graph =
        [("top", &["a", "low"][..]), ("a", &["b"]), ("b", &["a", "low"]), ("low", &[]), ("alone", &[])]
            .into_iter()
            .map(|(module, uses)| (module.to_owned(), owned(uses)))
            .collect();
    let found = layers(&graph, &cycles::find(&graph));
    assert_eq!(found, [vec!["alone", "low"], vec!["a", "b", "*"], vec!["top"]]);
}
