//! Tokens in a file that processes share: MSAL's JSON, in plain text or encrypted, readable by its owner only.

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ring::digest::{SHA256, digest};
use sansal::cache::{TokenCache, TokenChange};
use sansal::error::CommitError;
use sansal::flow::Partition;
use zeroize::Zeroizing;

use crate::cache_lock::CacheLock;
use crate::data_key::{Closed, DataKey};
use crate::persistence::Persistence;
use crate::private_file::{self, Stamp, Unreadable, beside};
use crate::setup::SetupError;

/// What the name of the lock has behind that of the file.
const LOCK: &str = ".lockfile";
/// How often the lock may be removed by others while a file is written.
const ATTEMPTS: u8 = 5;

/// A cache file for a client's [`persistence`](crate::PublicClientBuilder::persistence): what MSAL Python, .NET, Java and
/// the Azure CLI read and write, in **plain text**.
///
/// Other processes may use the file at the same time, those of MSAL with MSAL Extensions among them. What this client changed
/// since it read the file is [merged](TokenCache::merge_changes) into what is there by then, under a lock (`FILE.lockfile`, the
/// one of MSAL Extensions), and what others wrote is read before each acquisition. Whether they wrote is told by what is in the
/// file, not by its times. A file is replaced as a whole: whoever reads it without the lock sees the old one or the new one.
///
/// A file that is no cache any more is kept under another name ([`damaged`](Self::damaged)). The entries that were whole
/// are [taken out of it](TokenCache::salvage), those that this client knew are put back, and a `tracing` warning says so.
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
#[doc(alias = "PersistedTokenCache")]
#[doc(alias = "FilePersistence")]
pub struct TokenCacheFile {
    path: PathBuf,
    /// Of an encrypted one.
    key: Option<DataKey>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What the client has been told so far.
    told: TokenCache,
    /// Which file that was.
    stamp: Stamp,
    /// What was in it; nothing, if `told` is not exactly that.
    generation: Option<Generation>,
    damaged: Option<Damaged>,
}

/// What is in a file, in 32 bytes; of no file, nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Generation(Option<[u8; 32]>);

#[derive(Clone)]
struct Damaged {
    kept: PathBuf,
    entries: usize,
}

/// A file as it was read.
struct Content {
    /// Nothing, if that is what the client has been told.
    new: Option<TokenCache>,
    generation: Generation,
    stamp: Stamp,
}

impl Generation {
    fn of(text: &[u8]) -> Self {
        Self(digest(&SHA256, text).as_ref().try_into().ok())
    }
}

impl TokenCacheFile {
    /// At this path; the file need not exist yet, its folder must. It is read now, to say early what is wrong with it.
    ///
    /// # Errors
    /// [`SetupError::File`] when it can neither be read nor made, [`SetupError::Exposed`] when others may read or write it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SetupError> {
        Self::begin(path.as_ref(), None)
    }

    /// The same, encrypted by AES-256-GCM: only for processes that have the key. The feature `keyring` keeps it in the operating
    /// system's secret store. A file in plain text is refused, and one of another key is left alone.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), and [`SetupError::Encryption`].
    pub fn open_encrypted(path: impl AsRef<Path>, key: DataKey) -> Result<Self, SetupError> {
        Self::begin(path.as_ref(), Some(key))
    }

    fn begin(given: &Path, key: Option<DataKey>) -> Result<Self, SetupError> {
        let path = resolved(given);
        let file = Self { path, key, state: Mutex::default() };
        {
            let lock = file.lock().map_err(|error| match error.kind() {
                // Not the file is at fault, but what lies in the place of its lock.
                ErrorKind::InvalidInput => SetupError::file(&beside(&file.path, LOCK), &error),
                _ => SetupError::file(&file.path, &error),
            })?;
            file.read(&mut file.state(), &lock).map_err(|why| why.at(&file.path))?;
        }
        Ok(file)
    }

    /// Where it is, links resolved.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a file was put that was no token cache, if there was one since [`open`](Self::open).
    pub fn damaged(&self) -> Option<PathBuf> {
        self.state().damaged.as_ref().map(|damaged| damaged.kept.clone())
    }

    /// How many entries were in the file after the last time it was found [damaged](Self::damaged): taken out of it, or known to
    /// this client. If there are none, its users have to sign in again.
    pub fn salvaged(&self) -> usize {
        self.state().damaged.as_ref().map_or(0, |damaged| damaged.entries)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> io::Result<CacheLock> {
        let lock = CacheLock::acquire(beside(&self.path, LOCK))?;
        if lock.is_inherited() {
            private_file::sweep(&self.path);
        }
        Ok(lock)
    }

    /// What stands in the file, in plain text. What cannot be decrypted is not damaged: it is somebody else's.
    fn opened(&self, content: Option<Zeroizing<Vec<u8>>>) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
        let content = content.unwrap_or_default();
        match (&self.key, DataKey::is_encrypted(&content)) {
            (None, false) => Ok(content),
            (None, true) => Err(Unreadable::Sealed("the token cache is encrypted: it needs its key")),
            (Some(_), false) if content.is_empty() => Ok(content),
            (Some(_), false) => {
                Err(Unreadable::Sealed("the token cache is not encrypted: move it away, or open it as it is"))
            }
            (Some(key), true) => key.decrypt_file(&content).map_err(|why| {
                Unreadable::Sealed(match why {
                    Closed::OtherKey => "the token cache was encrypted by another key: it is left as it is",
                    Closed::Damaged => "the encrypted token cache was changed or cut off: move it away to begin anew",
                })
            }),
        }
    }

    fn sealed(&self, text: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
        match &self.key {
            None => Ok(text),
            Some(key) => {
                let sealed = key.encrypt_file(&text).map_err(|_| io::Error::other("no random bytes"))?;
                Ok(Zeroizing::new(sealed))
            }
        }
    }

    /// What is in the file. Without a lock one that is damaged, or seems so because it is being written, is no answer.
    fn try_read(&self, state: &State) -> Result<Option<Content>, Unreadable> {
        let (text, stamp) = private_file::read(&self.path)?;
        let generation = text.as_ref().map_or(Generation(None), |text| Generation::of(text));
        if state.generation == Some(generation) {
            return Ok(Some(Content { new: None, generation, stamp }));
        }
        let text = self.opened(text)?;
        Ok(TokenCache::from_json(&text).ok().map(|cache| Content { new: Some(cache), generation, stamp }))
    }

    /// The same under the lock: a file that is damaged now has nobody who will finish it.
    fn read(&self, state: &mut State, lock: &CacheLock) -> Result<Content, Unreadable> {
        if let Some(content) = self.try_read(state)? {
            return Ok(content);
        }
        let (text, _) = private_file::read(&self.path)?;
        let found = TokenCache::salvage(&self.opened(text)?);
        let mut cache = found.cache;
        // What this client knew and the file has not any more: nobody removed that, it was lost.
        cache.apply(cache.merge(&TokenCache::new(), &state.told));
        let entries = TokenCache::new().changes_to(&cache).len();
        let kept = private_file::keep_aside(&self.path)?;
        tracing::warn!(
            file = %self.path.display(), kept = %kept.display(), salvaged = found.entries, broken = found.broken, entries,
            "no token cache: kept aside, and what was whole taken out of it"
        );
        state.damaged = Some(Damaged { kept, entries });
        let text = self.sealed(cache.to_json())?;
        private_file::replace(&self.path, &text, || lock.is_held())?;
        Ok(Content { new: Some(cache), generation: Generation::of(&text), stamp: Stamp::Unknown })
    }

    fn reload(&self) -> Result<Vec<TokenChange>, Unreadable> {
        let mut state = self.state();
        let now = private_file::look(&self.path)?;
        if now != Stamp::Unknown && now == state.stamp {
            return Ok(Vec::new());
        }
        let content = match self.try_read(&state)? {
            // MSAL Extensions empty a file before they write it.
            Some(Content { new: Some(_), generation, .. }) if generation == Generation::of(b"") => None,
            other => other,
        };
        let content = match content {
            Some(content) => content,
            None => {
                let lock = self.lock()?;
                self.read(&mut state, &lock)?
            }
        };
        let changes = content.new.as_ref().map(|cache| state.told.changes_to(cache)).unwrap_or_default();
        if let Some(cache) = content.new {
            state.told = cache;
        }
        (state.stamp, state.generation) = (content.stamp, Some(content.generation));
        Ok(changes)
    }

    fn merge(&self, changes: &[TokenChange]) -> Result<(), Unreadable> {
        let mut state = self.state();
        for _ in 0..ATTEMPTS {
            let lock = self.lock()?;
            let content = self.read(&mut state, &lock)?;
            let is_known = content.new.is_none();
            let mut cache = content.new.unwrap_or_else(|| state.told.clone());
            cache.apply(cache.merge_changes(&state.told, changes));
            let text = self.sealed(cache.to_json())?;
            match private_file::replace(&self.path, &text, || lock.is_held()) {
                Ok(()) => {}
                // Somebody removed the lock, so somebody else may have written.
                Err(error) if error.kind() == ErrorKind::ResourceBusy => continue,
                Err(error) => return Err(error.into()),
            }
            drop(lock);
            private_file::sync_folder(&self.path);
            state.stamp = Stamp::Unknown;
            if is_known {
                (state.told, state.generation) = (cache, Some(Generation::of(&text)));
            } else {
                // The client knows its own changes. What others wrote meanwhile it does not: that is read the next time.
                state.told.apply(changes.to_vec());
                state.generation = None;
            }
            return Ok(());
        }
        Err(io::Error::from(ErrorKind::ResourceBusy).into())
    }
}

/// Where a file lies or will lie, wherever this process goes later. A link is kept: what it points to is replaced.
fn resolved(given: &Path) -> PathBuf {
    let parts = || {
        let folder = given.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(fs::canonicalize(folder).ok()?.join(given.file_name()?))
    };
    fs::canonicalize(given).ok().or_else(parts).unwrap_or_else(|| given.to_owned())
}

impl Persistence for TokenCacheFile {
    /// Everything that has changed in the file, whoever it belongs to.
    fn load(&self, _: &Partition) -> Vec<TokenChange> {
        self.reload().unwrap_or_else(|why| {
            tracing::warn!(file = %self.path.display(), why = %why, "the token cache cannot be read");
            Vec::new()
        })
    }

    /// One look at the file's size, identity and time of change. For some seconds after a change they say nothing.
    fn is_current(&self) -> bool {
        let known = self.state().stamp;
        known != Stamp::Unknown && private_file::look(&self.path).is_ok_and(|now| now == known)
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
