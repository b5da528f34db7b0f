//! A file of secrets on disk: its owner's alone, read within bounds, and replaced as a whole or not at all.

use std::fs::{self, File, FileTimes, Metadata};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fmt, process};

use sansal::limits::MAX_CACHE;
use zeroize::Zeroizing;

use crate::cache_lock::{identity, private};
use crate::clock::{SystemClock, Time};
use crate::setup::SetupError;

/// A file that was changed this shortly before it was read, in seconds, may change again without its times telling.
const RACY: u64 = 2;
/// How far the modification time of what is written here lies ahead, in seconds. MSAL Extensions read a file again if it was
/// modified after they had read it, by their own clock: what was written while they read would be lost for them, and then
/// for everybody, since they write all they have.
const AHEAD: u64 = 2;

/// What tells whether a file is still the one that was read; nothing where that cannot be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stamp {
    #[default]
    Unknown,
    Absent,
    Of {
        len: u64,
        changed: Duration,
        identity: u64,
    },
}

/// Why the file could not be read.
pub(crate) enum Unreadable {
    Io(io::Error),
    /// With the permission bits.
    Exposed(u32),
    /// It is encrypted where it should not be, or the other way round, or by another key.
    Sealed(&'static str),
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Unreadable {
    pub(crate) fn at(self, path: &Path) -> SetupError {
        match self {
            Self::Io(error) => SetupError::file(path, &error),
            Self::Exposed(mode) => SetupError::Exposed { path: path.to_owned(), mode },
            Self::Sealed(why) => SetupError::Encryption { path: path.to_owned(), why },
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Exposed(mode) => write!(f, "others may read or write it (mode {mode:03o})"),
            Self::Sealed(why) => f.write_str(why),
        }
    }
}

/// What is in the file; nothing, if there is none.
pub(crate) fn read(path: &Path) -> Result<(Option<Zeroizing<Vec<u8>>>, Stamp), Unreadable> {
    // Before it is opened: a pipe would keep us waiting.
    if let Ok(metadata) = fs::metadata(path) {
        is_regular(&metadata)?;
    }
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok((None, Stamp::Absent)),
        Err(error) => return Err(error.into()),
    };
    let metadata = file.metadata()?;
    is_regular(&metadata)?;
    exposed(&metadata).map_or(Ok(()), |mode| Err(Unreadable::Exposed(mode)))?;
    let len = usize::try_from(metadata.len()).unwrap_or(usize::MAX).min(MAX_CACHE);
    let mut text = Zeroizing::new(Vec::with_capacity(len.saturating_add(1)));
    let limit = u64::try_from(MAX_CACHE).unwrap_or(u64::MAX).saturating_add(1);
    (&mut file).take(limit).read_to_end(&mut text)?;
    Ok((Some(text), stamp(&metadata)))
}

/// What is no file is not read, nor replaced by one: `/dev/null` would be, by root.
fn is_regular(metadata: &fs::Metadata) -> io::Result<()> {
    match metadata.file_type() {
        kind if kind.is_file() => Ok(()),
        kind if kind.is_dir() => Err(ErrorKind::IsADirectory.into()),
        _ => Err(ErrorKind::InvalidInput.into()),
    }
}

/// Which file stands there now.
pub(crate) fn look(path: &Path) -> io::Result<Stamp> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(stamp(&metadata)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Stamp::Absent),
        Err(error) => Err(error),
    }
}

/// The modification time of what is written now.
pub(crate) fn ahead() -> SystemTime {
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(wall().saturating_add(AHEAD)));
    time.unwrap_or(UNIX_EPOCH)
}

/// A new file in the place of the old one, on disk before it is there. `may_go_on` is asked last of all. That the new one is there
/// after a loss of power too is for [`sync_folder`] to say, which needs no lock.
pub(crate) fn replace(path: &Path, content: &[u8], may_go_on: impl FnOnce() -> bool) -> io::Result<()> {
    let temporary = beside(path, &format!(".{}.new", process::id()));
    let written = (|| {
        // Left over from a process of the same number, which ended in the middle of this.
        let _ = fs::remove_file(&temporary);
        let mut file = private().create_new(true).open(&temporary)?;
        file.write_all(content)?;
        // Not all systems can.
        let _ = file.set_times(FileTimes::new().set_modified(ahead()));
        file.sync_all()?;
        if may_go_on() { fs::rename(&temporary, path) } else { Err(ErrorKind::ResourceBusy.into()) }
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Gives what is in the file a second name; none that is taken.
pub(crate) fn keep_aside(path: &Path) -> io::Result<PathBuf> {
    let names = (0_u16..1000).map(|n| if n == 0 { ".damaged".to_owned() } else { format!(".damaged.{n}") });
    for name in names {
        let kept = beside(path, &name);
        match fs::hard_link(path, &kept) {
            Ok(()) => return Ok(kept),
            // `symlink_metadata`: a link that leads nowhere is a name that is taken.
            Err(_) if fs::symlink_metadata(&kept).is_ok() => {}
            // A file system without links.
            Err(_) => return fs::rename(path, &kept).map(|()| kept),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// Removes what processes left that ended while they wrote: they held the lock, which the caller holds now.
pub(crate) fn sweep(path: &Path) {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else { return };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let found = entry.file_name();
        let rest = found.to_str().and_then(|found| found.strip_prefix(name)?.strip_prefix('.')?.strip_suffix(".new"));
        if rest.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// `FILE.suffix`
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.to_path_buf().into_os_string();
    name.push(suffix);
    name.into()
}

fn wall() -> u64 {
    SystemClock.now().wall.map_or(0, |now| now.0)
}

fn stamp(metadata: &Metadata) -> Stamp {
    match changed(metadata).filter(|changed| wall() > changed.as_secs().saturating_add(RACY)) {
        Some(changed) => Stamp::Of { len: metadata.len(), changed, identity: identity(metadata) },
        None => Stamp::Unknown,
    }
}

/// When the file was last changed, as the system saw it: unlike the modification time nobody can set it.
#[cfg(unix)]
fn changed(metadata: &Metadata) -> Option<Duration> {
    use std::os::unix::fs::MetadataExt;
    let nanos = u32::try_from(metadata.ctime_nsec()).ok()?;
    Some(Duration::new(u64::try_from(metadata.ctime()).ok()?, nanos))
}

#[cfg(not(unix))]
fn changed(metadata: &Metadata) -> Option<Duration> {
    metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()
}

/// The permission bits, where others have any.
#[cfg(unix)]
fn exposed(metadata: &Metadata) -> Option<u32> {
    let mode = std::os::unix::fs::MetadataExt::mode(metadata) & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn exposed(_: &Metadata) -> Option<u32> {
    None
}

/// Makes the new name last. Not all systems can, and the file is whole either way.
pub(crate) fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}
