//! The events of a bus that stops, in a file, for its next start.

use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::subscription::Subscription;
use super::{Kept, deliver};
use crate::event::Event;

/// A subscription in the file, before the lines of its events.
#[derive(Serialize, Deserialize)]
struct Head {
    service: String,
    name: String,
    types: Vec<String>,
    dropped: u64,
    events: usize,
}

impl Kept {
    /// Loads the file, and removes it: after a crash its events would be old.
    pub(crate) fn load(&self) -> io::Result<()> {
        let Some(path) = &self.options.file else { return Ok(()) };
        let file = match fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut lines = BufReader::new(file).lines();
        let now = Instant::now();
        let mut by_name = self.by_name.lock();
        while let Some(line) = lines.next() {
            let Head { service, name, types, dropped, events } = serde_json::from_str(&line?)?;
            let events: Vec<Event> = lines
                .by_ref()
                .take(events)
                .map(|line| Ok(serde_json::from_str(&line?)?))
                .collect::<io::Result<_>>()?;
            let restored = Arc::new(Subscription::new(&service, &name, &self.options));
            restored.restore(types, dropped, events, now);
            deliver::start(Arc::clone(&restored));
            by_name.insert((service, name), restored);
        }
        fs::remove_file(path)
    }

    /// Saves all subscriptions.
    pub(crate) fn save(&self) -> io::Result<()> {
        let Some(path) = &self.options.file else { return Ok(()) };
        let part = path.with_extension("part");
        let mut file = BufWriter::new(create(&part)?);
        for subscription in self.of(|_| true) {
            let (types, mut dropped, events) = subscription.content();
            let lines: Vec<String> =
                events.iter().filter_map(|event| serde_json::to_string(&**event).ok()).collect();
            // Events with binary data are no JSON.
            dropped += (events.len() - lines.len()) as u64;
            let (service, name) = (subscription.service.clone(), subscription.name.clone());
            let head = Head { service, name, types, dropped, events: lines.len() };
            writeln!(file, "{}", serde_json::to_string(&head)?)?;
            for line in lines {
                writeln!(file, "{line}")?;
            }
        }
        file.into_inner()?.sync_all()?;
        fs::rename(part, path)
    }
}

/// Creates a file that other users cannot read.
fn create(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
