//! All files of the oracle, and files made to be wrong.

use der::Encode;
use der::asn1::ObjectIdentifier;
use sansal::error::KdfLimit;
use sansal::key::KeyName;

use super::made::Scheme;
use super::outline::{MAX_DEPTH, MAX_ROUNDS, PBKDF2, SCRYPT};
use super::*;

const ROUNDS: u64 = MAX_PBKDF2_ROUNDS as u64;

const MODERN: &[u8] = include_bytes!("../../../../tests/certs/rsa2048.modern.pfx");
const CHAIN: &[u8] = include_bytes!("../../../../tests/certs/chain.leaf-with-intermediate.pfx");
const CERTIFICATE_ONLY: &[u8] = include_bytes!("../../../../tests/certs/rsa2048.cert-only.pfx");
const UNENCRYPTED: &[u8] = include_bytes!("../../../../tests/certs/rsa2048.unencrypted.pfx");
const RC2: &[u8] = include_bytes!("../../../../tests/certs/rsa2048.legacy-rc2-3des.pfx");
const TRIPLE_DES: &[u8] = include_bytes!("../../../../tests/certs/rsa2048.legacy-3des.pfx");
const UNICODE: &[u8] = include_bytes!("../../../../tests/certs/rsa2048.unicode-pass.pfx");
const EMPTY: &[u8] = include_bytes!("../../../../tests/certs/rsa4096.empty-pass.pfx");

const KEY_2048: &[u8] = include_bytes!("../../../../tests/certs/rsa2048.key.pkcs8.der");
const KEY_4096: &[u8] = include_bytes!("../../../../tests/certs/rsa4096.key.pkcs8.der");
const CERT_2048: &str = include_str!("../../../../tests/certs/rsa2048.cert.pem");
const CERT_4096: &str = include_str!("../../../../tests/certs/rsa4096.cert.pem");
const CHAIN_PEM: &str = include_str!("../../../../tests/certs/chain.leaf-intermediate-root.pem");
const CHAIN_KEY: &str = include_str!("../../../../tests/certs/chain.leaf.key.pem");

fn parse(bytes: &[u8], passphrase: &str) -> Result<Pfx, CertError> {
    Pfx::parse(bytes, Some(&Secret::from(passphrase)))
}

fn certificates(pem: &str) -> Vec<Certificate> {
    Certificate::chain(pem).unwrap()
}

#[test]
fn every_file_of_the_oracle() {
    let chain_key = PrivateKey::parse(CHAIN_KEY.as_bytes(), None).unwrap();
    let mut leaf_and_intermediate = certificates(CHAIN_PEM);
    leaf_and_intermediate.truncate(2);
    let rsa2048 = certificates(CERT_2048);
    let cases: &[(&str, &[u8], &str, &[u8], &[Certificate])] = &[
        ("modern", MODERN, "oracle-pass", KEY_2048, &rsa2048),
        ("rc2", RC2, "oracle-pass", KEY_2048, &rsa2048),
        ("3des", TRIPLE_DES, "oracle-pass", KEY_2048, &rsa2048),
        ("unicode", UNICODE, "pässwörd ✓", KEY_2048, &rsa2048),
        ("unencrypted", UNENCRYPTED, "", KEY_2048, &rsa2048),
        ("empty", EMPTY, "", KEY_4096, &certificates(CERT_4096)),
        ("chain", CHAIN, "oracle-pass", chain_key.pkcs8_der(), &leaf_and_intermediate),
    ];
    for (name, bytes, passphrase, key, expected) in cases {
        assert!(Pfx::is_pfx(bytes), "{name}");
        let pfx = parse(bytes, passphrase).expect(name);
        let (found, leaf) = pfx.identity().expect(name);
        assert_eq!(found.pkcs8_der(), *key, "{name}");
        assert_eq!(leaf, &expected[0], "{name}");
        assert_eq!(pfx.certificates(), *expected, "{name}");
        if passphrase.is_empty() {
            assert!(Pfx::parse(bytes, None).is_ok(), "{name}");
        } else {
            assert!(pfx.is_encrypted());
            assert_eq!(Pfx::parse(bytes, None).unwrap_err(), CertError::PassphraseMissing, "{name}");
            assert_eq!(parse(bytes, "wrong").unwrap_err(), CertError::WrongPassphrase, "{name}");
            assert_eq!(parse(bytes, "\u{1F511}").unwrap_err(), CertError::UnsupportedEncryption, "{name}");
        }
    }
    assert_eq!(parse(EMPTY, "wrong").unwrap_err(), CertError::WrongPassphrase);
}

#[test]
fn a_certificate_without_a_key() {
    let pfx = parse(CERTIFICATE_ONLY, "oracle-pass").unwrap();
    assert_eq!(pfx.certificates(), certificates(CERT_2048));
    assert_eq!(pfx.private_key().unwrap_err(), CertError::NoKeyInPfx);
    assert_eq!(pfx.identity().unwrap_err(), CertError::NoKeyInPfx);
}

#[test]
fn what_is_not_a_pfx() {
    let der = include_bytes!("../../../../tests/certs/rsa2048.cert.der");
    let others: &[&[u8]] =
        &[b"", b"0", CERT_2048.as_bytes(), der, KEY_2048, &[0x30, 0x80], &MODERN[..MODERN.len() - 1]];
    for bytes in others {
        assert!(!Pfx::is_pfx(bytes));
        assert_eq!(parse(bytes, "oracle-pass").unwrap_err(), CertError::NotPfx);
    }
    assert_eq!(parse(&vec![0x30; MAX_PFX + 1], "").unwrap_err(), CertError::TooLong);
}

#[test]
fn broken_files_are_errors() {
    let mut refused = 0;
    for file in [MODERN, RC2, UNENCRYPTED] {
        for at in (0..file.len()).step_by(67) {
            let mut changed = file.to_vec();
            changed[at] ^= 0x21;
            refused += usize::from(parse(&changed, "oracle-pass").is_err());
        }
    }
    assert!(refused > 60, "{refused}");
}

fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    made::element(tag, parts).unwrap()
}

fn int(value: i64) -> Vec<u8> {
    value.to_der().unwrap()
}

fn octets(bytes: &[u8]) -> Vec<u8> {
    made::octets(bytes).unwrap()
}

/// An algorithm with these parameters, where the encrypted data of a PFX has it.
fn file(oid: ObjectIdentifier, parameters: &[&[u8]], mac_rounds: Option<i64>) -> Vec<u8> {
    let algorithm = element(0x30, &[&oid.to_der().unwrap(), &element(0x30, parameters)]);
    in_file(&element(0x30, &[&element(0x30, &[&algorithm, &octets(b"12345678")])]), mac_rounds)
}

/// A file with this `AuthenticatedSafe` (RFC 7292 s4.1).
fn in_file(safe: &[u8], mac_rounds: Option<i64>) -> Vec<u8> {
    let sha1 = ObjectIdentifier::new_unwrap("1.3.14.3.2.26").to_der().unwrap();
    let digest = element(0x30, &[&element(0x30, &[&sha1]), &octets(&[0; 20])]);
    let mac = mac_rounds.map(|rounds| element(0x30, &[&digest, &octets(b"saltsalt"), &int(rounds)]));
    made::file(safe, mac.as_deref()).unwrap()
}

#[test]
fn cost_is_bounded_before_any_work() {
    use CertError::{TooExpensive, UnsupportedEncryption};
    use KdfLimit::{Pbkdf2Rounds, ScryptMemory, ScryptParallelization};
    let triple_des = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.3");
    let salt = &octets(b"saltsalt")[..];
    let scrypt = |n, r, p| file(SCRYPT, &[salt, &int(n), &int(r), &int(p)], None);
    let max = i64::try_from(MAX_ROUNDS).unwrap();
    let cases = [
        ("pbes1", file(triple_des, &[salt, &int(max + 1)], None), Some(TooExpensive(Pbkdf2Rounds))),
        ("pbes1, most", file(triple_des, &[salt, &int(max)], None), None),
        ("pbes1, none", file(triple_des, &[salt, &int(0)], None), Some(UnsupportedEncryption)),
        ("pbes1, negative", file(triple_des, &[salt, &int(-1)], None), Some(UnsupportedEncryption)),
        ("pbes1, absent", file(triple_des, &[salt], None), Some(UnsupportedEncryption)),
        ("pbkdf2", file(PBKDF2, &[salt, &int(i64::MAX)], None), Some(TooExpensive(Pbkdf2Rounds))),
        ("mac", file(PBKDF2, &[salt, &int(1)], Some(max + 1)), Some(TooExpensive(Pbkdf2Rounds))),
        ("mac, none", file(PBKDF2, &[salt, &int(1)], Some(0)), Some(UnsupportedEncryption)),
        ("together", file(PBKDF2, &[salt, &int(max)], Some(max)), None),
        ("scrypt", scrypt(2, 1, 1), None),
        ("scrypt, n", scrypt(0, 8, 1), Some(UnsupportedEncryption)),
        ("scrypt, n", scrypt(3, 8, 1), Some(UnsupportedEncryption)),
        ("scrypt, n", scrypt(1 << 62, 8, 1), Some(TooExpensive(ScryptMemory))),
        ("scrypt, r", scrypt(2, 0, 1), Some(UnsupportedEncryption)),
        ("scrypt, p", scrypt(2, 1, 17), Some(TooExpensive(ScryptParallelization))),
    ];
    for (name, bytes, expected) in cases {
        assert_eq!(Outline::of(&bytes, ROUNDS).err(), expected, "{name}");
        if let Some(expected) = expected {
            assert_eq!(parse(&bytes, "x").unwrap_err(), expected, "{name}");
        }
    }
    // Many cheap ones are an expensive one.
    let many = |oid: ObjectIdentifier, parameters: &[&[u8]], count| {
        let algorithm = element(0x30, &[&oid.to_der().unwrap(), &element(0x30, parameters)]);
        in_file(&element(0x30, &vec![&algorithm[..]; count]), None)
    };
    let dear: &[&[u8]] = &[salt, &int(1 << 15), &int(8), &int(16)];
    for (bytes, expected) in [
        (many(PBKDF2, &[salt, &int(max)], 2), None),
        (many(PBKDF2, &[salt, &int(max)], 3), Some(TooExpensive(Pbkdf2Rounds))),
        (many(SCRYPT, dear, 1), None),
        (many(SCRYPT, dear, 2), Some(TooExpensive(ScryptParallelization))),
    ] {
        assert_eq!(Outline::of(&bytes, ROUNDS).err(), expected);
    }
    // Nesting without end.
    let mut deep = octets(b"");
    for _ in 0..=MAX_DEPTH {
        deep = element(0x30, &[&deep]);
    }
    assert_eq!(Outline::of(&in_file(&deep, None), ROUNDS).err(), Some(CertError::NotPfx));
}

/// The library does not survive some of these, and works for hours at others.
#[test]
fn cost_is_bounded_inside_encrypted_parts() {
    use CertError::{TooExpensive, UnsupportedEncryption};
    use KdfLimit::{Pbkdf2Rounds, ScryptMemory, ScryptParallelization};
    let salt = &octets(b"saltsalt")[..];
    let max = i64::try_from(MAX_ROUNDS).unwrap();
    let pbes2 = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13").to_der().unwrap();
    let aes = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.2").to_der().unwrap();
    let aes = element(0x30, &[&aes, &octets(&[0; 16])]);
    let shrouded = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.2").to_der().unwrap();
    // `SafeContents` (RFC 7292 s4.2) with a key under PBES2 with this derivation, several times.
    let keys = |kdf: ObjectIdentifier, parameters: &[&[u8]], count| {
        let kdf = element(0x30, &[&kdf.to_der().unwrap(), &element(0x30, parameters)]);
        let algorithm = element(0x30, &[&pbes2, &element(0x30, &[&kdf, &aes])]);
        let key = element(0x30, &[&algorithm, &octets(&[0; 16])]);
        element(0x30, &vec![&element(0x30, &[&shrouded, &element(0xA0, &[&key])])[..]; count])
    };
    let scrypt = |n, r, p| keys(SCRYPT, &[salt, &int(n), &int(r), &int(p)], 1);
    let cases = [
        ("scrypt, n", scrypt(0, 8, 1), UnsupportedEncryption),
        ("scrypt, n", scrypt(3, 8, 1), UnsupportedEncryption),
        ("scrypt, n", scrypt(1, 8, 1), UnsupportedEncryption),
        ("scrypt, r", scrypt(2, 0, 1), UnsupportedEncryption),
        ("scrypt, p", scrypt(2, 8, 0), UnsupportedEncryption),
        ("scrypt, memory", scrypt(1 << 20, 8, 1), TooExpensive(ScryptMemory)),
        ("scrypt, p", scrypt(2, 1, 17), TooExpensive(ScryptParallelization)),
        ("rounds", keys(PBKDF2, &[salt, &int(0)], 1), UnsupportedEncryption),
        ("rounds", keys(PBKDF2, &[salt, &int(max + 1)], 1), TooExpensive(Pbkdf2Rounds)),
        ("many keys", keys(PBKDF2, &[salt, &int(max)], 500), TooExpensive(Pbkdf2Rounds)),
        // What costs little goes to the library, which finds no key.
        ("cheap", scrypt(2, 1, 1), CertError::WrongPassphrase),
    ];
    for (name, contents, expected) in cases {
        for scheme in Scheme::ALL {
            let file = made::encrypted(&contents, scheme, "x").unwrap();
            assert_eq!(parse(&file, "x").err(), Some(expected), "{name}, {scheme:?}");
        }
    }
}

#[test]
fn what_is_sent() {
    let pfx = parse(CHAIN, "oracle-pass").unwrap();
    let leaf = &certificates(CHAIN_PEM)[0];
    let all: Vec<String> = certificates(CHAIN_PEM).iter().map(Certificate::x5c).collect();
    let cases = [
        (X5c::None, vec![]),
        (X5c::Leaf, vec![leaf.x5c()]),
        (X5c::Text(CHAIN_PEM.to_owned()), all),
        (X5c::Text(leaf.x5c()), vec![leaf.x5c()]),
    ];
    for (x5c, expected) in cases {
        let credential = pfx.credential(Signer::External(KeyName("k".into())), &x5c).unwrap();
        assert_eq!((credential.x5t(), credential.x5t_s256()), (Some(leaf.sha1()), Some(leaf.sha256())));
        // Section 1.5 of the reference, the rows of PFX.
        for (adfs, alg) in [(false, "Ps256"), (true, "Rs256")] {
            let header = credential.assertion_header(adfs);
            assert_eq!(format!("{:?}", header.alg), alg);
            assert_eq!(header.x5c, expected, "{x5c:?}");
            assert_eq!((header.x5t.is_some(), header.x5t_s256.is_some()), (adfs, !adfs));
        }
    }
}

#[test]
fn debug_shows_no_key() {
    let shown = format!("{:?}", parse(MODERN, "oracle-pass").unwrap());
    assert!(shown.contains("RSA, 2048 bits") && shown.len() < 300, "{shown}");
}
