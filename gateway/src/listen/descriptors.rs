//! Detection of exhausted file descriptors. It logs once when they have run out, and once when some are
//! available again.

use std::time::Instant;

use engineio::Descriptors;
use engineio::sync::Mutex;

use crate::log::limit::LogLimits;

/// State of the file descriptors, as the ports report it.
#[derive(Debug, Default)]
pub(crate) struct DescriptorState {
    state: Mutex<State>,
    log: LogLimits,
}

#[derive(Debug, Default)]
struct State {
    /// Number of ports that have no descriptors left.
    ports: usize,
    /// Whether the exhaustion was logged.
    logged: bool,
}

impl DescriptorState {
    /// Whether descriptors have run out on any port.
    pub(crate) fn have_run_out(&self) -> bool {
        self.state().ports > 0
    }

    /// Records a report of a port.
    pub(crate) fn note(&self, descriptors: Descriptors) {
        let mut state = self.state();
        match descriptors {
            Descriptors::RanOut => {
                state.ports += 1;
                if state.ports == 1 {
                    if let Some(suppressed) = self.log.admits("descriptors", Instant::now()) {
                        state.logged = true;
                        tracing::warn!(suppressed, "file descriptors have run out: new clients are refused");
                    }
                }
            }
            _ => {
                state.ports = state.ports.saturating_sub(1);
                if state.ports == 0 && std::mem::take(&mut state.logged) {
                    tracing::info!("file descriptors are available again");
                }
            }
        }
    }

    /// Locks the state. No change can be interrupted, so a poisoned lock is still consistent.
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_available_when_every_port_has_some() {
        let state = DescriptorState::default();
        for (noted, expected) in [
            (Descriptors::RanOut, true),
            (Descriptors::RanOut, true),
            (Descriptors::Back, true),
            (Descriptors::Back, false),
            (Descriptors::RanOut, true),
        ] {
            state.note(noted);
            assert_eq!(state.have_run_out(), expected);
        }
    }
}
