//! Tokens in a file that processes share: MSAL's JSON in plain text, readable by its owner only.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fmt, process, thread};

use fs4::FileExt;
use sansal::cache::{TokenCache, TokenChange};
use sansal::error::CommitError;
use sansal::flow::Partition;
use sansal::limits::MAX_CACHE;
use sansal::time::Millis;
use zeroize::Zeroizing;

use crate::clock::{SystemClock, Time};
use crate::persistence::Persistence;
use crate::setup::SetupError;

/// How long another process may hold the lock.
const PATIENCE: Millis = Millis::from_secs(10);
/// Between two attempts to lock.
const PAUSE: Duration = Duration::from_millis(5);
/// A file that was changed this shortly before it was read, in seconds, may change again without its time telling.
const RACY: u64 = 2;

/// A cache file for a client's [`persistence`](crate::PublicClientBuilder::persistence): what MSAL Python, .NET, Java and
/// the Azure CLI read and write, in **plain text**.
///
/// Other processes may use the file at the same time: each change is made to what is in the file by then, under a lock
/// (`FILE.lockfile`, the one of MSAL Extensions), and what others wrote is read before each acquisition. A file is replaced
/// as a whole: whoever reads it without the lock sees the old one or the new one.
///
/// On Unix the file belongs to its owner alone (0600), and one that others may read or write is refused. On Windows it
/// has the permissions of its folder: put it into the user's profile. One client, one `TokenCacheFile`; any number may
/// be open on one file.
///
/// ```no_run
/// use sansal_std::{PublicClient, TokenCacheFile};
/// let file = TokenCacheFile::open("tokens.json")?;
/// let client = PublicClient::builder("your-application-id").persistence(file).build()?;
/// # Ok::<(), sansal_std::SetupError>(())
/// ```
pub struct TokenCacheFile {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What the client has been told so far.
    told: TokenCache,
    /// Which file that was.
    stamp: Stamp,
    damaged: Option<PathBuf>,
}

/// What tells whether a file is still the one that was read; nothing where that cannot be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Stamp {
    #[default]
    Unknown,
    Absent,
    Of {
        len: u64,
        modified: SystemTime,
        identity: u64,
    },
}

/// Why the file could not be read.
enum Unreadable {
    Io(io::Error),
    /// With the permission bits.
    Exposed(u32),
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl TokenCacheFile {
    /// At this path; the file need not exist yet, its folder must. It is read now, to say early what is wrong with it.
    ///
    /// A file that is no token cache is kept under another name, and [`damaged`](Self::damaged) tells which.
    ///
    /// # Errors
    /// [`SetupError::File`] when it can neither be read nor made, [`SetupError::Exposed`] when others may read or write it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SetupError> {
        let given = path.as_ref();
        // A link is kept: what it points to is replaced.
        let path = fs::canonicalize(given).unwrap_or_else(|_| given.to_owned());
        let file = Self { path, state: Mutex::default() };
        {
            let _lock = file.lock().map_err(|error| SetupError::file(&file.path, &error))?;
            file.read(&mut file.state()).map_err(|why| match why {
                Unreadable::Io(error) => SetupError::file(&file.path, &error),
                Unreadable::Exposed(mode) => SetupError::Exposed { path: file.path.clone(), mode },
            })?;
        }
        Ok(file)
    }

    /// Where it is, links resolved.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a file was put that was no token cache, if there was one since [`open`](Self::open). Its users have to sign in
    /// again; whoever wants to rescue tokens finds them there.
    pub fn damaged(&self) -> Option<PathBuf> {
        self.state().damaged.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `FILE.suffix`
    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(suffix);
        name.into()
    }

    /// Waits for the other processes; the lock ends with the file that comes back.
    fn lock(&self) -> io::Result<File> {
        let (path, begun) = (self.beside(".lockfile"), SystemClock.now().mono);
        loop {
            let file = private().create(true).truncate(false).open(&path)?;
            match FileExt::try_lock(&file) {
                // MSAL Extensions removes the lock file when it is done: a lock on one that is gone excludes nobody.
                Ok(()) if is_at(&file, &path) => return Ok(file),
                Ok(()) => {}
                Err(fs4::TryLockError::WouldBlock) => {}
                Err(fs4::TryLockError::Error(error)) => return Err(error),
            }
            if SystemClock.now().mono.since(begun) >= PATIENCE {
                return Err(ErrorKind::TimedOut.into());
            }
            thread::sleep(PAUSE);
        }
    }

    /// What is in the file, with its stamp. The lock must be held: a file is judged here, and may be moved away.
    fn read(&self, state: &mut State) -> Result<(TokenCache, Stamp), Unreadable> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok((TokenCache::new(), Stamp::Absent)),
            Err(error) => return Err(error.into()),
        };
        let metadata = file.metadata()?;
        exposed(&metadata).map_or(Ok(()), |mode| Err(Unreadable::Exposed(mode)))?;
        let len = usize::try_from(metadata.len()).unwrap_or(usize::MAX).min(MAX_CACHE);
        let mut text = Zeroizing::new(Vec::with_capacity(len.saturating_add(1)));
        let limit = u64::try_from(MAX_CACHE).unwrap_or(u64::MAX).saturating_add(1);
        (&mut file).take(limit).read_to_end(&mut text)?;
        match TokenCache::from_json(&text) {
            Ok(cache) => Ok((cache, stamp(&metadata))),
            Err(why) => {
                let kept = self.keep_aside()?;
                tracing::warn!(file = %self.path.display(), kept = %kept.display(), why = %why, "no token cache: kept aside");
                state.damaged = Some(kept);
                Ok((TokenCache::new(), Stamp::Absent))
            }
        }
    }

    /// Gives the file another name; none that is taken.
    fn keep_aside(&self) -> io::Result<PathBuf> {
        let names = (0_u16..1000).map(|n| if n == 0 { ".damaged".to_owned() } else { format!(".damaged.{n}") });
        for name in names {
            let path = self.beside(&name);
            // `symlink_metadata`: a link that leads nowhere is a name that is taken.
            if fs::symlink_metadata(&path).is_err() {
                fs::rename(&self.path, &path)?;
                return Ok(path);
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    /// A new file in the place of the old one, on disk before it is there.
    fn replace(&self, cache: &TokenCache) -> io::Result<()> {
        let temporary = self.beside(&format!(".{}.new", process::id()));
        let written = (|| {
            // Left over from a process of the same number, which ended in the middle of this.
            let _ = fs::remove_file(&temporary);
            let mut file = private().create_new(true).open(&temporary)?;
            file.write_all(&cache.to_json())?;
            file.sync_all()?;
            fs::rename(&temporary, &self.path)
        })();
        match &written {
            Ok(()) => sync_folder(&self.path),
            Err(_) => drop(fs::remove_file(&temporary)),
        }
        written
    }

    fn reload(&self) -> Result<Vec<TokenChange>, Unreadable> {
        let mut state = self.state();
        let now = match fs::metadata(&self.path) {
            Ok(metadata) => stamp(&metadata),
            Err(error) if error.kind() == ErrorKind::NotFound => Stamp::Absent,
            Err(error) => return Err(error.into()),
        };
        if now != Stamp::Unknown && now == state.stamp {
            return Ok(Vec::new());
        }
        let _lock = self.lock()?;
        let (cache, stamp) = self.read(&mut state)?;
        let changes = state.told.changes_to(&cache);
        (state.told, state.stamp) = (cache, stamp);
        Ok(changes)
    }

    fn merge(&self, changes: &[TokenChange]) -> Result<(), Unreadable> {
        let mut state = self.state();
        let _lock = self.lock()?;
        let (mut cache, _) = self.read(&mut state)?;
        cache.apply(changes.to_vec());
        self.replace(&cache)?;
        // The client knows its own changes. What others wrote meanwhile it does not: that is read the next time.
        state.told.apply(changes.to_vec());
        state.stamp = Stamp::Unknown;
        Ok(())
    }
}

impl Persistence for TokenCacheFile {
    /// Everything that has changed in the file, whoever it belongs to.
    fn load(&self, _: &Partition) -> Vec<TokenChange> {
        self.reload().unwrap_or_else(|why| {
            tracing::warn!(file = %self.path.display(), why = %why, "the token cache cannot be read");
            Vec::new()
        })
    }

    fn save(&self, changes: &[TokenChange]) -> Result<(), CommitError> {
        self.merge(changes).map_err(|why| {
            tracing::warn!(file = %self.path.display(), why = %why, "the token cache cannot be written");
            CommitError::NotWritten
        })
    }
}

impl fmt::Debug for TokenCacheFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCacheFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Exposed(mode) => write!(f, "others may read or write it (mode {mode:03o})"),
        }
    }
}

fn stamp(metadata: &Metadata) -> Stamp {
    let wall = SystemClock.now().wall.map_or(0, |now| now.0);
    let is_old = |changed: &SystemTime| {
        changed.duration_since(UNIX_EPOCH).is_ok_and(|age| wall > age.as_secs().saturating_add(RACY))
    };
    match metadata.modified().ok().filter(is_old) {
        Some(modified) => Stamp::Of { len: metadata.len(), modified, identity: identity(metadata) },
        None => Stamp::Unknown,
    }
}

/// Opens for writing; what is made is its owner's alone.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
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

#[cfg(unix)]
fn identity(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> u64 {
    0
}

/// Whether this open file is what stands at the path.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(own), Ok(there)) => identity(&own) == identity(&there),
        _ => false,
    }
}

/// Makes the new name last. Not all systems can, and the file is whole either way.
fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}
