use std::io::Write as _;

use super::super::Secret;
use super::*;

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(super) fn file(extension: &str, text: &str) -> tempfile::TempPath {
    let mut file = tempfile::Builder::new().suffix(extension).tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.into_temp_path()
}

pub(super) fn errors(sources: &Sources) -> Vec<String> {
    sources.load().unwrap_err().iter().map(LoadError::to_string).collect()
}

#[test]
fn later_sources_override_earlier_ones() {
    for (extension, text) in [
        (".toml", "[server]\nport = 1\nhost = \"0.0.0.0\"\n[log]\nlevel = \"warn\"\n"),
        (".json", r#"{"server":{"port":1,"host":"0.0.0.0"},"log":{"level":"warn"}}"#),
    ] {
        let path = file(extension, text);
        let mut sources = Sources { file: Some(path.to_path_buf()), ..Sources::default() };
        let config = sources.load().unwrap();
        assert_eq!((config.server.port, config.log.level.as_str()), (1, "warn"));
        assert_eq!(config.server.path, "/socket.io", "settings that the file omits have their defaults");
        sources.environment = pairs(&[("SOCKET_IO_PORT", "2"), ("LOG_LEVEL", "DEBUG"), ("HOME", "/")]);
        let config = sources.load().unwrap();
        assert_eq!((config.server.port, config.log.level.as_str()), (2, "debug"));
        sources.environment.extend(pairs(&[("GATEWAY_SERVER_PORT", "3")]));
        assert_eq!(sources.load().unwrap().server.port, 3);
        sources.flags = pairs(&[("server.port", "4"), ("origins.allowed", "https://a.test, https://b.test")]);
        let config = sources.load().unwrap();
        assert_eq!(config.server.port, 4);
        assert_eq!(config.origins.allowed, ["https://a.test", "https://b.test"]);
        assert_eq!(config.server.host.to_string(), "0.0.0.0");
    }
}

#[test]
fn every_unknown_key_is_reported_with_a_suggestion() {
    let path = file(".toml", "[server]\nprot = 1\n[orgins]\nallowed = []\n[xyz]\n");
    let sources = Sources {
        file: Some(path.to_path_buf()),
        environment: pairs(&[("GATEWAY_SERVER_PROT", "1")]),
        flags: pairs(&[("log.levl", "x"), ("port", "1")]),
    };
    let at = path.display();
    assert_eq!(
        errors(&sources),
        [
            format!("{at}:3: unknown setting orgins; did you mean origins?"),
            format!("{at}:2: unknown setting server.prot; did you mean server.port?"),
            format!("{at}:5: unknown setting xyz"),
            "the environment: unknown setting GATEWAY_SERVER_PROT; did you mean GATEWAY_SERVER_PORT?"
                .to_owned(),
            "the command line: unknown setting log.levl; did you mean log.level?".to_owned(),
            "the command line: unknown setting port; did you mean server.port?".to_owned(),
        ]
    );
}

#[test]
fn a_list_is_rejected_in_place_of_a_table() {
    let path = file(".json", r#"{"server": ["0.0.0.0", 1], "log": []}"#);
    let sources = Sources { file: Some(path.to_path_buf()), ..Sources::default() };
    let at = path.display();
    assert_eq!(
        errors(&sources),
        [format!("{at}:1: log: a table is expected"), format!("{at}:1: server: a table is expected")]
    );
}

#[test]
fn invalid_values_are_reported_by_name() {
    let of = |flags: &[(&str, &str)]| {
        let sources = Sources { flags: pairs(flags), ..Sources::default() };
        let errors = sources.load().err().unwrap_or_default();
        errors.iter().map(LoadError::to_string).collect::<Vec<_>>()
    };
    let port = "the command line: server.port: a whole number from 0 to 65535 is expected";
    assert_eq!(of(&[("server.port", "x")]), [port]);
    assert_eq!(of(&[("server.port", "70000")]), [port]);
    assert_eq!(of(&[("log.format", "xml")]), ["the command line: log.format: human or json is expected"]);
    assert_eq!(
        of(&[("server.path", "x")]),
        ["the command line: server.path: a path such as /socket.io is expected"]
    );
    assert_eq!(
        of(&[("transport.ping_timeout_ms", "0")]),
        ["the command line: transport.ping_timeout_ms: more than 0 is expected"]
    );
    assert!(of(&[("api.keys", "too short")])[0].contains(": api.keys: keys of at least 16 bytes"));
    assert_eq!(
        of(&[("server.namespaces", "/gateway")]),
        ["the command line: server.namespaces: /gateway is reserved for the gateway"]
    );
    for address in ["", "0.0.0.0:9000", "192.0.2.1:9000", "[::]:9000"] {
        assert_eq!(
            of(&[("internal.address", address), ("internal.allow_without_key", "true")]),
            [
                "the command line: internal.allow_without_key: requires a loopback internal.address, such as 127.0.0.1:9000"
            ],
            "{address}"
        );
    }
    for address in ["127.0.0.1:9000", "[::1]:9000"] {
        let flags = [("internal.address", address), ("internal.allow_without_key", "true")];
        assert_eq!(of(&flags), [""; 0], "{address}");
    }
    let both = of(&[("origins.allowed", "*"), ("origins.credentials", "yes")]);
    assert!(both[0].starts_with("the command line: origins.credentials: not possible"));
    let webhooks = [
        ("webhooks.url", "http://localhost/"),
        ("webhooks.secrets", "too short"),
        ("webhooks.connect_ms", "10000"),
        ("webhooks.failures", "0"),
    ];
    assert_eq!(of(&webhooks[1..]), [""; 0], "without a backend the section is not checked");
    assert_eq!(
        of(&webhooks),
        [
            "the command line: webhooks.secrets: at least 16 bytes are expected, such as `openssl rand -hex 32` prints",
            "the command line: webhooks.failures: more than 0 is expected",
            "the command line: webhooks.connect_ms: less than transport.connect_timeout_ms is expected",
        ]
    );
    let path = file(".toml", "[server\n");
    let broken = Sources { file: Some(path.to_path_buf()), ..Sources::default() };
    assert!(errors(&broken)[0].contains("TOML parse error at line 1"));
}

/// Neither the printed configuration nor an error shows a key.
#[test]
fn keys_are_not_shown() {
    let secret = "6 unguessable words";
    let session_secret = format!("{secret} more");
    let mut flags = ["api.keys", "auth.jwt_key", "webhooks.secrets"].map(|key| (key, secret)).to_vec();
    flags.push(("auth.session_secret", &session_secret));
    let sources = Sources { flags: pairs(&flags), environment: pairs(&[("X", secret)]), file: None };
    let config = sources.load().unwrap();
    assert_eq!([&config.api.keys[0], &config.auth.jwt_key].map(Secret::expose), [secret, secret]);
    let mut shown = vec![
        format!("{sources:?}"),
        format!("{config:?}"),
        toml::to_string(&config).unwrap(),
        serde_json::to_string(&config).unwrap(),
    ];
    for text in [
        format!("[api]\nkeys = \"{secret}\"\n"),
        format!("[api]\nkeys = [[\"{secret}\"]]\n"),
        format!("[auth]\njwt_key = [\"{secret}\"]\n"),
        format!("[auth]\nsession_secret = {{ a = \"{secret}\" }}\n"),
        format!("[auth]\nsession_secret = \"{secret}\n"),
        format!("[auth]\nsession_secret = {secret}\n"),
    ] {
        let path = file(".toml", &text);
        shown.extend(errors(&Sources { file: Some(path.to_path_buf()), ..Sources::default() }));
    }
    assert_eq!(shown.len(), 10);
    for text in shown {
        assert!(!text.contains("unguessable"), "{text}");
    }
}

/// The output of `gen-config` contains every setting, with its default value.
#[test]
fn the_sample_file_has_all_settings_and_their_defaults() {
    let sample: toml::Table = toml::from_str(crate::SAMPLE_CONFIG).unwrap();
    let sample = serde_json::to_value(sample).unwrap();
    let read: Config = serde_json::from_value(sample.clone()).unwrap();
    assert_eq!(read, Config::default());
    let template = template();
    assert_eq!(keys::unknown(&template, sample.as_object().unwrap()), []);
    for name in keys::all(&template) {
        let (section, key) = name.split_once('.').unwrap();
        let optional = template[section][key].is_null();
        let shown = sample[section].get(key).is_some()
            || optional && crate::SAMPLE_CONFIG.contains(&format!("\n# {key} ="));
        assert!(shown, "{name} is missing");
    }
}

/// The section was named `hooks` before.
#[test]
fn settings_of_hooks_suggest_the_section_webhooks() {
    let template = template();
    let path = file(".toml", "[hooks]\nurl = \"http://127.0.0.1:9000/\"\n");
    let sources = Sources { file: Some(path.to_path_buf()), ..Sources::default() };
    let unknown = format!("{}:1: unknown setting hooks; did you mean webhooks?", path.display());
    assert_eq!(errors(&sources), [unknown]);
    for name in keys::all(&template).iter().filter(|name| name.starts_with("webhooks.")) {
        let before = name.replace("webhooks", "hooks");
        let variable = |name: &str| format!("GATEWAY_{}", name.replace('.', "_").to_uppercase());
        let sources = Sources {
            environment: pairs(&[(&variable(&before), "1")]),
            flags: pairs(&[(&before, "1")]),
            ..Sources::default()
        };
        assert_eq!(
            errors(&sources),
            [
                format!(
                    "the environment: unknown setting {}; did you mean {}?",
                    variable(&before),
                    variable(name)
                ),
                format!("the command line: unknown setting {before}; did you mean {name}?"),
            ]
        );
    }
}

#[test]
fn an_embedding_program_has_sections_of_its_own() {
    let path = file(".toml", "[server]\nport = 1\n[bus]\nkeys = [\"a\"]\n[other]\n");
    let sources = Sources { file: Some(path.to_path_buf()), ..Sources::default() };
    let (config, own) = sources.load_with(&["bus", "other", "missing"]).unwrap();
    assert_eq!((config.server.port, own["bus"]["keys"][0].as_str()), (1, Some("a")));
    assert_eq!(own.len(), 2);
    let unknown = sources.load_with(&["bus"]).unwrap_err();
    assert!(unknown[0].to_string().contains("other"), "{unknown:?}");
}
