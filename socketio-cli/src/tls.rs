//! TLS settings of the command line: another certificate authority.

use std::fs;

use engineio::client::Tls;

/// Settings that trust the certificates of a PEM file, in place of those of the operating system.
pub(crate) fn trusting(file: &str) -> Result<Tls, String> {
    let pem = fs::read(file).map_err(|error| error.to_string())?;
    Tls::trusting(pem).map_err(|error| error.to_string())
}
