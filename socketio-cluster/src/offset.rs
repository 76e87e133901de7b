//! Positions of messages in a medium that orders them.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Position of a message in a medium that orders all messages of a cluster, such as a stream. Clients receive
/// the text with each event and return it when they reconnect.
///
/// The number decides about the order; it grows from one message of the medium to the next. The text is the
/// form that clients receive.
#[derive(Clone, Debug)]
pub struct Offset {
    number: u128,
    text: Arc<str>,
}

impl Offset {
    /// The position with this number, in the form that clients receive.
    pub fn new(number: u128, text: impl Into<Arc<str>>) -> Self {
        Self { number, text: text.into() }
    }

    /// The position in the order.
    pub fn number(&self) -> u128 {
        self.number
    }

    /// The form that clients receive.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Offset {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Offset {}

impl PartialOrd for Offset {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Offset {
    fn cmp(&self, other: &Self) -> Ordering {
        self.number.cmp(&other.number)
    }
}

impl Hash for Offset {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_decides_about_the_order() {
        let (nine, ten) = (Offset::new(9, "9-0"), Offset::new(10, "10-0"));
        assert!(nine < ten && nine.as_str() > ten.as_str());
        assert_eq!(ten, Offset::new(10, "the same position"));
        assert_eq!((ten.number(), ten.to_string().as_str()), (10, "10-0"));
    }
}
