//! One process for each profile. Two would use up each other's refresh tokens, which the hub takes for theft.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
};

use crate::file;

/// Holds a profile folder for this process until it is dropped, or the process ends in whatever way.
pub struct ProfileLock {
    file: File,
}

impl Drop for ProfileLock {
    /// Closing is not enough: the lock belongs to the open file, and a child process that is just being started has
    /// that open as well until it becomes its own program.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

impl ProfileLock {
    /// Creates the folder (for its owner only) where it is missing and takes it.
    /// `None` where another process holds it.
    pub fn acquire(folder: &Path) -> std::io::Result<Option<Self>> {
        file::create_private_folder(folder)?;
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_held_once_and_free_again_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let first = ProfileLock::acquire(folder.path()).unwrap();
        assert!(first.is_some());
        assert!(ProfileLock::acquire(folder.path()).unwrap().is_none());
        drop(first);
        assert!(ProfileLock::acquire(folder.path()).unwrap().is_some());
    }

    #[test]
    fn a_copy_in_a_child_process_does_not_keep_the_profile() {
        let folder = tempfile::tempdir().unwrap();
        let held = ProfileLock::acquire(folder.path()).unwrap().unwrap();
        let copy = held.file.try_clone().unwrap();
        drop(held);
        assert!(ProfileLock::acquire(folder.path()).unwrap().is_some());
        drop(copy);
    }
}
