//! Secrets in files that only their owner can read: made at the first start, or given.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use super::agents::new_token;

/// The names of the files in the data directory.
const ENROLLMENT: &str = "enrollment-token";
const ADMIN: &str = "admin-token";
const SECRET_KEY: &str = "secret-key";
/// Shorter than that, a secret can be guessed.
const SHORTEST: usize = 16;

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
    /// The file has nothing that could be a secret.
    #[error("the secret in {} is shorter than {SHORTEST} characters: put a longer one there, or remove the file to have one made", .0.display())]
    Short(PathBuf),
}

/// The token that lets agents make themselves known: in the file that is given, else in the data
/// directory, where it is made if there is none yet.
pub fn enrollment_token(given: Option<&Path>, data: &Path) -> Result<String, EnrollmentError> {
    given.map_or_else(|| kept_secret(&data.join(ENROLLMENT)), given_secret)
}

/// The administrator's token, in the same places.
pub fn admin_token(given: Option<&Path>, data: &Path) -> Result<String, EnrollmentError> {
    given.map_or_else(|| kept_secret(&data.join(ADMIN)), given_secret)
}

/// The key that secrets of projects are sealed with, in the same places.
pub fn secret_key(given: Option<&Path>, data: &Path) -> Result<String, EnrollmentError> {
    given.map_or_else(|| kept_secret(&data.join(SECRET_KEY)), given_secret)
}

/// The secret in a file that somebody else made.
pub fn given_secret(path: &Path) -> Result<String, EnrollmentError> {
    let failed = |error| EnrollmentError::Io { path: path.to_owned(), error };
    let meta = fs::metadata(path).map_err(failed)?;
    // Cluster engines give a file to root and to the group of who may read it; who is not root cannot
    // change that, and nobody else is in that group.
    let others = if meta.uid() == 0 { 0o037 } else { 0o077 };
    if meta.mode() & others != 0 {
        return Err(EnrollmentError::Exposed(path.to_owned()));
    }
    let secret = fs::read_to_string(path).map_err(failed)?.trim().to_owned();
    if secret.len() < SHORTEST { Err(EnrollmentError::Short(path.to_owned())) } else { Ok(secret) }
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
    given_secret(path)
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
    fn a_token_is_made_once_and_never_readable_by_others() {
        let data = tempfile::tempdir().unwrap();
        let token = enrollment_token(None, data.path()).unwrap();
        assert_eq!(token.len(), 64);
        assert_eq!(enrollment_token(None, data.path()).unwrap(), token);
        assert_ne!(admin_token(None, data.path()).unwrap(), token);
        let path = data.path().join(ENROLLMENT);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(enrollment_token(None, data.path()), Err(EnrollmentError::Exposed(_))));
    }

    #[test]
    fn a_token_that_is_given_must_be_there_and_be_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let read = || admin_token(Some(&path), folder.path());
        assert!(matches!(read(), Err(EnrollmentError::Io { .. })), "it is not made");
        let write = |text: &str, mode: u32| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        };
        write("0123456789abcdef\n", 0o600);
        assert_eq!(read().unwrap(), "0123456789abcdef");
        write("short\n", 0o600);
        assert!(matches!(read(), Err(EnrollmentError::Short(_))));
        write("0123456789abcdef\n", 0o604);
        assert!(matches!(read(), Err(EnrollmentError::Exposed(_))));
    }
}
