//! The table of the README counts the lines of the programs.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::path::Path;

/// Lines of code, without blank lines and comments.
fn lines(code: &str) -> usize {
    code.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

/// The function that programs use instead of a listener of their own.
fn lines_of_listen(library: &str) -> usize {
    let (_, from) = library.split_once("pub async fn listen").unwrap();
    let (function, _) = from.split_once("\n}").unwrap();
    lines(function) + 1
}

/// No program is longer than its official counterpart, and none names the transport.
#[test]
fn programs_are_no_longer_than_the_official_ones() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    let of_listen = lines_of_listen(&read("src/lib.rs"));
    let readme = read("README.md");
    let (_, table) = readme.split_once("| program | what it shows | lines |").unwrap();
    let mut programs = Vec::new();
    for row in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let (name, file) = cells[1].trim_matches(['[', ')']).split_once("](").unwrap();
        let code = read(file);
        let listens = code.contains("examples::listen()");
        let count = lines(&code) + if listens { of_listen } else { 0 };
        assert_eq!(cells[3], count.to_string(), "{name}");
        if !cells[4].starts_with("none") {
            assert!(count <= cells[5].parse().unwrap(), "{name} is longer than the official program");
        }
        assert!(!code.contains("engineio"), "{name}");
        let test = cells[6].split(['(', ')']).nth(1).unwrap();
        assert!(folder.join(test).exists(), "{test}");
        programs.push(name);
    }
    assert_eq!(programs, ["chat", "private_messaging", "crud", "passport", "board", "bot"]);
}
