//! What can be wrong with a PKCS#11 module, its token, the PIN or the key, each with a sentence that says what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use cryptoki::error::{Error as Fault, RvError};
use sansal::error::AskError;

/// Why a key in a PKCS#11 token cannot be used. Never holds the PIN.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pkcs11Error {
    /// The module cannot be loaded.
    Module {
        /// Its path.
        path: PathBuf,
        /// What the loader says.
        why: String,
    },
    /// The module has no such token.
    NoToken {
        /// The labels of those that it has.
        found: Vec<String>,
    },
    /// The module has several tokens that fit; their labels.
    ManyTokens(Vec<String>),
    /// There is no such private key in the token; what was looked for.
    NoKey(String),
    /// There are several private keys that fit; what was looked for.
    ManyKeys(String),
    /// The token wants a PIN.
    PinMissing,
    /// The token does not take the PIN.
    WrongPin,
    /// The token takes no PIN any more, right or wrong.
    PinLocked,
    /// The key is there but not for signing (`CKA_SIGN`).
    CannotSign,
    /// The key wants the PIN for every single signature (`CKA_ALWAYS_AUTHENTICATE`).
    AlwaysAuthenticate,
    /// The key is neither RSA nor P-256.
    KeyKind,
    /// Not a PKCS#11 URI that can be used (RFC 7512); which part of it.
    Uri(&'static str),
    /// The file with the PIN cannot be read.
    PinFile {
        /// Which.
        path: PathBuf,
        /// Why.
        kind: io::ErrorKind,
    },
    /// Anything else that the module says: function and return code.
    Device(String),
}

impl Pkcs11Error {
    pub(super) fn module(path: &Path, why: &Fault) -> Self {
        Self::Module { path: path.to_owned(), why: why.to_string() }
    }

    /// The same for a machine that has asked for a signature.
    pub(super) fn as_answer(&self) -> AskError {
        match self {
            Self::NoToken { .. } | Self::NoKey(_) => AskError::NotFound,
            Self::PinMissing | Self::WrongPin | Self::PinLocked | Self::AlwaysAuthenticate => AskError::Denied,
            Self::CannotSign | Self::KeyKind => AskError::NotSupported,
            _ => AskError::Failed,
        }
    }
}

impl From<Fault> for Pkcs11Error {
    fn from(why: Fault) -> Self {
        use RvError as R;
        match why {
            Fault::Pkcs11(R::PinIncorrect | R::PinInvalid | R::PinLenRange, _) => Self::WrongPin,
            Fault::Pkcs11(R::PinLocked | R::PinExpired, _) => Self::PinLocked,
            Fault::Pkcs11(R::UserNotLoggedIn, _) => Self::PinMissing,
            Fault::Pkcs11(R::KeyFunctionNotPermitted | R::KeyTypeInconsistent, _) => Self::CannotSign,
            Fault::Pkcs11(code, function) => Self::Device(format!("{function}: {code:?}")),
            other => Self::Device(other.to_string()),
        }
    }
}

impl fmt::Display for Pkcs11Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Module { path, why } => write!(f, "cannot load the PKCS#11 module {}: {why}", path.display()),
            Self::NoToken { found } if found.is_empty() => f.write_str("the PKCS#11 module has no token at all"),
            Self::NoToken { found } => write!(f, "the PKCS#11 module has no such token; it has {}", found.join(", ")),
            Self::ManyTokens(found) => {
                write!(f, "the PKCS#11 module has several tokens, say which: {}", found.join(", "))
            }
            Self::NoKey(wanted) => write!(f, "there is no private key {wanted} in the PKCS#11 token"),
            Self::ManyKeys(wanted) => {
                write!(f, "several private keys in the PKCS#11 token are {wanted}: give label and id")
            }
            Self::PinMissing => f.write_str("the PKCS#11 token wants a PIN"),
            Self::WrongPin => f.write_str("the PKCS#11 token does not take this PIN; it may lock itself after a few"),
            Self::PinLocked => {
                f.write_str("the PIN of the PKCS#11 token is locked or expired: its security officer can help")
            }
            Self::CannotSign => f.write_str("the key in the PKCS#11 token is not for signing (CKA_SIGN)"),
            Self::AlwaysAuthenticate => {
                f.write_str("the key in the PKCS#11 token wants the PIN for every signature (CKA_ALWAYS_AUTHENTICATE)")
            }
            Self::KeyKind => f.write_str("the key in the PKCS#11 token is neither RSA nor P-256"),
            Self::Uri(part) => write!(f, "the PKCS#11 URI cannot be used: {part}"),
            Self::PinFile { path, kind } => write!(f, "cannot read the PIN from {}: {kind}", path.display()),
            Self::Device(said) => write!(f, "the PKCS#11 module fails: {said}"),
        }
    }
}

impl std::error::Error for Pkcs11Error {}
