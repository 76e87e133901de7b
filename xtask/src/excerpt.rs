//! Excerpt of a long output for the report of a failure.

use std::collections::VecDeque;
use std::fmt;

/// Number of lines from the end of the output.
const TAIL: usize = 25;
/// Maximum number of lines from the failures that tests print.
const FAILURES: usize = 150;
/// Maximum number of characters per line.
const WIDTH: usize = 300;

/// The failures that tests print in the middle of an output, and its last lines.
#[derive(Debug, Default)]
pub(crate) struct Excerpt {
    failures: Vec<String>,
    tail: VecDeque<String>,
    /// Whether the current line is between the `failures:` line of a test binary and its summary.
    telling: bool,
}

impl Excerpt {
    pub(crate) fn add(&mut self, line: &str) {
        let line: String = line.chars().take(WIDTH).collect();
        self.telling = (self.telling || line == "failures:") && !line.starts_with("test result:");
        if self.telling {
            if self.failures.len() < FAILURES {
                self.failures.push(line);
            }
            return;
        }
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line);
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.failures.iter().chain(&self.tail) {
            writeln!(formatter, "    {line}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Excerpt;

    #[test]
    fn a_failure_in_the_middle_is_kept_beside_the_end() {
        let mut excerpt = Excerpt::default();
        let failure = ["failures:", "", "---- x stdout ----", "it was 2", "", "failures:", "    x", ""];
        for line in ["running 1 test", "test x ... FAILED"].iter().chain(&failure) {
            excerpt.add(line);
        }
        excerpt.add("test result: FAILED.");
        for number in 0..100 {
            excerpt.add(&format!("later {number}"));
        }
        let shown = excerpt.to_string();
        assert!(shown.contains("it was 2"), "{shown}");
        assert!(shown.contains("later 99") && !shown.contains("later 50"), "{shown}");
    }
}
