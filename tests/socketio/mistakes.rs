//! Common mistakes, and the errors of the compiler: each program of `tests/compile_fail` lists the expected
//! messages in its head, after `//@`.

use std::fs;
use std::path::Path;
use std::process::Command;

/// SIO-SRV-224
#[test]
fn compile_errors_explain_common_mistakes() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("compile_fail");
    // The versions of the workspace, so that no second lock file has to be updated.
    fs::copy(package.join("../../Cargo.lock"), package.join("Cargo.lock")).unwrap();
    let checked = Command::new(env!("CARGO"))
        .args(["check", "--bins", "--keep-going", "--quiet", "--message-format=json", "--offline"])
        .arg("--manifest-path")
        .arg(package.join("Cargo.toml"))
        // A target directory of its own, since the one of this build is locked while tests are being
        // compiled.
        .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/mistakes"))
        .output()
        .unwrap();
    let said: Vec<serde_json::Value> = String::from_utf8(checked.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|message: &serde_json::Value| message["reason"] == "compiler-message")
        .collect();
    assert!(!said.is_empty(), "{}", String::from_utf8_lossy(&checked.stderr));
    let mut programs = 0;
    for program in fs::read_dir(package.join("src/bin")).unwrap() {
        let path = program.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let about_it = said.iter().filter(|message| message["target"]["name"] == name);
        let text: String = about_it.filter_map(|message| message["message"]["rendered"].as_str()).collect();
        let source = fs::read_to_string(&path).unwrap();
        let expected: Vec<&str> = source.lines().filter_map(|line| line.strip_prefix("//@ ")).collect();
        assert!(!expected.is_empty(), "{name} names nothing");
        for line in expected {
            assert!(text.contains(line), "{name}: `{line}` is not in\n{text}");
        }
        programs += 1;
    }
    assert!(programs >= 14);
}
