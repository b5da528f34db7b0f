//! Folders for tests: in the build folder, so that nothing lies about in the system's afterwards.

use std::path::{Path, PathBuf};

/// An empty folder. The name is one that no other test of this program takes.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(env!("CARGO_CRATE_NAME")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
