//! Mistakes that people make in configuration files: each error names the file, the line, the setting, the
//! values that it accepts, and the one that was probably meant.

use super::tests::{errors, file};
use super::*;

/// Asserts that a file causes exactly these errors, each given without the path of the file.
fn assert_errors(text: &str, expected: &[&str]) {
    for (extension, text) in [(".toml", text.to_owned()), (".json", as_json(text))] {
        let path = file(extension, &text);
        let sources = Sources { file: Some(path.to_path_buf()), ..Sources::default() };
        let expected: Vec<String> =
            expected.iter().map(|error| format!("{}:{error}", path.display())).collect();
        assert_eq!(errors(&sources), expected, "{text}");
    }
}

/// The same settings as JSON, with each setting in its line.
fn as_json(text: &str) -> String {
    let mut json = "{".to_owned();
    let mut section_is_open = false;
    for (number, line) in text.lines().enumerate() {
        let line = match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            Some(section) => {
                let before = if section_is_open { "}, " } else { "" };
                section_is_open = true;
                format!("{before}\"{section}\": {{")
            }
            None => {
                let (key, value) = line.split_once(" = ").unwrap();
                let is_first = number == 0 || json.ends_with("{\n");
                format!("{}\"{key}\": {value}", if is_first { "" } else { ", " })
            }
        };
        json.push_str(&line);
        json.push('\n');
    }
    json + if section_is_open { "}}" } else { "}" }
}

#[test]
fn an_unknown_log_level() {
    assert_errors(
        "[log]\nlevel = \"verbose\"",
        &[
            "2: log.level: \"verbose\" is unknown: error, warn, info, debug or trace is expected, or directives such as info,engineio=debug",
        ],
    );
    assert_errors(
        "[log]\nlevel = \"warning\"",
        &[
            "2: log.level: \"warning\" is unknown: error, warn, info, debug or trace is expected, or directives such as info,engineio=debug; did you mean warn?",
        ],
    );
}

#[test]
fn origins_that_no_page_has() {
    assert_errors(
        "[origins]\nallowed = [\"example.com\", \"https://example.org/\", \"https://example.net\"]",
        &[
            "2: origins.allowed: \"example.com\" matches no page: an origin is scheme, host and port; did you mean https://example.com?",
            "2: origins.allowed: \"https://example.org/\" matches no page: an origin is scheme, host and port; did you mean https://example.org?",
        ],
    );
}

#[test]
fn host_names_in_place_of_addresses() {
    let path = file(".toml", "[server]\nhost = \"localhost\"");
    let sources = Sources { file: Some(path.to_path_buf()), ..Sources::default() };
    assert_eq!(sources.load().unwrap().server.host.to_string(), "127.0.0.1");
    assert_errors(
        "[server]\nhost = \"example.com\"",
        &[
            "2: server.host: an IP address is expected: 127.0.0.1 is reachable from this machine, 0.0.0.0 or :: from others too",
        ],
    );
}

#[test]
fn numbers_out_of_range_and_in_quotes() {
    for value in ["90000", "-1", "1.5", "[1]", "true", "\"many\""] {
        let text = format!("[server]\nport = {value}");
        assert_errors(&text, &["2: server.port: a whole number from 0 to 65535 is expected"]);
    }
    assert_errors(
        "[server]\nport = \"9000\"\nmax_sessions = \"10,000\"",
        &[
            "3: server.max_sessions: a whole number is expected; did you mean 10000, without quotes?",
            "2: server.port: a whole number from 0 to 65535 is expected; did you mean 9000, without quotes?",
        ],
    );
}

#[test]
fn switches_in_quotes() {
    assert_errors(
        "[events]\nrelay = \"no\"\njoin = 1",
        &[
            "3: events.join: true or false is expected",
            "2: events.relay: true or false is expected; did you mean false, without quotes?",
        ],
    );
}

#[test]
fn a_single_text_in_place_of_a_list() {
    assert_errors(
        "[origins]\nallowed = \"https://example.com\"",
        &["2: origins.allowed: a list of texts is expected; did you mean [\"https://example.com\"]?"],
    );
    // The value is a secret.
    assert_errors("[api]\nkeys = \"a key of 16 bytes\"", &["2: api.keys: a list of texts is expected"]);
}

#[test]
fn an_unknown_algorithm() {
    assert_errors(
        "[auth]\njwt_method = \"HS265\"",
        &[
            "2: auth.jwt_method: \"HS265\" is unknown: HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA is expected; did you mean HS256?",
        ],
    );
    assert_errors(
        "[auth]\njwt_method = \"eddsa\"",
        &[
            "2: auth.jwt_method: \"eddsa\" is unknown: HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA is expected; did you mean EdDSA?",
        ],
    );
}

#[test]
fn each_wrong_namespace_is_named() {
    assert_errors(
        "[server]\nnamespaces = [\"/\", \"chat\", \"/x/{y\"]",
        &[
            "2: server.namespaces: \"chat\": a name begins with a slash; did you mean /chat?",
            "2: server.namespaces: /x/{y: unbalanced braces in a namespace pattern",
        ],
    );
}

#[test]
fn a_setting_without_its_section() {
    assert_errors("port = 9000", &["1: unknown setting port; did you mean server.port?"]);
}

#[test]
fn a_choice_with_a_typing_error() {
    assert_errors(
        "[log]\nformat = \"jsn\"",
        &["2: log.format: human or json is expected; did you mean json?"],
    );
    assert_errors(
        "[webhooks]\ncalls = [\"connct\"]",
        &["2: webhooks.calls: connect, event or disconnect is expected"],
    );
}

#[test]
fn all_mistakes_of_a_file_are_reported_together() {
    assert_errors(
        "[server]\nprot = 1\nport = \"x\"\npath = \"x\"\n[limits]\nburst_seconds = 0",
        &[
            "2: unknown setting server.prot; did you mean server.port?",
            "3: server.port: a whole number from 0 to 65535 is expected",
            "4: server.path: a path such as /socket.io is expected",
            "6: limits.burst_seconds: more than 0 is expected",
        ],
    );
}

/// A rejected setting must not cause a second error about another one.
#[test]
fn a_rejected_setting_causes_one_error() {
    assert_errors("[tls]\ncertificate = \"a.pem\"\nkey = 5", &["3: tls.key: a text in quotes is expected"]);
    assert_errors(
        "[auth]\nanonymous = false\njwt_key = 5",
        &["3: auth.jwt_key: a text in quotes is expected"],
    );
}

#[test]
fn values_of_the_environment_and_the_command_line_are_named_by_their_source() {
    let pairs = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let sources = Sources {
        environment: pairs("GATEWAY_SERVER_PORT", "x"),
        flags: pairs("log.level", "verbose"),
        ..Sources::default()
    };
    let errors = errors(&sources);
    assert_eq!(errors[0], "GATEWAY_SERVER_PORT: server.port: a whole number from 0 to 65535 is expected");
    assert!(errors[1].starts_with("the command line: log.level: \"verbose\" is unknown"), "{errors:?}");
}
