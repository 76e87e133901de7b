//! Reports of sentinels about the master.

use redis::Value;

use super::super::DriverError;
use super::super::address::Address;

/// Report of one sentinel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) address: Address,
    /// The number of the configuration: a failover makes a higher one.
    pub(super) epoch: u64,
}

impl Report {
    /// Reads the reply to SENTINEL MASTER.
    pub(super) fn read(reply: Value) -> Result<Self, DriverError> {
        let pairs = match reply {
            Value::Map(pairs) => pairs,
            Value::Array(parts) => {
                let mut parts = parts.into_iter();
                std::iter::from_fn(|| parts.next().zip(parts.next())).collect()
            }
            Value::ServerError(error) => return Err(DriverError::new(error)),
            _ => return Err(DriverError::Answer("SENTINEL MASTER")),
        };
        let field = |wanted: &str| {
            pairs.iter().find_map(|(name, value)| match (name, value) {
                (Value::BulkString(name), Value::BulkString(value)) if name == wanted.as_bytes() => {
                    Some(&value[..])
                }
                _ => None,
            })
        };
        let text = |name: &str| std::str::from_utf8(field(name)?).ok();
        let report = || {
            let address = Address::new(field("ip")?, text("port")?.parse().ok()?)?;
            Some(Self { address, epoch: text("config-epoch")?.parse().ok()? })
        };
        report().ok_or(DriverError::Answer("SENTINEL MASTER"))
    }
}

/// The master: what the latest configuration says, and the most sentinels with that one.
pub(super) fn choose(reports: &[Option<Report>]) -> Option<&Address> {
    let reports = reports.iter().flatten();
    let agreeing = |report: &Report| reports.clone().filter(|other| *other == report).count();
    let latest = reports.clone().max_by_key(|report| (report.epoch, agreeing(report)));
    latest.map(|report| &report.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn report(port: u16, epoch: u64) -> Option<Report> {
        Some(Report { address: Address::new(b"h", port).unwrap(), epoch })
    }

    #[test]
    fn the_latest_configuration_names_the_master() {
        let chosen = |reports: &[Option<Report>]| choose(reports).map(|address| address.port);
        assert_eq!(chosen(&[None, None]), None);
        assert_eq!(chosen(&[report(1, 3), None, report(1, 3), report(2, 4)]), Some(2));
        // Sentinels that were set up anew count from zero, and disagree until they have talked.
        assert_eq!(chosen(&[report(1, 0), report(2, 0), report(2, 0)]), Some(2));
    }

    #[test]
    fn answers_of_sentinels_are_read_in_both_forms_and_checked() {
        let answer = |host: &str, port: &str| {
            [("name", "m"), ("ip", host), ("port", port), ("config-epoch", "7")]
                .map(|(name, value)| (text(name), text(value)))
        };
        let map = Value::Map(answer("::1", "6379").to_vec());
        let list = answer("::1", "6379").into_iter().flat_map(|(name, value)| [name, value]).collect();
        for reply in [map, Value::Array(list)] {
            let report = Report::read(reply).unwrap();
            assert_eq!((report.address.host.as_str(), report.address.port, report.epoch), ("::1", 6379, 7));
        }
        let long = "h".repeat(256);
        for (host, port) in [("", "1"), (&long, "1"), ("h", "0"), ("h", "65536"), ("h", "x")] {
            let reply = Value::Map(answer(host, port).to_vec());
            assert!(matches!(Report::read(reply), Err(DriverError::Answer(_))), "{host} {port}");
        }
        for reply in [Value::Nil, Value::Array(vec![text("ip")]), Value::Map(Vec::new())] {
            assert!(matches!(Report::read(reply), Err(DriverError::Answer(_))));
        }
    }
}
