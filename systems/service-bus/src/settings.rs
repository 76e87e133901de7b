//! Settings of the program: those of the gateway, and the sections `bus` and `services` of the same file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};
use socketio_gateway::Config;
use socketio_gateway::config::load::{LoadError, Sources};

use crate::bus::{BusOptions, Users};
use crate::kept::KeepOptions;
use crate::services::ServiceKeys;

/// Sections of the file that belong to the bus.
const SECTIONS: [&str; 2] = ["bus", "services"];
/// Variables of the environment besides `GATEWAY_…`.
const VARIABLES: [&str; 8] = [
    "SOCKET_IO_PORT",
    "SOCKET_IO_HOST",
    "LOG_LEVEL",
    "LOG_FORMAT",
    "CORS_ORIGIN",
    "BUS_KEY",
    "USERS",
    "ALLOWED_HOSTS",
];
/// Minimum length of a key in the file, in bytes. Shorter keys can be guessed.
const MIN_KEY: usize = 16;

/// The settings of a bus.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Settings {
    /// The settings of the gateway.
    pub gateway: Config,
    /// The options of the bus.
    pub bus: BusOptions,
}

/// Errors of the settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The settings of the gateway are invalid.
    #[error("{}", joined(.0))]
    Gateway(Vec<LoadError>),
    /// A setting of the bus is invalid. Its value is not shown, because it may be a key.
    #[error("{0}: {1}")]
    Bus(String, String),
}

fn joined(errors: &[LoadError]) -> String {
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    errors.join("\n")
}

/// The section `bus`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct BusSection {
    keys: Vec<String>,
    users: Option<Users>,
    service_claim: String,
    allowed_hosts: Vec<String>,
    keep_events: Option<usize>,
    keep_bytes: Option<usize>,
    keep_ms: Option<u64>,
    keep_subscriptions: Option<usize>,
    keep_file: Option<PathBuf>,
}

/// A section of a service.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceSection {
    key: Option<String>,
    #[serde(default)]
    keys: Vec<String>,
}

impl Settings {
    /// Loads the settings from these sources. Variables of the environment take precedence over the file: those of the
    /// gateway, and `BUS_KEY`, `USERS`, `SOCKET_IO_HOST` and `ALLOWED_HOSTS`.
    pub fn load(sources: &Sources) -> Result<Self, SettingsError> {
        let mut sources = sources.clone();
        prepare(&mut sources);
        let (gateway, own) = sources.load_with(&SECTIONS).map_err(SettingsError::Gateway)?;
        let mut bus: BusSection = section(&own, "bus")?.unwrap_or_default();
        keys_are_long("bus.keys", &bus.keys)?;
        let of_service = services(&own)?;
        if let Some((_, key)) = sources.environment.iter().find(|(name, _)| name == "BUS_KEY") {
            if key.is_empty() {
                return Err(invalid("BUS_KEY", "an empty secret gives no protection"));
            }
            bus.keys = vec![key.clone()];
        }
        let keep = keep(&bus);
        let keys = ServiceKeys { shared: bus.keys, of_service };
        let users = match variable(&sources, "USERS").as_deref() {
            Some("believed") => Users::Believed,
            Some("unknown") => Users::Unknown,
            Some(_) => return Err(invalid("USERS", "believed or unknown is expected")),
            None => bus.users.unwrap_or(if keys.is_empty() { Users::Believed } else { Users::Unknown }),
        };
        if let Some(hosts) = variable(&sources, "ALLOWED_HOSTS") {
            let hosts = hosts.split(',').map(str::trim).filter(|host| !host.is_empty());
            bus.allowed_hosts = hosts.map(str::to_owned).collect();
        }
        let BusSection { service_claim, allowed_hosts, .. } = bus;
        Ok(Self { gateway, bus: BusOptions { keys, service_claim, users, allowed_hosts, keep } })
    }
}

/// Leaves the variables of the bus, in the form that the gateway expects. It reads `PORT` too, which is often that of
/// another program.
fn prepare(sources: &mut Sources) {
    // An empty variable counts as not set, except that of a key.
    sources.environment.retain(|(name, value)| {
        let is_known = name.starts_with("GATEWAY_") || VARIABLES.contains(&name.as_str());
        is_known && (!value.is_empty() || name == "BUS_KEY")
    });
    for (own, setting) in [("SOCKET_IO_HOST", "GATEWAY_SERVER_HOST"), ("LOG_FORMAT", "GATEWAY_LOG_FORMAT")] {
        if let (Some(value), None) = (variable(sources, own), variable(sources, setting)) {
            sources.environment.push((setting.to_owned(), value));
        }
    }
    for (_, level) in sources.environment.iter_mut().filter(|(name, _)| name == "LOG_LEVEL") {
        // Names of Python's log levels.
        match level.to_ascii_uppercase().as_str() {
            "CRITICAL" => "error".clone_into(level),
            "WARNING" => "warn".clone_into(level),
            _ => {}
        }
    }
}

fn keep(bus: &BusSection) -> KeepOptions {
    let default = KeepOptions::default();
    KeepOptions {
        events: bus.keep_events.unwrap_or(default.events),
        bytes: bus.keep_bytes.unwrap_or(default.bytes),
        time: bus.keep_ms.map_or(default.time, Duration::from_millis),
        subscriptions: bus.keep_subscriptions.unwrap_or(default.subscriptions),
        file: bus.keep_file.clone().filter(|path| !path.as_os_str().is_empty()),
    }
}

fn variable(sources: &Sources, name: &str) -> Option<String> {
    let found = sources.environment.iter().find(|(known, value)| known == name && !value.is_empty());
    found.map(|(_, value)| value.clone())
}

fn services(own: &Map<String, Value>) -> Result<BTreeMap<String, Vec<String>>, SettingsError> {
    let sections: BTreeMap<String, Value> = section(own, "services")?.unwrap_or_default();
    let mut of_service = BTreeMap::new();
    for (name, settings) in sections {
        let place = format!("services.{name}");
        let ServiceSection { key, mut keys } = read(&place, settings)?;
        keys.extend(key);
        if keys.is_empty() {
            return Err(invalid(&place, "key or keys is expected"));
        }
        keys_are_long(&place, &keys)?;
        of_service.insert(name, keys);
    }
    Ok(of_service)
}

fn keys_are_long(place: &str, keys: &[String]) -> Result<(), SettingsError> {
    if keys.iter().all(|key| key.len() >= MIN_KEY) {
        return Ok(());
    }
    Err(invalid(place, &format!("a key has at least {MIN_KEY} bytes")))
}

fn section<T: for<'a> Deserialize<'a>>(
    own: &Map<String, Value>,
    name: &str,
) -> Result<Option<T>, SettingsError> {
    own.get(name).map(|settings| read(name, settings.clone())).transpose()
}

/// Deserializes a section. The error of a wrong type would show the value.
fn read<T: for<'a> Deserialize<'a>>(place: &str, settings: Value) -> Result<T, SettingsError> {
    serde_json::from_value(settings).map_err(|error| {
        let error = error.to_string();
        let is_name = error.starts_with("unknown field") || error.starts_with("unknown variant");
        invalid(place, if is_name { &error } else { "a table with its settings is expected" })
    })
}

fn invalid(place: &str, expected: &str) -> SettingsError {
    SettingsError::Bus(place.to_owned(), expected.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, environment: &[(&str, &str)]) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bus.toml");
        std::fs::write(&path, file).unwrap();
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let sources = Sources { file: Some(path), environment: environment.collect(), ..Sources::default() };
        Settings::load(&sources).map_err(|error| error.to_string())
    }

    #[test]
    fn the_file_has_sections_of_the_gateway_and_of_the_bus() {
        let file = "[server]\nport = 8123\n[bus]\nservice_claim = \"service\"\nkeys = [\"a shared key of services\"]\n\
            [services.chat]\nkey = \"the key of the chat\"\n[services.mail]\nkeys = [\"the new key of mail\", \"the old key of mail\"]\n";
        let settings = load(file, &[("LOG_LEVEL", "DEBUG"), ("ALLOWED_HOSTS", "a.test, b.test")]).unwrap();
        assert_eq!((settings.gateway.server.port, settings.gateway.log.level.as_str()), (8123, "debug"));
        let bus = settings.bus;
        assert_eq!((bus.service_claim.as_str(), bus.users), ("service", Users::Unknown));
        assert_eq!(bus.keys.shared, ["a shared key of services"]);
        assert_eq!(bus.keys.of_service["mail"], ["the new key of mail", "the old key of mail"]);
        assert_eq!(bus.allowed_hosts, ["a.test", "b.test"]);
        assert!(!format!("{:?}", bus.keys).contains("key of"), "keys are secrets");
    }

    #[test]
    fn the_variables_take_precedence() {
        let file = "[server]\nport = 8123\n[bus]\nusers = \"unknown\"\n";
        let settings = load(
            file,
            &[
                ("SOCKET_IO_PORT", "9"),
                ("SOCKET_IO_HOST", "0.0.0.0"),
                ("BUS_KEY", "short"),
                ("USERS", "believed"),
            ],
        );
        let settings = settings.unwrap();
        assert_eq!(settings.gateway.server.port, 9);
        assert!(settings.gateway.server.host.is_unspecified());
        assert_eq!(
            (settings.bus.keys.shared, settings.bus.users),
            (vec!["short".to_owned()], Users::Believed)
        );
        assert_eq!(load("", &[]).unwrap().bus.users, Users::Believed);
    }

    #[test]
    fn invalid_settings_are_named_without_their_values() {
        for (file, environment, named) in [
            ("[bus]\nkey = 1\n", ("X", "x"), "bus: unknown field `key`"),
            ("[bus]\nusers = \"some\"\n", ("X", "x"), "bus: unknown variant `some`"),
            ("bus = \"sesame\"\n", ("X", "x"), "bus: a table"),
            ("[services]\nchat = \"sesame\"\n", ("X", "x"), "services.chat: a table"),
            ("[services.chat]\n", ("X", "x"), "services.chat: key or keys"),
            ("[services.chat]\nkey = \"sesame\"\n", ("X", "x"), "services.chat: a key has at least 16"),
            ("[bus]\nkeys = [\"sesame\"]\n", ("X", "x"), "bus.keys: a key has at least 16"),
            ("", ("BUS_KEY", ""), "BUS_KEY: an empty"),
            ("", ("USERS", "sesame"), "USERS: believed or unknown"),
            ("[sever]\n", ("X", "x"), "sever"),
        ] {
            let error = load(file, &[environment]).unwrap_err();
            assert!(error.contains(named) && !error.contains("sesame"), "{error}");
        }
    }
}
