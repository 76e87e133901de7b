//! Parsing of the command line.

use std::collections::HashMap;
use std::str::FromStr;

use crate::failure::Failure;

/// Names and values: `--name value`.
pub struct Arguments(HashMap<String, String>);

impl Arguments {
    /// The scenario, and the rest.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<(String, Self), Failure> {
        let scenario = words.next().ok_or_else(|| Failure("name a scenario".to_owned()))?;
        let mut values = HashMap::new();
        while let Some(word) = words.next() {
            let (Some(name), Some(value)) = (word.strip_prefix("--"), words.next()) else {
                return Err(Failure(format!("{word}: a name and a value belong together")));
            };
            values.insert(name.to_owned(), value);
        }
        Ok((scenario, Self(values)))
    }

    /// The value of `name`, or the default.
    pub fn value<T: FromStr>(&self, name: &str, default: T) -> Result<T, Failure> {
        match self.0.get(name) {
            Some(value) => value.parse().map_err(|_| Failure(format!("--{name} cannot be {value}"))),
            None => Ok(default),
        }
    }
}
