//! The header Date, formatted once a second.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

thread_local! {
    /// The second that was formatted last, and its text.
    static WRITTEN: Cell<(u64, [u8; LEN])> = const { Cell::new((u64::MAX, [b' '; LEN])) };
}

const LEN: usize = "Sun, 06 Nov 1994 08:49:37 GMT".len();

/// Appends the current time in HTTP's format.
pub(super) fn write(out: &mut Vec<u8>) {
    let now = SystemTime::now();
    let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (written, mut text) = WRITTEN.get();
    if written != second {
        for (place, byte) in text.iter_mut().zip(httpdate::fmt_http_date(now).bytes()) {
            *place = byte;
        }
        WRITTEN.set((second, text));
    }
    out.extend_from_slice(&text);
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_date_can_be_read() {
        let mut text = Vec::new();
        super::write(&mut text);
        super::write(&mut text);
        let (first, second) = text.split_at(super::LEN);
        for text in [first, second] {
            let text = std::str::from_utf8(text).unwrap();
            assert!(httpdate::parse_http_date(text).is_ok(), "{text}");
        }
    }
}
