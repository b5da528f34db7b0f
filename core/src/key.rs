//! Names for keys that live outside the core, how they are protected, and the algorithms they sign with (RFC 7518 s3.1).

use alloc::string::String;
use core::fmt;

/// The name under which a host holds a key: in a key store, a secure element, or its own memory. Not a secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyName(pub String);

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What keeps a private key from being copied. The host that holds the key says it; nobody else can know.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyProtection {
    /// Nothing but the memory of a process, or a file.
    Software,
    /// The operating system signs with it and hands it to no program.
    OsStore,
    /// It does not leave a chip: a security module, a smart card, a TPM, a secure element.
    Hardware,
}

impl KeyProtection {
    /// A word for logs and for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Software => "software",
            Self::OsStore => "OS store",
            Self::Hardware => "hardware",
        }
    }
}

impl fmt::Display for KeyProtection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A JOSE signature algorithm, RFC 7518 s3.1.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes.
    Ps256,
    /// ECDSA with P-256 and SHA-256; the signature is r and s, 32 bytes each.
    Es256,
}

impl Algorithm {
    /// The value of a JOSE `alg` header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
