//! `sansal certs`: what is in certificate and key files, and what belongs together.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use der::asn1::UintRef;
use der::{Decode, Reader};
use sansal::cert::{Certificate, PrivateKey, in_chain_order, is_chain};
use sansal::error::CertError;
use sansal::time::UnixTime;
use sansal_std::{Pfx, Secret, SystemClock, Time};
use serde_json::{Value, json};
use x509_cert::spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

use crate::dates::readable;
use crate::failure::Failure;
use crate::{input, output};

/// What to show.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Files with certificates and private keys: PEM, DER, or PKCS#12 (PFX), whatever their names.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// A file with the passphrase of the private keys or PFX files.
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_env")]
    passphrase_file: Option<PathBuf>,
    /// The environment variable with the passphrase of the private keys or PFX files.
    #[arg(long, value_name = "NAME")]
    passphrase_env: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A certificate that ends within so many seconds should be renewed by now: 30 days.
const SOON: u64 = 30 * 24 * 3600;
const ENDS_SOON: &str = "ENDS IN LESS THAN 30 DAYS";

/// What one file holds.
struct Content {
    name: String,
    certificates: Vec<Certificate>,
    key: Option<Key>,
}

/// A private key, as far as it can be read.
struct Key {
    encrypted: bool,
    opened: Result<PrivateKey, CertError>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let passphrase =
        input::secret("passphrase", arguments.passphrase_file.as_deref(), arguments.passphrase_env.as_deref())?;
    let mut files = Vec::new();
    for path in &arguments.files {
        let bytes = input::bytes(path)?;
        let name = path.display().to_string();
        files.push(read(&name, bytes.expose(), passphrase.as_ref())?);
    }
    if arguments.json { output::print_json(&to_json(&files)) } else { output::print(table(&files).trim_end()) }
}

fn read(name: &str, bytes: &[u8], passphrase: Option<&Secret>) -> Result<Content, Failure> {
    if Pfx::is_pfx(bytes) {
        return pfx(name, bytes, passphrase).map_err(|why| Failure::usage(format_args!("{name}: {why}")));
    }
    let certificates = match std::str::from_utf8(bytes) {
        Ok(text) => Certificate::chain(text),
        Err(_) => Certificate::from_der(bytes).map(|certificate| vec![certificate]),
    };
    let key = key(bytes, passphrase);
    match (certificates, key) {
        (Ok(certificates), key) => Ok(Content { name: name.to_owned(), certificates, key }),
        (Err(_), Some(key)) => Ok(Content { name: name.to_owned(), certificates: Vec::new(), key: Some(key) }),
        (Err(why), None) => Err(Failure::usage(format_args!("{name}: {why}"))),
    }
}

/// A PFX file shows nothing until it is opened.
fn pfx(name: &str, bytes: &[u8], passphrase: Option<&Secret>) -> Result<Content, CertError> {
    let pfx = Pfx::parse(bytes, passphrase)?;
    let key = match pfx.private_key() {
        Err(CertError::NoKeyInPfx) => None,
        opened => Some(Key { encrypted: pfx.is_encrypted(), opened: opened.cloned() }),
    };
    Ok(Content { name: name.to_owned(), certificates: pfx.certificates().to_vec(), key })
}

/// The private key in a file; `None` if there is none.
fn key(bytes: &[u8], passphrase: Option<&Secret>) -> Option<Key> {
    use CertError as C;
    let plain = PrivateKey::parse(bytes, None);
    let encrypted = match &plain {
        Ok(_) | Err(C::NotRsa | C::KeySize) => false,
        Err(C::PassphraseMissing | C::UnsupportedEncryption) => true,
        Err(_) => return None,
    };
    let opened = if encrypted && passphrase.is_some() { PrivateKey::parse(bytes, passphrase) } else { plain };
    Some(Key { encrypted, opened })
}

impl Key {
    /// The thumbprints (SHA-256) of the certificates that it belongs to.
    fn owners<'a>(&'a self, files: &'a [Content]) -> impl Iterator<Item = &'a Certificate> {
        let all = files.iter().flat_map(|file| &file.certificates);
        all.filter(|certificate| self.opened.as_ref().is_ok_and(|key| key.matches(certificate)))
    }
}

impl Content {
    /// Whether these certificates would be a chain in another order.
    fn is_out_of_order(&self) -> bool {
        let all = &self.certificates;
        !is_chain(all) && all.iter().any(|leaf| is_chain(&in_chain_order(leaf, all.clone())))
    }
}

fn to_json(files: &[Content]) -> Value {
    let now = SystemClock.now().wall;
    let certificate = |certificate: &Certificate| {
        json!({
            "subject": certificate.subject(),
            "issuer": certificate.issuer(),
            "serial": certificate.serial(),
            "not_before": readable(certificate.not_before().0),
            "not_after": readable(certificate.not_after().0),
            "valid_now": validity(certificate, now).is_none_or(|problem| problem == ENDS_SOON),
            "ends_soon": now.is_some_and(|now| certificate.expires_within(now, SOON)),
            "sha1": certificate.sha1_hex(),
            "sha256": certificate.sha256_hex(),
            "key": kind(certificate.public_key_der()),
        })
    };
    let key = |key: &Key| {
        json!({
            "encrypted": key.encrypted,
            "key": key.opened.as_ref().ok().map(|key| format!("RSA, {} bits", key.rsa_bits())),
            "problem": key.opened.as_ref().err().map(ToString::to_string),
            "belongs_to": key.owners(files).map(Certificate::sha256_hex).collect::<Vec<_>>(),
        })
    };
    let file = |file: &Content| {
        json!({
            "file": file.name,
            "certificates": file.certificates.iter().map(certificate).collect::<Vec<_>>(),
            "in_order": !file.is_out_of_order(),
            "private_key": file.key.as_ref().map(key),
        })
    };
    files.iter().map(file).collect()
}

fn table(files: &[Content]) -> String {
    let now = SystemClock.now().wall;
    let mut out = String::new();
    // Writing to a String does not fail.
    let mut line = |label: &str, text: &str| {
        let _ = writeln!(out, "  {label:<13}{}", output::one_line(text));
    };
    for file in files {
        line("file", &file.name);
        for certificate in &file.certificates {
            line("certificate", &certificate.subject());
            line("  issuer", &certificate.issuer());
            line("  serial", certificate.serial());
            line("  from", &readable(certificate.not_before().0));
            let until = readable(certificate.not_after().0);
            match validity(certificate, now) {
                Some(problem) => line("  until", &format!("{until}  {problem}")),
                None => line("  until", &until),
            }
            line("  SHA-1", &certificate.sha1_hex());
            line("  SHA-256", &certificate.sha256_hex());
            line("  key", &kind(certificate.public_key_der()));
        }
        if file.is_out_of_order() {
            line("order", "WRONG: the leaf comes first, then the issuer of each");
        }
        if let Some(key) = &file.key {
            let encrypted = if key.encrypted { "encrypted" } else { "not encrypted" };
            match &key.opened {
                Ok(opened) => line("private key", &format!("RSA, {} bits, {encrypted}", opened.rsa_bits())),
                Err(CertError::PassphraseMissing) => {
                    line("private key", "encrypted: give its passphrase by --passphrase-file or --passphrase-env")
                }
                Err(why) => line("private key", &format!("{encrypted}: {why}")),
            }
            for certificate in key.owners(files) {
                line("  belongs to", &format!("{} ({})", certificate.subject(), certificate.sha1_hex()));
            }
            if key.opened.is_ok() && key.owners(files).next().is_none() {
                line("  belongs to", "no certificate here");
            }
        }
    }
    out
}

/// What is wrong with the dates now.
fn validity(certificate: &Certificate, now: Option<UnixTime>) -> Option<&'static str> {
    let now = now?;
    match now {
        _ if now < certificate.not_before() => Some("NOT YET VALID"),
        _ if now > certificate.not_after() => Some("EXPIRED"),
        _ if certificate.expires_within(now, SOON) => Some(ENDS_SOON),
        _ => None,
    }
}

/// The kind of a public key and its size (RFC 5280 s4.1.2.7).
fn kind(spki: &[u8]) -> String {
    const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
    const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
    const CURVES: [(ObjectIdentifier, &str); 3] = [
        (ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"), "P-256"),
        (ObjectIdentifier::new_unwrap("1.3.132.0.34"), "P-384"),
        (ObjectIdentifier::new_unwrap("1.3.132.0.35"), "P-521"),
    ];
    let Ok(info) = SubjectPublicKeyInfoRef::from_der(spki) else { return "unreadable".to_owned() };
    if info.algorithm.oid == RSA {
        let bits = info.subject_public_key.as_bytes().and_then(modulus_bits);
        return bits.map_or_else(|| "RSA".to_owned(), |bits| format!("RSA, {bits} bits"));
    }
    if info.algorithm.oid == EC {
        let curve = info.algorithm.parameters_oid().ok();
        let name = CURVES.iter().find(|(oid, _)| Some(*oid) == curve).map_or("another curve", |(_, name)| name);
        return format!("EC, {name}");
    }
    info.algorithm.oid.to_string()
}

/// The size of `RSAPublicKey`'s modulus (RFC 8017 A.1.1).
fn modulus_bits(public_key: &[u8]) -> Option<usize> {
    let mut reader = der::SliceReader::new(public_key).ok()?;
    let bits = reader.sequence(|inner: &mut der::SliceReader<'_>| {
        let modulus = UintRef::decode(inner)?;
        UintRef::decode(inner)?;
        let leading = modulus.as_bytes().first().map_or(0, |byte| byte.leading_zeros());
        let whole = modulus.as_bytes().len().saturating_mul(8);
        Ok::<_, der::Error>(whole.saturating_sub(usize::try_from(leading).unwrap_or(0)))
    });
    bits.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let pem = include_str!("../../../tests/certs/rsa2048.cert.pem");
        let certificate = Certificate::from_pem(pem).expect("the file is a certificate");
        let (first, last) = (certificate.not_before(), certificate.not_after());
        let cases = [
            (first.before(1), Some("NOT YET VALID")),
            (first, None),
            (last.before(SOON), None),
            (last.before(SOON).after(1), Some(ENDS_SOON)),
            (last, Some(ENDS_SOON)),
            (last.after(1), Some("EXPIRED")),
        ];
        for (now, expected) in cases {
            assert_eq!(validity(&certificate, Some(now)), expected, "{now:?}");
        }
        assert_eq!(validity(&certificate, None), None);
    }
}
