//! What can be wrong before a client exists.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use sansal::Error;
use sansal::error::{CertError, Config};

use crate::environment::EnvironmentError;

/// Why a client could not be built. Says what to do; never holds a secret.
#[non_exhaustive]
#[derive(Debug)]
pub enum SetupError {
    /// The core refused: authority, credential, settings.
    Client(Error),
    /// A variable is missing, or two contradict each other.
    Environment(EnvironmentError),
    /// A file could not be read.
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        kind: io::ErrorKind,
    },
    /// What is in a file cannot be used.
    InFile {
        /// Which.
        path: PathBuf,
        /// Why.
        why: CertError,
    },
    /// Others than its owner may read or write a file with tokens.
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A token cache is encrypted where plain text was asked for, or the other way round, or by another key.
    Encryption {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// The address of a store cannot be used; the store's own words, without what is secret in the address.
    Store(String),
    /// The extra roots are not certificates in PEM.
    Roots(&'static str),
    /// The address of the proxy cannot be used.
    Proxy,
    /// A key in a PKCS#11 token cannot be used.
    #[cfg(feature = "pkcs11")]
    Pkcs11(crate::pkcs11::Pkcs11Error),
    /// Two settings exclude each other.
    Contradiction(&'static str),
}

impl SetupError {
    pub(crate) fn file(path: &Path, error: &io::Error) -> Self {
        Self::File { path: path.to_owned(), kind: error.kind() }
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(why) => why.fmt(f),
            Self::Environment(why) => why.fmt(f),
            Self::File { path, kind } => {
                write!(f, "cannot read {}: ", path.display())?;
                match kind {
                    // The standard library's own words are about entities and streams.
                    io::ErrorKind::NotFound => f.write_str("there is no such file"),
                    io::ErrorKind::IsADirectory => f.write_str("it is a folder"),
                    io::ErrorKind::InvalidInput => f.write_str("it is no regular file, but a link, a pipe or a device"),
                    io::ErrorKind::InvalidData => f.write_str("it is not text in UTF-8"),
                    kind => kind.fmt(f),
                }
            }
            Self::InFile { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Exposed { path, mode } => {
                let path = path.display();
                write!(f, "others may read or write {path} (mode {mode:03o}): chmod 600 it, after asking who did")
            }
            Self::Encryption { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Store(why) => write!(f, "the address of the token store cannot be used: {why}"),
            Self::Roots(why) => write!(f, "the extra roots cannot be used: {why}"),
            Self::Proxy => f.write_str("the proxy must look like http://host:port"),
            #[cfg(feature = "pkcs11")]
            Self::Pkcs11(why) => why.fmt(f),
            Self::Contradiction(which) => f.write_str(which),
        }
    }
}

impl std::error::Error for SetupError {}

impl From<Error> for SetupError {
    fn from(why: Error) -> Self {
        Self::Client(why)
    }
}

impl From<Config> for SetupError {
    fn from(why: Config) -> Self {
        Self::Client(why.into())
    }
}

#[cfg(feature = "pkcs11")]
impl From<crate::pkcs11::Pkcs11Error> for SetupError {
    fn from(why: crate::pkcs11::Pkcs11Error) -> Self {
        Self::Pkcs11(why)
    }
}

impl From<CertError> for SetupError {
    fn from(why: CertError) -> Self {
        Self::Client(why.into())
    }
}

impl From<EnvironmentError> for SetupError {
    fn from(why: EnvironmentError) -> Self {
        Self::Environment(why)
    }
}
