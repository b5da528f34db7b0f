//! The lock beside a cache file, as MSAL Extensions for Python and .NET know it: a file that exists while somebody writes.
//!
//! Whoever makes `FILE.lockfile` has the lock, locks it (`flock`, `LockFileEx`) for as long as they need, and removes it. A
//! process that dies leaves the file, but not its lock on it: that is how the others tell.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{process, thread};

use fs4::FileExt;
use sansal::entropy::Entropy;
use sansal::time::Millis;

use crate::clock::{SystemClock, Time};
use crate::random::SystemRandom;

/// How long others may hold the lock; twice what MSAL Extensions wait.
const PATIENCE: Millis = Millis::from_secs(10);
/// Between the first two attempts. It grows up to the pace of MSAL Extensions, or their processes would never find it free.
const FIRST_PAUSE: u64 = 4;
const LONGEST_PAUSE: u64 = 250;
/// How long nobody may have locked a lock file until it counts as left behind. MSAL Extensions make it, open it again and
/// lock it; and they unlock it before they remove it.
const ABANDONED: Millis = Millis::from_secs(2);
/// The same, where the process that wrote its number there has ended.
const ABANDONED_BY_THE_DEAD: Millis = Millis(20);

/// The lock, held until it is dropped.
pub(crate) struct CacheLock {
    path: PathBuf,
    /// Locked; `None` only while it is dropped.
    file: Option<File>,
    inherited: bool,
}

impl CacheLock {
    /// Waits for the other processes.
    pub(crate) fn acquire(path: PathBuf) -> io::Result<Self> {
        let begun = SystemClock.now().mono;
        let (mut pause, mut seen) = (FIRST_PAUSE, None);
        loop {
            if let Some(file) = make(&path)? {
                return Ok(Self { path, file: Some(file), inherited: false });
            }
            if let Some(file) = take_over(&path, &mut seen)? {
                tracing::debug!(lock = %path.display(), "a process ended without removing its lock file");
                return Ok(Self { path, file: Some(file), inherited: true });
            }
            if SystemClock.now().mono.since(begun) >= PATIENCE {
                return Err(ErrorKind::TimedOut.into());
            }
            thread::sleep(Duration::from_millis(jittered(pause)));
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    /// Whether a process had it that ended before it was done.
    pub(crate) fn is_inherited(&self) -> bool {
        self.inherited
    }

    /// Whether nobody has removed it: MSAL Extensions do, when they have waited for too long.
    pub(crate) fn is_held(&self) -> bool {
        self.file.as_ref().is_some_and(|file| is_at(file, &self.path))
    }
}

impl Drop for CacheLock {
    fn drop(&mut self) {
        // Removed while it is locked: nobody can take it for left behind in between.
        if self.is_held() {
            let _ = fs::remove_file(&self.path);
        }
        drop(self.file.take());
    }
}

/// Makes the lock file, if there is none.
fn make(path: &Path) -> io::Result<Option<File>> {
    let mut file = match private().create_new(true).open(path) {
        Ok(file) => file,
        Err(error) if is_there(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    match FileExt::try_lock(&file) {
        Ok(()) if is_at(&file, path) => {
            sign(&mut file)?;
            Ok(Some(file))
        }
        // Another process was quicker with what this one made.
        Ok(()) | Err(fs4::TryLockError::WouldBlock) => Ok(None),
        Err(fs4::TryLockError::Error(error)) => Err(error),
    }
}

/// A lock file that nobody has locked, which one it is, and since when that is known.
struct Seen {
    id: (u64, Option<SystemTime>),
    since: Millis,
}

/// Locks a lock file that was left behind.
fn take_over(path: &Path, seen: &mut Option<Seen>) -> io::Result<Option<File>> {
    // A link may lead anywhere, and what a lock file holds is overwritten.
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(io::Error::new(ErrorKind::InvalidInput, "the lock file is a link, or no file at all: remove it"));
    }
    let mut file = match private().open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound || is_there(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    match FileExt::try_lock(&file) {
        Ok(()) if is_at(&file, path) => {}
        Ok(()) | Err(fs4::TryLockError::WouldBlock) => {
            *seen = None;
            return Ok(None);
        }
        Err(fs4::TryLockError::Error(error)) => return Err(error),
    }
    let (id, now) = (id(&file.metadata()?), SystemClock.now().mono);
    let since = match seen {
        Some(seen) if seen.id == id => seen.since,
        _ => now,
    };
    *seen = Some(Seen { id, since });
    let patience = if is_of_the_dead(&mut file) { ABANDONED_BY_THE_DEAD } else { ABANDONED };
    if now.since(since) < patience {
        return Ok(None);
    }
    sign(&mut file)?;
    Ok(Some(file))
}

/// Says who holds it, as MSAL Extensions do.
fn sign(file: &mut File) -> io::Result<()> {
    use io::Seek;
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{} sansal", process::id())
}

/// Whether the process that wrote its number there is known to have ended.
fn is_of_the_dead(file: &mut File) -> bool {
    let mut text = [0; 16];
    let length = file.read(&mut text).unwrap_or(0);
    let digits = text.iter().take(length).copied().take_while(u8::is_ascii_digit).map(char::from);
    let number: String = digits.collect();
    // Elsewhere the standard library cannot tell.
    let folder = Path::new("/proc");
    cfg!(target_os = "linux") && !number.is_empty() && folder.join("self").exists() && !folder.join(number).exists()
}

fn jittered(pause: u64) -> u64 {
    let mut byte = [0];
    let _ = SystemRandom.fill(&mut byte);
    let [byte] = byte;
    // From half of it to all of it.
    let half = pause.saturating_add(1) >> 1;
    half.saturating_add(half.saturating_mul(u64::from(byte)) >> 8)
}

fn is_there(error: &io::Error) -> bool {
    // Windows, for a file that is removed and still open somewhere.
    error.kind() == ErrorKind::AlreadyExists || (cfg!(windows) && error.kind() == ErrorKind::PermissionDenied)
}

/// Opens for writing; what is made is its owner's alone.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn id(metadata: &Metadata) -> (u64, Option<SystemTime>) {
    (identity(metadata), metadata.modified().ok())
}

#[cfg(unix)]
pub(crate) fn identity(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
pub(crate) fn identity(_: &Metadata) -> u64 {
    0
}

/// Whether this open file is what stands at the path, and not what a link there leads to.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(own), Ok(there)) => there.is_file() && is_same(&own, &there),
        _ => false,
    }
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lock file that is not there yet. The name is one that no other test takes.
    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("sansal-lock-{}-{name}.lockfile", process::id()))
    }

    #[test]
    fn it_is_there_while_it_is_held() {
        let path = path("held");
        let lock = CacheLock::acquire(path.clone()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{} sansal", process::id()));
        assert!(lock.is_held() && make(&path).unwrap().is_none());
        // Whoever opens and locks it, as MSAL Extensions do after five seconds, does not get it.
        let other = private().open(&path).unwrap();
        assert!(matches!(FileExt::try_lock(&other), Err(fs4::TryLockError::WouldBlock)));
        drop(lock);
        assert!(!path.exists());
    }

    #[test]
    fn what_the_dead_left_is_taken() {
        for (name, content, least) in [
            // Beyond the largest number that Linux gives to a process: no reason to wait.
            ("dead", "4194999 /usr/bin/python3".to_owned(), 0),
            // One that lives, but has no lock: MSAL Extensions without `portalocker`, or in the middle of something.
            ("living", format!("{} x", process::id()), 1900),
            ("silent", String::new(), 1900),
        ] {
            let path = path(name);
            fs::write(&path, content).unwrap();
            let begun = SystemClock.now().mono;
            let lock = CacheLock::acquire(path.clone()).unwrap();
            let waited = SystemClock.now().mono.since(begun).0;
            let least = if cfg!(target_os = "linux") { least } else { 0 };
            assert!(waited >= least, "{name}: {waited} ms");
            assert!(lock.is_inherited());
            drop(lock);
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_lock_that_was_removed_is_known() {
        let path = path("removed");
        let lock = CacheLock::acquire(path.clone()).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(!lock.is_held());
        // The next one's file is left alone.
        let next = CacheLock::acquire(path.clone()).unwrap();
        drop(lock);
        assert!(next.is_held());
    }

    #[cfg(unix)]
    #[test]
    fn what_a_link_leads_to_is_left_alone() {
        // In a folder where others may write, they could have any file of this user emptied.
        let (path, other) = (path("link"), path("link-other"));
        for content in ["", "4194999 x", "precious"] {
            fs::write(&other, content).unwrap();
            std::os::unix::fs::symlink(&other, &path).unwrap();
            let error = CacheLock::acquire(path.clone()).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(!is_at(&private().open(&path).unwrap(), &path), "not even if it became one only just now");
            assert_eq!(fs::read_to_string(&other).unwrap(), content);
            fs::remove_file(&path).unwrap();
        }
        fs::remove_file(&other).unwrap();
        // Nor is a link that leads nowhere.
        std::os::unix::fs::symlink(&other, &path).unwrap();
        assert_eq!(CacheLock::acquire(path.clone()).err().unwrap().kind(), ErrorKind::InvalidInput);
        assert!(!other.exists());
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_folder_that_is_not_there() {
        let error = CacheLock::acquire("/nonexistent/folder/x.lockfile".into()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}
