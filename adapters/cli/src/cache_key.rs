//! The key of an encrypted token cache: from a file, or from the operating system's secret store.

use std::path::{Path, PathBuf};

use clap::Args;
use sansal_std::DataKey;
use sansal_std::sansal::secret::SecretBytes;

use crate::failure::Failure;
use crate::input;

/// Where the key of an encrypted cache is.
#[derive(Args)]
pub(crate) struct Key {
    /// The key of an encrypted cache: a file with 32 bytes in base64.
    #[arg(long, value_name = "FILE", conflicts_with = "keyring", help_heading = "Encryption")]
    key_file: Option<PathBuf>,
    /// The key lies in the secret store (Linux), under this service and user name.
    #[arg(long, value_name = "SERVICE/USER", help_heading = "Encryption")]
    keyring: Option<String>,
}

impl Key {
    /// What the file holds, in plain text.
    pub(crate) fn open(&self, path: &Path, content: SecretBytes) -> Result<SecretBytes, Failure> {
        if !DataKey::is_encrypted(content.expose()) {
            return Ok(content);
        }
        let shown = path.display();
        let key = self.get(stored)?.ok_or_else(|| {
            Failure::usage(format_args!("{shown} is encrypted: name its key by --key-file or --keyring"))
        })?;
        let text = key.decrypt_file(content.expose()).map_err(|why| Failure::local(format_args!("{shown}: {why}")))?;
        Ok(SecretBytes::from(text.as_slice()))
    }

    /// What a file for this text has to hold.
    pub(crate) fn seal(&self, text: &[u8]) -> Result<Vec<u8>, Failure> {
        let key = self.get(made)?.ok_or_else(|| Failure::usage("name the key by --key-file or --keyring"))?;
        key.encrypt_file(text).map_err(|_| Failure::local("the operating system has no random bytes"))
    }

    fn get(&self, in_store: fn(&str) -> Result<DataKey, Failure>) -> Result<Option<DataKey>, Failure> {
        if let Some(path) = &self.key_file {
            let text = input::secret("key", Some(path), None)?;
            let key = text.and_then(|text| DataKey::from_text(text.expose()));
            let wrong = || Failure::usage(format_args!("{} is no key: 32 bytes in base64", path.display()));
            return key.ok_or_else(wrong).map(Some);
        }
        self.keyring.as_deref().map(in_store).transpose()
    }
}

#[cfg(all(feature = "keyring", target_os = "linux"))]
fn stored(name: &str) -> Result<DataKey, Failure> {
    let (service, user) = split(name)?;
    let found = DataKey::from_secret_service(service, user).map_err(refused)?;
    found.ok_or_else(|| Failure::local("the secret store has no key under this name"))
}

#[cfg(all(feature = "keyring", target_os = "linux"))]
fn made(name: &str) -> Result<DataKey, Failure> {
    let (service, user) = split(name)?;
    DataKey::made_in_secret_service(service, user).map_err(refused)
}

#[cfg(all(feature = "keyring", target_os = "linux"))]
fn split(name: &str) -> Result<(&str, &str), Failure> {
    name.split_once('/').ok_or_else(|| Failure::usage("a key in the secret store is named SERVICE/USER"))
}

#[cfg(all(feature = "keyring", target_os = "linux"))]
fn refused(error: sansal_std::KeyringError) -> Failure {
    match error {
        sansal_std::KeyringError::Unavailable(why) => Failure::local(format_args!(
            "no secret store can be used ({why}): start and unlock one, or give the key by --key-file"
        )),
        other => Failure::local(other),
    }
}

#[cfg(not(all(feature = "keyring", target_os = "linux")))]
fn stored(_: &str) -> Result<DataKey, Failure> {
    Err(Failure::usage(
        "this program was built without the feature 'keyring': give the key by --key-file ('secret-tool lookup service SERVICE \
         username USER' prints it)",
    ))
}

#[cfg(not(all(feature = "keyring", target_os = "linux")))]
use stored as made;
