//! Keys in a SoftHSM2 token: every algorithm, checked by `ring`; what is missing or wrong, each by name; sessions that go away.
//!
//! `tests/run interop` makes the token (tests/lab/with-softhsm); without one (`SANSAL_HSM` is unset) these tests say that they are
//! left out, and fail where `CI` is `true`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use cryptoki::context::Pkcs11;
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;
use cryptoki::session::UserType;
use cryptoki::types::AuthPin;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use sansal::cert::PrivateKey;
use sansal::client::Client;
use sansal::error::AskError;
use sansal::jose::{Compact, Jwk, PublicKey};
use sansal::key::{Algorithm, KeyName, KeyProtection};
use sansal::pop::dpop::Proof;
use sansal::{Prove, Store};
use sansal_std::{
    CertificateCredential, ConfidentialClient, Driver, Keys, Pkcs11Error, Pkcs11Key, Pkcs11KeyBuilder, SetupError,
    SigningKey, SystemRandom, UreqClient,
};

const TOKEN: &str = "sansal";
const PIN: &str = "1234";

/// The token. The login belongs to the whole process, so that one test at a time has it.
struct Token {
    module: PathBuf,
    folder: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

impl Token {
    /// The token, or `None` with a word about it.
    fn find() -> Option<Self> {
        static ALONE: Mutex<()> = Mutex::new(());
        let (Some(module), Some(folder)) = (variable("SANSAL_HSM"), variable("SANSAL_HSM_DIR")) else {
            let elsewhere = variable("SANSAL_LAB").is_some_and(|text| text == "elsewhere");
            assert!(elsewhere || variable("CI").is_none_or(|ci| ci != "true"), "no token: run tests/run interop");
            eprintln!("left out: no PKCS#11 token; tests/run interop makes one");
            return None;
        };
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Self { module: module.into(), folder: folder.into(), _alone: alone })
    }

    fn builder(&self) -> Pkcs11KeyBuilder {
        Pkcs11Key::builder(&self.module).token(TOKEN).pin(PIN)
    }

    /// A new file of that name with that text.
    fn write(&self, name: &str, text: &[u8]) -> String {
        let path = self.folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Under the label "decrypts"; neither of SoftHSM's tools leaves `CKA_SIGN` out.
    fn make_key_that_cannot_sign(&self) {
        let context = Pkcs11::new(&self.module).unwrap();
        let slot = context.get_slots_with_initialized_token().unwrap()[0];
        let session = context.open_rw_session(slot).unwrap();
        match session.login(UserType::User, Some(&AuthPin::new(PIN.into()))) {
            Ok(()) | Err(cryptoki::error::Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(why) => panic!("{why}"),
        }
        let public = [Attribute::ModulusBits(2048.into()), Attribute::PublicExponent(vec![1, 0, 1])];
        let label = Attribute::Label(b"decrypts".to_vec());
        let private = [Attribute::Token(true), Attribute::Private(true), Attribute::Sign(false), label];
        session.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &private).unwrap();
    }

    /// What a process of its own says that opens the key "rsa" with this PIN.
    fn elsewhere(&self, pin: &str) -> String {
        let mut child = Command::new(std::env::current_exe().unwrap());
        let output = child.args(["--exact", "child", "--nocapture"]).env("SANSAL_TEST_PIN", pin).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

#[expect(clippy::disallowed_methods, reason = "the token is named by variables")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn verifies(key: &Jwk, alg: Algorithm, message: &[u8], signature: &[u8]) -> bool {
    match (key.key(), alg) {
        (PublicKey::P256 { x, y }, Algorithm::Es256) => {
            let point = [&[4], x.as_slice(), y].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
        }
        (PublicKey::Rsa { n, e }, Algorithm::Rs256) => {
            RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
        }
        (PublicKey::Rsa { n, e }, Algorithm::Ps256) => {
            RsaPublicKeyComponents { n, e }.verify(&RSA_PSS_2048_8192_SHA256, message, signature).is_ok()
        }
        _ => panic!("a key of another kind"),
    }
}

#[test]
fn each_algorithm() {
    let Some(token) = Token::find() else { return };
    let known = include_bytes!("../certs/rsa2048.key.pkcs8.pem");
    let known = PrivateKey::parse(known, None).unwrap().public_key().unwrap();
    for (name, alg, public) in [
        ("rsa", Algorithm::Rs256, Some(&known)),
        ("rsa", Algorithm::Ps256, Some(&known)),
        ("made", Algorithm::Ps256, None),
        ("ec", Algorithm::Es256, None),
    ] {
        let key = token.builder().label(name).open().unwrap();
        let own = key.public_key().unwrap();
        assert!(public.is_none_or(|public| *public == own), "{name}");
        let signature = key.sign(alg, b"message").unwrap();
        assert!(verifies(&own, alg, b"message", &signature), "{name} {alg:?}");
        assert!(!verifies(&own, alg, b"massage", &signature), "{name} {alg:?}");
        // SoftHSM says itself that it is no device.
        assert_eq!(key.protection(), KeyProtection::Software);
        let other = if alg == Algorithm::Es256 { Algorithm::Ps256 } else { Algorithm::Es256 };
        assert_eq!(key.sign(other, b"m"), Err(AskError::NotSupported), "{name}");
    }
    let by_id = token.builder().id(&[2]).protection(KeyProtection::Hardware).open().unwrap();
    assert_eq!(by_id.public_key(), token.builder().label("made").open().unwrap().public_key());
    assert_eq!(by_id.protection(), KeyProtection::Hardware);
}

#[test]
fn by_address() {
    let Some(token) = Token::find() else { return };
    let module = token.module.display();
    let pin = token.write("pin", b"1234\n");
    let uri = format!("pkcs11:token={TOKEN};object=rsa;id=%01;type=private?module-path={module}&pin-source=file:{pin}");
    let key = Pkcs11Key::from_uri(&uri).unwrap().open().unwrap();
    assert_eq!(key.sign(Algorithm::Rs256, b"m").unwrap().len(), 256);
    let shown = format!("{key:?} {:?}", Pkcs11Key::from_uri(&uri).unwrap());
    assert!(shown.contains("\"rsa\" with the id 01") && !shown.contains(PIN), "{shown}");
}

#[test]
fn what_is_missing_or_wrong() {
    let Some(token) = Token::find() else { return };
    let rsa = || token.builder().label("rsa");
    let open = |builder: Pkcs11KeyBuilder| builder.open().map(|_| ()).unwrap_err();
    let missing = open(Pkcs11Key::builder("/nonexistent/module.so").label("rsa"));
    assert!(matches!(&missing, Pkcs11Error::Module { path, .. } if path.ends_with("module.so")), "{missing}");
    let no_module = open(Pkcs11Key::builder(token.write("text.so", b"no library")));
    assert!(matches!(&no_module, Pkcs11Error::Module { .. }), "{no_module}");
    let no_token = open(Pkcs11Key::builder(&token.module).token("another").pin(PIN).label("rsa"));
    assert_eq!(no_token, Pkcs11Error::NoToken { found: vec![TOKEN.to_owned()] });
    assert_eq!(open(token.builder().label("another")), Pkcs11Error::NoKey("\"another\"".to_owned()));
    let ids = open(token.builder().label("rsa").id(&[2]));
    assert_eq!(ids, Pkcs11Error::NoKey("\"rsa\" with the id 02".to_owned()));
    assert_eq!(open(token.builder()), Pkcs11Error::ManyKeys("of any name".to_owned()));
    token.make_key_that_cannot_sign();
    assert_eq!(open(token.builder().label("decrypts")), Pkcs11Error::CannotSign);
    assert_eq!(open(token.builder().label("p384")), Pkcs11Error::KeyKind);
    assert_eq!(open(rsa().serial("0000")), Pkcs11Error::NoToken { found: vec![TOKEN.to_owned()] });
    // A session that is logged in lets every other one in, so these need a process without one.
    for (pin, expected) in [("wrong", "does not take this PIN"), ("", "wants a PIN")] {
        let said = token.elsewhere(pin);
        assert!(said.contains(expected), "{said}");
    }
    assert!(token.elsewhere(PIN).contains("signed 256 bytes"));
    for why in [missing, no_token, ids] {
        let line = SetupError::from(why).to_string();
        assert!(!line.contains(PIN) && line.contains("PKCS#11"), "{line}");
    }
}

/// Run by [`Token::elsewhere`] in a process of its own.
#[test]
fn child() {
    let (Some(pin), Some(module)) = (variable("SANSAL_TEST_PIN"), variable("SANSAL_HSM")) else { return };
    let builder = Pkcs11Key::builder(module).token(TOKEN).label("rsa");
    let builder = if pin.is_empty() { builder } else { builder.pin(pin) };
    match builder.open() {
        Ok(key) => println!("signed {} bytes", key.sign(Algorithm::Rs256, b"m").unwrap().len()),
        Err(why) => println!("{why}"),
    }
}

#[test]
fn sessions_come_back() {
    let Some(token) = Token::find() else { return };
    let key = Arc::new(token.builder().label("rsa").open().unwrap());
    let public = key.public_key().unwrap();
    // Somebody else in this process logs out, or is done with the module: handles and login are gone.
    let log_out = || {
        let context = Pkcs11::new(&token.module).unwrap();
        let slot = context.get_slots_with_initialized_token().unwrap()[0];
        context.open_ro_session(slot).unwrap().logout().unwrap();
    };
    let finalize = || Pkcs11::new(&token.module).unwrap().finalize().unwrap();
    let ways: [(&str, &dyn Fn()); 4] =
        [("log out", &log_out), ("finalize", &finalize), ("finalize", &finalize), ("log out", &log_out)];
    for (way, end) in ways {
        end();
        let signature = key.sign(Algorithm::Ps256, b"m").unwrap_or_else(|why| panic!("{way}: {why}"));
        assert!(verifies(&public, Algorithm::Ps256, b"m", &signature), "{way}");
    }
    let threads: Vec<_> = (0..4_u8)
        .map(|n| {
            let key = Arc::clone(&key);
            thread::spawn(move || (0..5).map(|m| key.sign(Algorithm::Rs256, &[n, m]).unwrap()).collect::<Vec<_>>())
        })
        .collect();
    for (n, thread) in (0..).zip(threads) {
        for (m, signature) in (0..).zip(thread.join().unwrap()) {
            assert!(verifies(&public, Algorithm::Rs256, &[n, m], &signature), "{n} {m}");
        }
    }
}

#[test]
fn proofs_are_signed_in_the_token() {
    let Some(token) = Token::find() else { return };
    let (keys, name) = (Keys::new(), KeyName("in the token".into()));
    keys.hold(name.clone(), token.builder().label("ec").protection(KeyProtection::Hardware).open().unwrap());
    let key = keys.pop_key(&name, Algorithm::Es256).unwrap();
    assert_eq!(key.protection(), Some(KeyProtection::Hardware));
    let client = Client::builder("app").build().unwrap();
    let driver = Driver::new(Arc::new(UreqClient::builder().build().unwrap()), Store::new(&mut SystemRandom).unwrap());
    let proof = Proof { method: "GET", url: "https://r.example/", access_token: Some("t"), nonce: None };
    let text = driver.drive(&client, Prove::dpop(proof, &key), &keys).unwrap();
    let jws = Compact::parse(text.expose()).unwrap();
    let message = jws.signing_input().as_bytes();
    assert!(verifies(key.jwk(), Algorithm::Es256, message, &jws.decode_signature().unwrap()));
}

#[test]
fn the_certificate_must_be_the_keys() {
    let Some(token) = Token::find() else { return };
    let build = |name: &str| {
        let key = token.builder().label(name).open().unwrap();
        let certificate = include_str!("../certs/rsa2048.cert.pem");
        let credential = CertificateCredential::held(key).certificate(certificate);
        let authority = "https://login.microsoftonline.com/t";
        ConfidentialClient::builder("app").authority(authority).certificate(credential).build()
    };
    assert!(build("rsa").is_ok());
    for other in ["made", "ec"] {
        let why = build(other).map(|_| ()).unwrap_err();
        assert!(why.to_string().contains("another private key"), "{why}");
    }
}
