//! What a PFX file (RFC 7292) consists of and what its key derivations would cost, before any of them runs.

use std::mem;

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use p12_keystore::error::Error as P12Error;
use sansal::error::{CertError, KdfLimit};
use sansal::limits::{MAX_SCRYPT_MEMORY, MAX_SCRYPT_P};

use super::part::Part;

/// Rounds of one derivation; `p12-keystore` refuses more.
pub(super) const MAX_ROUNDS: u64 = 1_000_000;
/// All derivations by scrypt together may cost as much as the most expensive one.
const MAX_SCRYPT_WORK: u64 = MAX_SCRYPT_MEMORY.saturating_mul(MAX_SCRYPT_P);
/// Nesting of ASN.1; a PFX has some fifteen levels.
pub(super) const MAX_DEPTH: usize = 32;
/// pkcs-12PbeIds (RFC 7292 appendix C): what lies under it has a salt and rounds.
pub(super) const PBES1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1");
/// RFC 8018 A.2.
pub(super) const PBKDF2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.12");
/// RFC 7914 s7.
pub(super) const SCRYPT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11591.4.11");

/// What can be seen of a file, at first without its passphrase.
#[derive(Default)]
pub(super) struct Outline<'a> {
    pub(super) is_pfx: bool,
    has_mac: bool,
    /// A derivation is asked for.
    pub(super) encrypted: bool,
    /// Of all derivations together, so far and at the most.
    rounds: u64,
    most_rounds: u64,
    /// Of all derivations by scrypt together: bytes written.
    scrypt_work: u64,
    parts: Vec<Part<'a>>,
}

impl<'a> Outline<'a> {
    /// Reads the outline, and holds every derivation against its bounds, all of them together against `most_rounds`.
    pub(super) fn of(bytes: &'a [u8], most_rounds: u64) -> Result<Self, CertError> {
        let mut outline = Self { most_rounds, ..Self::default() };
        let file = AnyRef::from_der(bytes).map_err(|_| CertError::NotPfx)?;
        let members = elements(file.value()).ok_or(CertError::NotPfx)?;
        // RFC 7292 s4: version 3, content, and mostly a MAC.
        match members.as_slice() {
            [version, content, mac @ ..] if version.tag() == Tag::Integer && content.tag() == Tag::Sequence => {
                outline.is_pfx = file.tag() == Tag::Sequence && version.value() == [3] && mac.len() < 2;
                if let Some(mac) = mac.first() {
                    outline.has_mac = true;
                    outline.mac(mac)?;
                }
                outline.walk(content.value(), 0)?;
            }
            _ => {}
        }
        Ok(outline)
    }

    /// Holds derivations against the bounds that can be seen only in what is encrypted. The library would panic for some
    /// parameters of scrypt, and go on for hours where there are many keys.
    pub(super) fn look_inside(&mut self, passphrase: &str) -> Result<(), CertError> {
        for part in mem::take(&mut self.parts) {
            if let Some(plain) = part.decrypt(passphrase) {
                let mut inside = Outline { parts: Vec::new(), ..*self };
                inside.walk(&plain, 0)?;
                (self.rounds, self.scrypt_work) = (inside.rounds, inside.scrypt_work);
            }
        }
        Ok(())
    }

    /// `MacData`: digest, salt, rounds (1 if absent).
    fn mac(&mut self, mac: &AnyRef<'_>) -> Result<(), CertError> {
        let members = elements(mac.value()).ok_or(CertError::NotPfx)?;
        self.derivation(members.get(2).map_or(Some(1), integer))
    }

    /// Looks for algorithms in ASN.1 elements, and in octet strings that hold such.
    fn walk(&mut self, bytes: &'a [u8], depth: usize) -> Result<(), CertError> {
        let Some(members) = elements(bytes) else { return Ok(()) };
        let depth = depth.saturating_add(1);
        if depth > MAX_DEPTH {
            return Err(CertError::NotPfx);
        }
        if let [name, parameters, ..] = members.as_slice()
            && let Ok(oid) = name.decode_as::<ObjectIdentifier>()
        {
            self.algorithm(&oid, parameters)?;
        }
        self.parts.extend(Part::of(&members));
        for member in &members {
            if member.tag().is_constructed() || member.tag() == Tag::OctetString {
                self.walk(member.value(), depth)?;
            }
        }
        Ok(())
    }

    fn algorithm(&mut self, oid: &ObjectIdentifier, parameters: &AnyRef<'_>) -> Result<(), CertError> {
        let numbers: Vec<Option<u64>> = match elements(parameters.value()) {
            Some(members) => members.iter().skip(1).map(integer).collect(),
            None => return Ok(()),
        };
        if *oid == PBKDF2 || oid.as_bytes().starts_with(PBES1.as_bytes()) {
            return self.derivation(numbers.first().copied().flatten());
        }
        if *oid == SCRYPT {
            self.encrypted = true;
            let [Some(n), Some(r), Some(p), ..] = numbers[..] else { return Err(CertError::UnsupportedEncryption) };
            check_scrypt(n, r, p)?;
            self.scrypt_work = self.scrypt_work.saturating_add(scrypt_memory(n, r, p).saturating_mul(p));
            if self.scrypt_work > MAX_SCRYPT_WORK {
                return Err(CertError::TooExpensive(KdfLimit::ScryptParallelization));
            }
        }
        Ok(())
    }

    fn derivation(&mut self, rounds: Option<u64>) -> Result<(), CertError> {
        self.encrypted = true;
        let rounds = rounds.filter(|rounds| *rounds > 0).ok_or(CertError::UnsupportedEncryption)?;
        self.rounds = self.rounds.saturating_add(rounds);
        if rounds > MAX_ROUNDS || self.rounds > self.most_rounds {
            return Err(CertError::TooExpensive(KdfLimit::Pbkdf2Rounds));
        }
        Ok(())
    }

    /// What a failure of the library means for this file.
    pub(super) fn error(&self, why: &P12Error, passphrase: &str) -> CertError {
        let wrong = match passphrase {
            "" => CertError::PassphraseMissing,
            // Its passphrases are UCS-2 (RFC 7292 appendix B.1), which the library takes literally.
            text if text.chars().any(|c| u32::from(c) > 0xFFFF) => CertError::UnsupportedEncryption,
            _ => CertError::WrongPassphrase,
        };
        // With a right MAC the passphrase is right; without one it shows only when nothing sensible comes out.
        let in_the_dark = self.encrypted && !self.has_mac;
        match why {
            P12Error::MacError(_) => wrong,
            P12Error::UnsupportedEncryptionScheme | P12Error::UnsupportedMacAlgorithm | P12Error::InvalidParameters => {
                CertError::UnsupportedEncryption
            }
            _ if in_the_dark => wrong,
            P12Error::Pkcs5Error(_) | P12Error::UnpadError => CertError::UnsupportedEncryption,
            P12Error::X509Error(_) | P12Error::UnsupportedCertificateType => CertError::BadCertificate,
            P12Error::InvalidPrivateKey => CertError::BadKey,
            _ if passphrase.chars().any(|c| u32::from(c) > 0xFFFF) => CertError::UnsupportedEncryption,
            _ => CertError::NotPfx,
        }
    }
}

/// RFC 7914 s2, by the bounds of the core; for some of these numbers the library would panic.
fn check_scrypt(n: u64, r: u64, p: u64) -> Result<(), CertError> {
    if n < 2 || !n.is_power_of_two() || r == 0 || p == 0 {
        return Err(CertError::UnsupportedEncryption);
    }
    if p > MAX_SCRYPT_P {
        return Err(CertError::TooExpensive(KdfLimit::ScryptParallelization));
    }
    if scrypt_memory(n, r, p) > MAX_SCRYPT_MEMORY {
        return Err(CertError::TooExpensive(KdfLimit::ScryptMemory));
    }
    Ok(())
}

fn scrypt_memory(n: u64, r: u64, p: u64) -> u64 {
    r.saturating_mul(128).saturating_mul(n.saturating_add(p))
}

/// The ASN.1 elements that bytes consist of; `None` if they do not.
pub(super) fn elements(bytes: &[u8]) -> Option<Vec<AnyRef<'_>>> {
    let mut reader = SliceReader::new(bytes).ok()?;
    let mut found = Vec::new();
    while !reader.is_finished() {
        found.push(AnyRef::decode(&mut reader).ok()?);
    }
    Some(found)
}

pub(super) fn integer(element: &AnyRef<'_>) -> Option<u64> {
    element.decode_as().ok()
}
