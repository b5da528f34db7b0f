//! Whole caches in the Secret Service, as MSAL Extensions keep them on Linux: an item found by schema and attributes, and a file
//! that only says when it was written.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sansal::cache::{TokenCache, TokenChange};
use sansal::error::CommitError;
use sansal::flow::Partition;
use secret_service::EncryptionType;
use secret_service::blocking::SecretService;
use zeroize::Zeroizing;

use crate::cache_lock::{CacheLock, private};
use crate::persistence::Persistence;
use crate::private_file::beside;

/// The attribute by which libsecret finds items of a schema.
const SCHEMA: &str = "xdg:schema";

/// A cache in the Secret Service for a client's [`persistence`](crate::PublicClientBuilder::persistence): what
/// `LibsecretPersistence` of MSAL Extensions for Python, and those for .NET, read and write.
///
/// The Azure CLI's is read by [`AzureCli`](crate::AzureCli).
pub struct LibsecretCache {
    signal: PathBuf,
    attributes: Vec<(String, String)>,
    told: Mutex<TokenCache>,
}

/// Why the cache could not be used.
enum Unusable {
    Service(secret_service::Error),
    Io(io::Error),
    /// It is no token cache. Nothing is written over it.
    NotACache,
}

impl LibsecretCache {
    /// With the file that says when it was written, the schema's name, and the attributes beside it.
    pub fn new(signal: impl AsRef<Path>, schema: &str, attributes: &[(&str, &str)]) -> Self {
        let all = [(SCHEMA, schema)].into_iter().chain(attributes.iter().copied());
        let attributes = all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { signal: signal.as_ref().to_owned(), attributes, told: Mutex::default() }
    }

    /// What is there now.
    pub(crate) fn tokens(&self) -> Result<TokenCache, impl fmt::Display + use<>> {
        let read = |service: SecretService<'_>| self.read(&service);
        SecretService::connect(EncryptionType::Dh).map_err(Unusable::from).and_then(read)
    }

    fn attributes(&self) -> HashMap<&str, &str> {
        self.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    fn read(&self, service: &SecretService<'_>) -> Result<TokenCache, Unusable> {
        let collection = service.get_default_collection()?;
        collection.unlock()?;
        let items = collection.search_items(self.attributes())?;
        let Some(item) = items.first() else { return Ok(TokenCache::new()) };
        let text = Zeroizing::new(item.get_secret()?);
        TokenCache::from_json(&text).map_err(|_| Unusable::NotACache)
    }

    fn reload(&self) -> Result<Vec<TokenChange>, Unusable> {
        let cache = self.read(&SecretService::connect(EncryptionType::Dh)?)?;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = told.changes_to(&cache);
        *told = cache;
        Ok(changes)
    }

    fn merge(&self, changes: &[TokenChange]) -> Result<(), Unusable> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let _lock = CacheLock::acquire(beside(&self.signal, ".lockfile")).map_err(Unusable::Io)?;
        let service = SecretService::connect(EncryptionType::Dh)?;
        let mut cache = self.read(&service)?;
        cache.apply(cache.merge_changes(&told, changes));
        service.get_default_collection()?.create_item("", self.attributes(), &cache.to_json(), true, "text/plain")?;
        // Only its time counts, for MSAL Extensions.
        let file = private().create(true).truncate(false).open(&self.signal).map_err(Unusable::Io)?;
        let _ = file.set_times(fs::FileTimes::new().set_modified(crate::private_file::ahead()));
        told.apply(changes.to_vec());
        Ok(())
    }
}

impl Persistence for LibsecretCache {
    fn load(&self, _: &Partition) -> Vec<TokenChange> {
        self.reload().unwrap_or_else(|why| {
            tracing::warn!(why = %why, "the token cache in the Secret Service cannot be read");
            Vec::new()
        })
    }

    fn save(&self, changes: &[TokenChange]) -> Result<(), CommitError> {
        self.merge(changes).map_err(|why| {
            tracing::warn!(why = %why, "the token cache in the Secret Service cannot be written");
            CommitError::NotWritten
        })
    }
}

impl From<secret_service::Error> for Unusable {
    fn from(error: secret_service::Error) -> Self {
        Self::Service(error)
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::NotACache => f.write_str("what is there is no token cache"),
        }
    }
}

impl fmt::Debug for LibsecretCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LibsecretCache").field("signal", &self.signal).finish_non_exhaustive()
    }
}
