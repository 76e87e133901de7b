//! Comparison of secrets.

use subtle::ConstantTimeEq;

/// Whether two secrets are equal, in a time that does not depend on the position of a difference.
pub fn is_equal(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_equal_secrets_are_equal() {
        assert!(is_equal("sesame", "sesame") && is_equal("", ""));
        for other in ["", "sesam", "sesamE", "sesame "] {
            assert!(!is_equal("sesame", other), "{other}");
        }
    }
}
