//! The key of an encrypted token cache in the operating system's secret store. Run with a Secret Service (gnome-keyring) only;
//! stores of `keyring-core` for Keychain and Credential Manager are the application's to bring.

use std::fmt;
use std::path::Path;

use keyring_core::Entry;
use zeroize::Zeroizing;

use crate::cache_file::TokenCacheFile;
use crate::cache_lock::CacheLock;
use crate::data_key::DataKey;
use crate::private_file::beside;
use crate::setup::SetupError;

/// Why the secret store cannot be used. It never falls back to plain text by itself: whoever wants that, on a machine without a
/// secret store, opens the file with [`TokenCacheFile::open`], or brings a key with [`TokenCacheFile::open_encrypted`].
#[non_exhaustive]
#[derive(Debug)]
pub enum KeyringError {
    /// There is none that can be reached, or it is locked and nobody can unlock it: a session without a desktop, a container.
    /// The text is the store's own.
    Unavailable(String),
    /// What lies there under this name is no key of ours.
    NotAKey,
    /// There are several under this name.
    Ambiguous,
    /// The file is encrypted, and the secret store does not have its key: it was removed, or is in another store.
    KeyIsGone,
    /// The file, or the lock beside it.
    File(SetupError),
}

impl TokenCacheFile {
    /// An encrypted file whose key lies in the Secret Service (Linux), under this service and user name. The key is made when there
    /// is neither a key nor an encrypted file yet.
    ///
    /// ```no_run
    /// # let accepts_plain_text = true;
    /// use sansal_std::{KeyringError, PublicClient, TokenCacheFile};
    /// let file = match TokenCacheFile::open_with_secret_service("tokens.bin", "your application", "tokens") {
    ///     // A machine without a desktop, whose user knows what that means.
    ///     Err(KeyringError::Unavailable(_)) if accepts_plain_text => TokenCacheFile::open("tokens.json")?,
    ///     other => other?,
    /// };
    /// let client = PublicClient::builder("your-application-id").persistence(file).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`KeyringError::Unavailable`] where no secret store can be reached. Nothing is written then.
    #[cfg(target_os = "linux")]
    pub fn open_with_secret_service(path: impl AsRef<Path>, service: &str, user: &str) -> Result<Self, KeyringError> {
        Self::open_with_keyring(path, &in_secret_service(service, user)?)
    }

    /// The same with an entry of any store of `keyring-core`: Keychain, Credential Manager, kernel keyring.
    ///
    /// # Errors
    /// [`KeyringError::Unavailable`] where the store cannot be reached. Nothing is written then.
    pub fn open_with_keyring(path: impl AsRef<Path>, entry: &Entry) -> Result<Self, KeyringError> {
        let path = path.as_ref();
        let key = match read(entry)? {
            Some(key) => key,
            None => {
                // Two processes must not make two keys.
                let lock = CacheLock::acquire(beside(path, ".key.lockfile"));
                let _lock = lock.map_err(|error| KeyringError::File(SetupError::file(path, &error)))?;
                match read(entry)? {
                    Some(key) => key,
                    // A new key would not open it: the old one may still be found.
                    None if std::fs::read(path).is_ok_and(|content| DataKey::is_encrypted(&content)) => {
                        return Err(KeyringError::KeyIsGone);
                    }
                    None => make(entry)?,
                }
            }
        };
        Self::open_encrypted(path, key).map_err(KeyringError::File)
    }
}

impl DataKey {
    /// The key that lies in the Secret Service (Linux) under this service and user name, if there is one.
    ///
    /// # Errors
    /// [`KeyringError`] says why the store cannot be used.
    #[cfg(target_os = "linux")]
    pub fn from_secret_service(service: &str, user: &str) -> Result<Option<Self>, KeyringError> {
        read(&in_secret_service(service, user)?)
    }

    /// The same, and made there when there is none.
    ///
    /// # Errors
    /// [`KeyringError`] says why the store cannot be used.
    #[cfg(target_os = "linux")]
    pub fn made_in_secret_service(service: &str, user: &str) -> Result<Self, KeyringError> {
        let entry = in_secret_service(service, user)?;
        match read(&entry)? {
            Some(key) => Ok(key),
            None => make(&entry),
        }
    }
}

#[cfg(target_os = "linux")]
fn in_secret_service(service: &str, user: &str) -> Result<Entry, KeyringError> {
    use keyring_core::api::CredentialStoreApi;
    let store = zbus_secret_service_keyring_store::Store::new().map_err(|error| refused(&error))?;
    store.build(service, user, None).map_err(|error| refused(&error))
}

fn read(entry: &Entry) -> Result<Option<DataKey>, KeyringError> {
    match entry.get_secret().map(Zeroizing::new) {
        Ok(bytes) => {
            let text = std::str::from_utf8(&bytes).map_err(|_| KeyringError::NotAKey)?;
            DataKey::from_text(text).map(Some).ok_or(KeyringError::NotAKey)
        }
        Err(keyring_core::Error::NoEntry) => Ok(None),
        Err(error) => Err(refused(&error)),
    }
}

fn make(entry: &Entry) -> Result<DataKey, KeyringError> {
    let key = DataKey::generate().map_err(|_| KeyringError::Unavailable("no random bytes".to_owned()))?;
    entry.set_secret(key.to_text().as_bytes()).map_err(|error| refused(&error))?;
    // What is there now, whoever wrote it.
    read(entry)?.ok_or(KeyringError::NotAKey)
}

fn refused(error: &keyring_core::Error) -> KeyringError {
    match error {
        // These hold what was found there.
        keyring_core::Error::BadEncoding(_) | keyring_core::Error::BadDataFormat(..) => KeyringError::NotAKey,
        keyring_core::Error::Ambiguous(_) => KeyringError::Ambiguous,
        other => KeyringError::Unavailable(other.to_string()),
    }
}

impl fmt::Display for KeyringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(why) => write!(
                f,
                "no secret store can be used ({why}): start and unlock one (gnome-keyring, KWallet, KeePassXC), or give the key \
                 by TokenCacheFile::open_encrypted, or accept plain text by TokenCacheFile::open"
            ),
            Self::NotAKey => f.write_str("what the secret store has under this name is no key of a token cache"),
            Self::Ambiguous => f.write_str("the secret store has several keys under this name: remove those that are not wanted"),
            Self::KeyIsGone => f.write_str(
                "the token cache is encrypted, and its key is not in the secret store: bring the key back, or move the file away to \
                 begin anew",
            ),
            Self::File(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for KeyringError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(why) => Some(why),
            _ => None,
        }
    }
}
