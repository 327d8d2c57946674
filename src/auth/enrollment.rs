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

/// The enrollment token cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EnrollmentError {
    /// The file cannot be read or written.
    #[error("the enrollment token {}: {error}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// Others can read the file.
    #[error("the enrollment token {} can be read by others: chmod 600 it", .0.display())]
    Exposed(PathBuf),
    /// The file is empty.
    #[error("the enrollment token {} is empty: remove it to have a new one made", .0.display())]
    Empty(PathBuf),
}

/// The token in the data directory; made if there is none yet.
pub fn enrollment_token(data: &Path) -> Result<String, EnrollmentError> {
    let path = data.join(FILE);
    let failed = |error| EnrollmentError::Io { path: path.clone(), error };
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
        Ok(mut file) => {
            let token = new_token();
            file.write_all(token.as_bytes()).map_err(failed)?;
            return Ok(token);
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    if fs::metadata(&path).map_err(failed)?.mode() & 0o077 != 0 {
        return Err(EnrollmentError::Exposed(path));
    }
    let token = fs::read_to_string(&path).map_err(failed)?.trim().to_owned();
    if token.is_empty() { Err(EnrollmentError::Empty(path)) } else { Ok(token) }
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
