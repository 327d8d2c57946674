//! One server a data directory: two would each think the database's single writer is theirs.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::Path,
};

/// Makes the data directory if it is not there, readable by its owner only, and locks it for as
/// long as the answer lives.
pub fn lock(data: &Path) -> io::Result<File> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data)?;
    // Sources of private repositories, logs and tokens are in there: nobody else's business.
    std::fs::set_permissions(data, std::fs::Permissions::from_mode(0o700))?;
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).open(data.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "another kiln server uses this data directory: stop it, or give another --data",
        )),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
