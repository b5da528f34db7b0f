//! Files of this machine, for machines that ask for one: bounded, and never outside of the folder that was named.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use sansal::error::AskError;
use sansal::secret::SecretBytes;

use crate::asks::Asks;

/// Reads files of this machine and answers nothing else.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalFiles;

impl Asks for LocalFiles {
    fn read_file(&self, dir: &str, name: &str, max_len: usize) -> Result<SecretBytes, AskError> {
        read(Path::new(dir), name, max_len)
    }
}

/// The length is looked at before anything is read, and held to while reading: the file may grow.
fn read(dir: &Path, name: &str, max_len: usize) -> Result<SecretBytes, AskError> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\', ':', '\0']) {
        return Err(AskError::Denied);
    }
    // A link may lead anywhere: what counts is where the file really lies.
    let dir = fs::canonicalize(dir).map_err(failed)?;
    let path = fs::canonicalize(dir.join(name)).map_err(failed)?;
    if path.parent() != Some(&dir) {
        return Err(AskError::Denied);
    }
    let file = File::open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() {
        return Err(AskError::Denied);
    }
    bounded(file, max_len).map_err(failed)
}

/// All of a secret, if it has no more bytes than this. What is said about its length counts first, and is not believed.
pub(crate) fn bounded(file: File, max_len: usize) -> io::Result<SecretBytes> {
    let limit = u64::try_from(max_len).unwrap_or(u64::MAX);
    if file.metadata()?.len() > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    // Reserved once: a vector that grows leaves copies behind.
    let mut bytes = Vec::with_capacity(max_len.saturating_add(1));
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    let bytes = SecretBytes::new(bytes);
    if bytes.expose().len() > max_len { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

/// As the answer to a machine.
pub(crate) fn failed(error: io::Error) -> AskError {
    match error.kind() {
        io::ErrorKind::FileTooLarge => AskError::TooLarge,
        io::ErrorKind::NotFound => AskError::NotFound,
        io::ErrorKind::PermissionDenied => AskError::Denied,
        _ => AskError::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_there() {
        let root = std::env::temp_dir().join(format!("sansal-std-files-{}", std::process::id()));
        let dir = root.join("tokens");
        fs::create_dir_all(dir.join("folder")).unwrap();
        fs::write(root.join("outside.key"), "outside").unwrap();
        fs::write(dir.join("a.key"), "secret").unwrap();
        fs::write(dir.join("full.key"), [b'x'; 16]).unwrap();
        fs::write(dir.join("long.key"), [b'x'; 17]).unwrap();
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(root.join("outside.key"), dir.join("link.key")).unwrap();
            std::os::unix::fs::symlink(dir.join("a.key"), dir.join("near.key")).unwrap();
        }
        let cases: &[(&str, Result<&str, AskError>)] = &[
            ("a.key", Ok("secret")),
            ("full.key", Ok("xxxxxxxxxxxxxxxx")),
            ("long.key", Err(AskError::TooLarge)),
            ("absent.key", Err(AskError::NotFound)),
            ("folder", Err(AskError::Denied)),
            ("../outside.key", Err(AskError::Denied)),
            ("..", Err(AskError::Denied)),
            ("folder/../a.key", Err(AskError::Denied)),
            ("", Err(AskError::Denied)),
            ("a.key\0", Err(AskError::Denied)),
            #[cfg(unix)]
            ("link.key", Err(AskError::Denied)),
            #[cfg(unix)]
            ("near.key", Ok("secret")),
        ];
        for (name, expected) in cases {
            let got = LocalFiles.read_file(dir.to_str().unwrap(), name, 16);
            let got = got.as_ref().map(|bytes| std::str::from_utf8(bytes.expose()).unwrap()).map_err(|why| *why);
            assert_eq!(got, *expected, "{name:?}");
        }
        #[cfg(unix)]
        assert_eq!(
            bounded(File::open("/dev/zero").unwrap(), 16).map(drop).unwrap_err().kind(),
            io::ErrorKind::FileTooLarge
        );
        assert_eq!(read(&root.join("nowhere"), "a.key", 16).unwrap_err(), AskError::NotFound);
        fs::remove_dir_all(&root).unwrap();
    }
}
