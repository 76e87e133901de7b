//! Settings from the environment.

use std::str::FromStr;

/// Invalid value of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingError {
    /// A number was expected.
    #[error("{name}: {value:?} is not a number that fits")]
    Number {
        /// The name of the variable.
        name: &'static str,
        /// The value of the variable.
        value: String,
    },
    /// Another value was expected.
    #[error("{name}: {value:?} is invalid; {expected} is expected")]
    Invalid {
        /// The name of the variable.
        name: &'static str,
        /// The value of the variable.
        value: String,
        /// The expected values.
        expected: String,
    },
    /// A secret was expected.
    #[error("{0}: an empty secret gives no protection")]
    Empty(&'static str),
}

/// The value of a variable. An empty variable counts as not set.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A secret, if the variable is set. An empty secret is an error, since it is most likely a mistake.
pub fn secret(name: &'static str) -> Result<Option<String>, SettingError> {
    match std::env::var(name) {
        Ok(secret) if secret.is_empty() => Err(SettingError::Empty(name)),
        Ok(secret) => Ok(Some(secret)),
        Err(_) => Ok(None),
    }
}

/// A number, or the default if the variable is not set.
pub fn parsed<T: FromStr>(name: &'static str, default: T) -> Result<T, SettingError> {
    read(name, variable(name), default)
}

fn read<T: FromStr>(name: &'static str, value: Option<String>, default: T) -> Result<T, SettingError> {
    match value {
        Some(value) => value.trim().parse().map_err(|_| SettingError::Number { name, value }),
        None => Ok(default),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_numbers_are_reported() {
        assert_eq!(read("PORT", None, 3000), Ok(3000));
        assert_eq!(read("PORT", Some(" 80 ".to_owned()), 3000), Ok(80));
        let error = read::<u16>("PORT", Some("65536".to_owned()), 3000).unwrap_err();
        assert_eq!(error.to_string(), "PORT: \"65536\" is not a number that fits");
    }
}
