//! One file out of an image, said by a container without network or rights.
//!
//! Not through the engine's copying of files, which follows what a container's file system says.

use crate::images::{Images, ImagesError, probe::Look};

/// Says the file, or nothing.
const SCRIPT: &str = r#"test -f "$KILN_FILE" && exec cat "$KILN_FILE""#;

impl Images {
    /// A file of an image, if it is there and has less than `most` bytes.
    pub(super) async fn read_file(
        &self,
        image: &str,
        path: &str,
        most: usize,
    ) -> Result<Option<Vec<u8>>, ImagesError> {
        let env = vec![format!("KILN_FILE={path}")];
        let look = Look { image, of: path, env, script: SCRIPT };
        let bytes = self.look_into(look, most).await?;
        Ok((!bytes.is_empty() && bytes.len() < most).then_some(bytes))
    }
}
