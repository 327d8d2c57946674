//! The enrollment token: made at the first start, kept in a file that only its owner can read.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use super::agents::new_token;

/// The name of the file in the data directory.
const FILE: &str = "enrollment-token";

/// A kept secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EnrollmentError {
    /// The file cannot be read or written.
    #[error("the secret in {}: {error}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// Others can read the file.
    #[error("the secret in {} can be read by others: chmod 600 it", .0.display())]
    Exposed(PathBuf),
    /// The file is empty.
    #[error("the secret in {} is empty: remove the file to have a new one made", .0.display())]
    Empty(PathBuf),
}

/// The token in the data directory; made if there is none yet.
pub fn enrollment_token(data: &Path) -> Result<String, EnrollmentError> {
    kept_secret(&data.join(FILE))
}

/// The secret in a file that only its owner can read; made if there is none yet. It appears whole
/// or not at all, whenever the process dies.
pub fn kept_secret(path: &Path) -> Result<String, EnrollmentError> {
    let failed = |error| EnrollmentError::Io { path: path.to_owned(), error };
    if !path.try_exists().map_err(failed)? {
        let unfinished = path.with_extension(format!("new-{}", std::process::id()));
        let made =
            write_secret(&unfinished).and_then(|()| match fs::hard_link(&unfinished, path) {
                // Somebody else was faster: theirs counts.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                linked => linked,
            });
        let _ = fs::remove_file(&unfinished);
        made.map_err(failed)?;
    }
    if fs::metadata(path).map_err(failed)?.mode() & 0o077 != 0 {
        return Err(EnrollmentError::Exposed(path.to_owned()));
    }
    let secret = fs::read_to_string(path).map_err(failed)?.trim().to_owned();
    if secret.is_empty() { Err(EnrollmentError::Empty(path.to_owned())) } else { Ok(secret) }
}

fn write_secret(path: &Path) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(new_token().as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_token_is_made_once_and_never_readable_by_others() {
        let data = tempfile::tempdir().unwrap();
        let token = enrollment_token(data.path()).unwrap();
        assert_eq!(token.len(), 64);
        assert_eq!(enrollment_token(data.path()).unwrap(), token);
        let path = data.path().join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(enrollment_token(data.path()), Err(EnrollmentError::Exposed(_))));
    }
}
