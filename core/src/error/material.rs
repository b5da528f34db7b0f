//! Errors about keys, certificates and JWTs: which rule is broken, never the material.

use alloc::string::String;
#[cfg(feature = "sentences")]
use core::fmt;

#[cfg(feature = "sentences")]
use super::shown::Shown;

/// Why a certificate or key cannot be used.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertError {
    /// Longer than the limit for this kind.
    TooLong,
    /// No PEM block and no base64 in the text.
    NoPem,
    /// A PEM block begins but does not end, or ends under another name.
    UnfinishedPem,
    /// Base64 inside a PEM block is broken.
    BadBase64,
    /// A private key where a certificate belongs.
    PrivateKeyInsteadOfCertificate,
    /// A certificate where a private key belongs.
    CertificateInsteadOfPrivateKey,
    /// Not an X.509 certificate (RFC 5280).
    BadCertificate,
    /// Not a private key in PKCS#1 or PKCS#8.
    BadKey,
    /// A PKCS#12 (PFX) file, which has to be opened first.
    Pfx,
    /// Not a PKCS#12 (PFX) file.
    NotPfx,
    /// There is no private key in the PKCS#12 file.
    NoKeyInPfx,
    /// There is no certificate in the PKCS#12 file.
    NoCertificateInPfx,
    /// A key, but not RSA.
    NotRsa,
    /// An RSA key shorter or longer than allowed.
    KeySize,
    /// The key is encrypted and no passphrase was given.
    PassphraseMissing,
    /// The passphrase does not open the key.
    WrongPassphrase,
    /// A passphrase was given for a key that is not encrypted.
    NotEncrypted,
    /// The key's encryption is of a kind that is not supported; re-encrypt it with `openssl pkcs8 -topk8`.
    UnsupportedEncryption,
    /// The key derivation asks for more work or memory than allowed.
    TooExpensive(KdfLimit),
    /// A thumbprint that is not 40 (SHA-1) or 64 (SHA-256) hexadecimal digits.
    BadThumbprint,
    /// The thumbprint is not the certificate's.
    ThumbprintMismatch,
    /// Neither a thumbprint nor a certificate goes with the key.
    NoThumbprint,
    /// The certificate is for another key.
    KeyMismatch,
    /// The key cannot sign with the algorithm asked for.
    WrongAlgorithm,
}

/// Which parameter of a key derivation is out of bounds.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KdfLimit {
    /// PBKDF2's iteration count.
    Pbkdf2Rounds,
    /// scrypt's memory, 128·N·r bytes.
    ScryptMemory,
    /// scrypt's parallelization.
    ScryptParallelization,
}

#[cfg(feature = "sentences")]
impl fmt::Display for CertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the key or certificate is longer than allowed",
            Self::NoPem => "there is no PEM block and no base64 in the text",
            Self::UnfinishedPem => "a PEM block has no END line of its own: is the file complete?",
            Self::BadBase64 => "the base64 inside the PEM is broken",
            Self::PrivateKeyInsteadOfCertificate => "this is a private key, not a certificate",
            Self::CertificateInsteadOfPrivateKey => "this is a certificate, not a private key",
            Self::BadCertificate => "this is not an X.509 certificate",
            Self::BadKey => "this is not a private key in PKCS#1 or PKCS#8",
            Self::Pfx => "this is a PKCS#12 (PFX) file; give the key and the certificate in it as PEM",
            Self::NotPfx => "this is not a PKCS#12 (PFX) file",
            Self::NoKeyInPfx => "there is no private key in the PKCS#12 (PFX) file",
            Self::NoCertificateInPfx => "there is no certificate in the PKCS#12 (PFX) file",
            Self::NotRsa => "the key is not an RSA key",
            Self::KeySize => "the RSA key must have 2048 to 8192 bits",
            Self::PassphraseMissing => "the private key is encrypted: give its passphrase",
            Self::WrongPassphrase => "the passphrase does not open the private key",
            Self::NotEncrypted => "a passphrase was given, but the private key is not encrypted",
            Self::UnsupportedEncryption => {
                "the private key's encryption is not supported; re-encrypt it with `openssl pkcs8 -topk8`"
            }
            Self::TooExpensive(KdfLimit::Pbkdf2Rounds) => "the private key asks for too many PBKDF2 rounds",
            Self::TooExpensive(KdfLimit::ScryptMemory) => "the private key asks for too much scrypt memory",
            Self::TooExpensive(KdfLimit::ScryptParallelization) => {
                "the private key asks for too much scrypt parallelization"
            }
            Self::BadThumbprint => "a thumbprint is 40 (SHA-1) or 64 (SHA-256) hexadecimal digits",
            Self::ThumbprintMismatch => "the thumbprint is not this certificate's",
            Self::NoThumbprint => "give a certificate, or its thumbprint, with the private key",
            Self::KeyMismatch => "the certificate is for another private key",
            Self::WrongAlgorithm => "the key cannot sign with this algorithm",
        })
    }
}

impl core::error::Error for CertError {}

/// Why a text is not a JWT that can be decoded. Nothing here says anything about its signature.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwtError {
    /// Longer than [`limits::MAX_JWT`](crate::limits).
    TooLong,
    /// Not three parts joined by dots (RFC 7515 s3.1).
    NotThreeParts,
    /// Fewer than two parts: there is no payload.
    NoPayload,
    /// A part is not base64url (RFC 7515 s2).
    BadBase64,
    /// A part is not UTF-8.
    BadUtf8,
    /// A part is not JSON.
    BadJson,
    /// A part is JSON, but not an object.
    NotAnObject,
    /// A JWK that is not an RSA or P-256 public key (RFC 7518 s6).
    BadKey,
    /// A JWK with private members, where only a public one may stand.
    PrivateKey,
}

#[cfg(feature = "sentences")]
impl fmt::Display for JwtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the token is longer than allowed",
            Self::NotThreeParts => "a JWT has three parts joined by dots",
            Self::NoPayload => "the token has no payload part",
            Self::BadBase64 => "a part of the token is not base64url",
            Self::BadUtf8 => "a part of the token is not UTF-8",
            Self::BadJson => "a part of the token is not JSON",
            Self::NotAnObject => "a part of the token is not a JSON object",
            Self::BadKey => "the JWK is not an RSA or P-256 public key",
            Self::PrivateKey => "the JWK has private members",
        })
    }
}

impl core::error::Error for JwtError {}

/// Which check an ID token failed (OpenID Connect Core s3.1.3.7; numbers of that list in brackets).
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdTokenError {
    /// It cannot be decoded.
    Jwt(JwtError),
    /// A claim that a check needs is absent, or of another kind than the RFC says.
    Missing(&'static str),
    /// `iss` is not the expected issuer \[2\].
    Issuer {
        /// What the token says.
        got: String,
    },
    /// `aud` does not contain the client id \[3\].
    Audience,
    /// It is expired \[9\], or not yet valid.
    Time,
    /// `nonce` is not the one that was sent \[11\].
    Nonce,
    /// The user signed in longer ago than `max_age` allows \[13\].
    TooOld,
    /// There is none, although one was asked for.
    Absent,
    /// What was renewed is another user's (OpenID Connect Core s12.2).
    Account,
}

impl IdTokenError {
    /// The longest `iss` that an error repeats.
    const MAX_SHOWN: usize = 256;

    /// Another issuer than the expected one.
    pub(crate) fn issuer(got: &str) -> Self {
        Self::Issuer { got: got.chars().take(Self::MAX_SHOWN).collect() }
    }
}

#[cfg(feature = "sentences")]
impl fmt::Display for IdTokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jwt(why) => write!(f, "the ID token cannot be read: {why}"),
            Self::Missing(claim) => write!(f, "the ID token has no {claim} claim"),
            Self::Issuer { got } => write!(f, "the ID token comes from another issuer, {}", Shown(got)),
            Self::Audience => f.write_str("the ID token is for another client"),
            Self::Time => f.write_str("the ID token is not valid now; check the clock"),
            Self::Nonce => f.write_str("the ID token answers another request: its nonce is not ours"),
            Self::TooOld => f.write_str("the user signed in too long ago: ask for a new sign-in with prompt login"),
            Self::Account => f.write_str("the answer is about another user than the one whose tokens are renewed"),
            Self::Absent => f.write_str("there is no ID token, although one was asked for"),
        }
    }
}

impl core::error::Error for IdTokenError {}

impl From<JwtError> for IdTokenError {
    fn from(why: JwtError) -> Self {
        Self::Jwt(why)
    }
}
