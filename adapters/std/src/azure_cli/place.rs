//! Where the Azure CLI keeps its tokens on this machine, and how they are read: a file in plain text, or the Secret Service (Linux).

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use sansal::cache::{TokenCache, TokenChange};
use sansal::error::CommitError;
use sansal::flow::Partition;

use super::AzureCliError;
use crate::cache_file::TokenCacheFile;
#[cfg(all(feature = "keyring", target_os = "linux"))]
use crate::libsecret::LibsecretCache;
use crate::persistence::Persistence;
use crate::private_file;
use crate::public::PublicClientBuilder;

/// A file that is being written is read again so many times, in such a distance.
const READ_AGAIN: (u8, Duration) = (20, Duration::from_millis(50));
/// Files that say that the tokens are elsewhere, the newer one first, with the schema and the attributes in the Secret Service.
const SIGNALS: [(&str, &str, &[(&str, &str)]); 2] = [
    ("msal_token_cache.sig", "Microsoft Azure CLI", &[("type", "Token cache")]),
    ("msal_token_cache.bin", "my_schema_name", &[("my_attr1", "foo"), ("my_attr2", "bar")]),
];

#[derive(Clone)]
pub(super) enum Place {
    /// In plain text.
    File(PathBuf),
    /// In the Secret Service, by an entry of [`SIGNALS`]: with the path of the signal.
    #[cfg_attr(not(all(feature = "keyring", target_os = "linux")), expect(dead_code, reason = "there is no way to it"))]
    SecretService(PathBuf, usize),
}

impl Place {
    /// Of those that are there, the one that can be read and was written last.
    pub(super) fn find(folder: &Path) -> Result<Self, AzureCliError> {
        let file = folder.join("msal_token_cache.json");
        let signals = SIGNALS.iter().enumerate().map(|(at, (name, ..))| (folder.join(name), at));
        let signal = signals.into_iter().find(|(path, _)| path.exists());
        match signal {
            #[cfg(all(feature = "keyring", target_os = "linux"))]
            Some((path, at)) if written(&path) > written(&file) => Ok(Self::SecretService(path, at)),
            _ if file.exists() => Ok(Self::File(file)),
            Some((path, _)) => Err(AzureCliError::Encrypted(path)),
            None => Err(AzureCliError::NotSignedIn(file)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::SecretService(path, _) => path,
        }
    }

    /// What is in the cache. Nothing is repaired.
    pub(super) fn read(&self) -> Result<TokenCache, AzureCliError> {
        match self {
            Self::File(path) => read(path),
            #[cfg(all(feature = "keyring", target_os = "linux"))]
            Self::SecretService(path, at) => libsecret(path, *at).tokens().map_err(|why| {
                tracing::warn!(%why, "the Azure CLI's token cache in the Secret Service cannot be read");
                AzureCliError::Encrypted(path.clone())
            }),
            #[cfg(not(all(feature = "keyring", target_os = "linux")))]
            Self::SecretService(path, _) => Err(AzureCliError::Encrypted(path.clone())),
        }
    }

    /// As a store that is written too.
    pub(super) fn writable(&self, builder: PublicClientBuilder) -> Result<PublicClientBuilder, AzureCliError> {
        match self {
            Self::File(path) => Ok(builder.persistence(TokenCacheFile::open(path).map_err(AzureCliError::Setup)?)),
            #[cfg(all(feature = "keyring", target_os = "linux"))]
            Self::SecretService(path, at) => Ok(builder.persistence(libsecret(path, *at))),
            #[cfg(not(all(feature = "keyring", target_os = "linux")))]
            Self::SecretService(path, _) => Err(AzureCliError::Encrypted(path.clone())),
        }
    }
}

#[cfg(all(feature = "keyring", target_os = "linux"))]
fn libsecret(signal: &Path, at: usize) -> LibsecretCache {
    let (_, schema, attributes) = SIGNALS.get(at).copied().unwrap_or_default();
    LibsecretCache::new(signal, schema, attributes)
}

#[cfg(all(feature = "keyring", target_os = "linux"))]
fn written(path: &Path) -> Option<std::time::SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// What is in a file. Damaged or half-written, as long as somebody may finish it, it is read again.
fn read(path: &Path) -> Result<TokenCache, AzureCliError> {
    let (times, pause) = READ_AGAIN;
    let mut text = None;
    for _ in 0..times {
        text = private_file::read(path).map_err(|why| AzureCliError::Setup(why.at(path)))?.0;
        match text.as_deref().map(|text| TokenCache::from_json(text)) {
            Some(Ok(cache)) if text.as_ref().is_some_and(|text| !text.is_empty()) => return Ok(cache),
            _ => thread::sleep(pause),
        }
    }
    Ok(TokenCache::salvage(&text.unwrap_or_default()).cache)
}

/// A cache of somebody else: read again whenever it is used, written never.
pub(super) struct Unwritten {
    place: Place,
    told: Mutex<TokenCache>,
}

impl Unwritten {
    pub(super) fn new(place: Place) -> Self {
        Self { place, told: Mutex::default() }
    }
}

impl Persistence for Unwritten {
    fn load(&self, _: &Partition) -> Vec<TokenChange> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match self.place.read() {
            Ok(cache) => {
                let changes = told.changes_to(&cache);
                *told = cache;
                changes
            }
            Err(why) => {
                let path = self.place.path().display();
                tracing::warn!(file = %path, why = %why, "the Azure CLI's token cache cannot be read");
                Vec::new()
            }
        }
    }

    /// What it would write lives in memory. The refresh token in the file stays good: Entra does not end it by its use.
    fn save(&self, _: &[TokenChange]) -> Result<(), CommitError> {
        Ok(())
    }
}
