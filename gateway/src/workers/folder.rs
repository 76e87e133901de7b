//! The private folder with the sockets by which workers share their sessions.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Limit of the length of a socket's path, in bytes: 108 with the final zero on Linux, 104 on other systems.
const MAX_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };
/// Longest name of a socket, with the separator.
const LONGEST: usize = "/63.1.sock".len();

/// A folder for the user of this process alone. It is removed with everything in it on drop. A supervisor that was killed
/// leaves it; the name is random, so that it does not collide with the next one.
#[derive(Debug)]
pub(super) struct Folder(String);

impl Folder {
    /// Creates the folder in `XDG_RUNTIME_DIR`, or else in the folder for temporary files.
    pub(super) fn create() -> io::Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let created = runtime.filter(|path| path.is_absolute()).map(|path| Self::create_in(&path));
        match created {
            Some(Ok(folder)) => Ok(folder),
            _ => Self::create_in(&std::env::temp_dir()),
        }
    }

    fn create_in(parent: &Path) -> io::Result<Self> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        let path = parent.join(format!("socketio-gateway-{:016x}", u64::from_le_bytes(bytes)));
        let why = |why: &str| io::Error::other(format!("{}: {why}", path.display()));
        let text = path.to_str().ok_or_else(|| why("a path in UTF-8 is needed"))?.to_owned();
        if text.len() + LONGEST > MAX_PATH {
            return Err(why("the path is too long for a Unix socket; TMPDIR can name a shorter one"));
        }
        std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(|error| why(&error.to_string()))?;
        Ok(Self(text))
    }

    /// The folder.
    pub(super) fn path(&self) -> &str {
        &self.0
    }

    /// Path of the socket of the broker.
    pub(super) fn broker(&self) -> String {
        format!("{}/b.sock", self.0)
    }

    /// Path of the socket of a worker.
    pub(super) fn socket(&self, slot: usize, generation: u8) -> String {
        format!("{}/{slot}.{generation}.sock", self.0)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_folder_is_private_and_removed() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::create_in(parent.path()).unwrap();
        let mode = std::fs::metadata(folder.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let other = Folder::create_in(parent.path()).unwrap();
        assert_ne!(folder.path(), other.path());
        assert_eq!(folder.socket(63, 1).len(), folder.path().len() + LONGEST);
        std::fs::write(folder.socket(63, 1), "").unwrap();
        drop((folder, other));
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_path_that_is_too_long_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        // With the name of the folder, and of a socket.
        let own = "/socketio-gateway-0123456789abcdef".len() + LONGEST;
        let fill = MAX_PATH - own - parent.path().as_os_str().len() - 1;
        let [fits, long] = [fill, fill + 1].map(|length| parent.path().join("x".repeat(length)));
        for path in [&fits, &long] {
            std::fs::create_dir(path).unwrap();
        }
        let folder = Folder::create_in(&fits).unwrap();
        assert_eq!(folder.socket(63, 1).len(), MAX_PATH);
        let error = Folder::create_in(&long).unwrap_err().to_string();
        assert!(error.contains("too long"), "{error}");
    }
}
