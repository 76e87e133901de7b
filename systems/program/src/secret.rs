//! Secrets that somebody brings.

use subtle::ConstantTimeEq;

/// Whether two secrets are the same. How long it takes says nothing of where they differ.
pub fn is_same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_is_the_same() {
        assert!(is_same("sesame", "sesame") && is_same("", ""));
        for other in ["", "sesam", "sesamE", "sesame "] {
            assert!(!is_same("sesame", other), "{other}");
        }
    }
}
