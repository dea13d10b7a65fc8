//! One process serves from an SQLite file at a time: used proofs, and who waits for changes, are known to each process alone.

use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use crate::error::{Error, Result};

/// Held while this process serves; the system lets go of it however the process ends.
#[derive(Debug)]
pub struct Alone {
    _lock: File,
}

impl Alone {
    /// Takes the place beside the database `file`. A file of its own is locked, for SQLite locks the database itself.
    ///
    /// # Errors
    /// When another process has it, or the file cannot be made.
    pub fn with(file: &Path) -> Result<Self> {
        let mut name = file.as_os_str().to_owned();
        name.push("-serving");
        let path = Path::new(&name);
        let failed = |error: std::io::Error| Error::Internal(format!("{}: {error}", path.display()));
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::Internal(format!(
                "another hub serves from {} already; several can share a PostgreSQL database",
                file.display()
            ))),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_refused_until_the_first_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hub.db");
        let first = Alone::with(&file).unwrap();
        assert!(Alone::with(&file).unwrap_err().to_string().contains("another hub"));
        drop(first);
        Alone::with(&file).unwrap();
    }
}
