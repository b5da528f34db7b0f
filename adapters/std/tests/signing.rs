//! Who signs: keys in memory by each library of this build, keys made here, and a key service behind a socket, which is also
//! unkind. Another library than the one that signs says whether a signature is right, where the build has one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::arithmetic_side_effects, clippy::disallowed_methods, reason = "tests")]

#[path = "support/sim.rs"]
mod sim;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use sansal_sim::{CLIENT_CERTIFICATE, CLIENT_KEY, CONTOSO_CLIENT, Platform, Resource};
use sansal_std::sansal::cert::PrivateKey;
use sansal_std::sansal::client::Client;
use sansal_std::sansal::error::{AskError, CertError, Config};
use sansal_std::sansal::jose::{Compact, Jwk, PublicKey};
use sansal_std::sansal::key::{Algorithm, KeyName, KeyProtection};
use sansal_std::sansal::pop::dpop::Proof;
use sansal_std::sansal::pop::shr::{Profile, SignedRequest};
use sansal_std::sansal::secret::SecretBytes;
use sansal_std::sansal::{HeldKey, Prove, Store};
use sansal_std::{
    Asks, CertificateCredential, ConfidentialClient, Driver, Error, Keys, NoAsks, RingKey, Secret, SetupError,
    SigningKey, SoftwareKey, SystemRandom, UreqClient,
};
use sim::{AUTHORITY, Sim};

const KEY: &[u8] = include_bytes!("../../../tests/certs/rsa2048.key.pkcs8.pem");
const LONG_KEY: &[u8] = include_bytes!("../../../tests/certs/rsa4096.key.pkcs8.pem");
const CERTIFICATE: &str = include_str!("../../../tests/certs/rsa2048.cert.pem");

/// Whether every library here takes the signature.
fn verifies(key: &Jwk, alg: Algorithm, message: &[u8], signature: &[u8]) -> bool {
    macro_rules! by {
        ($library:ident) => {{
            use $library::signature::*;
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
        }};
    }
    let all = [
        by!(ring),
        #[cfg(feature = "aws-lc-rs")]
        by!(aws_lc_rs),
    ];
    assert!(all.iter().all(|one| *one == all[0]), "the libraries disagree");
    all[0]
}

fn p256_der() -> SecretBytes {
    let pem = include_str!("../../../tests/certs/ec256.key.pkcs8.pem");
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    SecretBytes::new(sansal_std::sansal::base64::std_decode(&body).unwrap())
}

/// Each kind of key with each library.
fn keys() -> Vec<(String, Algorithm, Box<dyn SigningKey>)> {
    let mut all: Vec<(String, Algorithm, Box<dyn SigningKey>)> = Vec::new();
    macro_rules! by {
        ($kind:ident) => {
            for (text, bits) in [(KEY, 2048), (LONG_KEY, 4096)] {
                for alg in [Algorithm::Rs256, Algorithm::Ps256] {
                    let key = $kind::new(&PrivateKey::parse(text, None).unwrap()).unwrap();
                    all.push((format!("{} {bits}", stringify!($kind)), alg, Box::new(key)));
                }
            }
            for key in [$kind::es256(&p256_der()).unwrap(), $kind::generate(Algorithm::Es256).unwrap()] {
                all.push((format!("{} P-256", stringify!($kind)), Algorithm::Es256, Box::new(key)));
            }
        };
    }
    by!(RingKey);
    #[cfg(feature = "aws-lc-rs")]
    {
        use sansal_std::AwsLcKey;
        by!(AwsLcKey);
        let made = AwsLcKey::generate(Algorithm::Rs256).unwrap();
        all.push(("AwsLcKey, made".to_owned(), Algorithm::Ps256, Box::new(made)));
    }
    all
}

#[test]
fn each_library_signs_each_way() {
    for (name, alg, key) in keys() {
        let public = key.public_key().unwrap();
        let signature = key.sign(alg, b"message").unwrap();
        assert!(verifies(&public, alg, b"message", &signature), "{name} {alg:?}");
        assert!(!verifies(&public, alg, b"massage", &signature), "{name} {alg:?}");
        // RS256 is deterministic (RFC 8017 s8.2); PS256 and ES256 draw a number each time.
        assert_eq!(key.sign(alg, b"message").unwrap() == signature, alg == Algorithm::Rs256, "{name} {alg:?}");
        assert_eq!(key.protection(), KeyProtection::Software);
        let other = if alg == Algorithm::Es256 { Algorithm::Rs256 } else { Algorithm::Es256 };
        assert_eq!(key.sign(other, b"message"), Err(AskError::NotSupported), "{name}");
        if alg == Algorithm::Rs256 && name.ends_with("2048") {
            // `openssl dgst -sha256 -sign rsa2048.key.pkcs8.pem`, first and last four bytes.
            assert_eq!(
                (&signature[..4], &signature[252..]),
                (&[0x78, 0x06, 0x47, 0xA0][..], &[0x2E, 0xE8, 0xCD, 0xD6][..])
            );
        }
    }
    assert!(RingKey::es256(&SecretBytes::from(&b"no key"[..])).is_err());
    assert_eq!(RingKey::generate(Algorithm::Ps256).err(), Some(AskError::NotSupported));
    let shown = format!("{:?}", RingKey::es256(&p256_der()).unwrap());
    assert!(shown.starts_with("RingKey(") && shown.len() == 52, "{shown}");
}

#[test]
fn keys_that_are_made_here_prove_requests() {
    // A machine asks for a key, others for proofs by it; nobody but the holder ever has the private half.
    let keys = Keys::new();
    let client = Client::builder("app").build().unwrap();
    let driver = Driver::new(Arc::new(UreqClient::builder().build().unwrap()), Store::new(&mut SystemRandom).unwrap());
    let key = driver.drive(&client, HeldKey::generated(Algorithm::Es256), &keys).unwrap();
    assert_eq!(key.name(), Some(&KeyName(key.thumbprint())));
    assert_eq!(key.protection(), Some(KeyProtection::Software));
    let named = HeldKey::named(KeyName(key.thumbprint()), Algorithm::Es256);
    assert_eq!(driver.drive(&client, named, &keys).unwrap().jwk(), key.jwk());
    assert_eq!(keys.pop_key(key.name().unwrap(), Algorithm::Es256).unwrap().jwk(), key.jwk());

    let token = Secret::from("the token");
    let url = "https://r.example/a?b";
    let request = SignedRequest { method: "GET", url, nonce: None, profile: Profile::Entra { client_claims: None } };
    let proof = Proof { method: "GET", url, access_token: Some(token.expose()), nonce: Some("n") };
    for prove in [Prove::signed_request(request, &token, &key), Prove::dpop(proof, &key)] {
        let text = driver.drive(&client, prove, &keys).unwrap();
        let jws = Compact::parse(text.expose()).unwrap();
        let signature = jws.decode_signature().unwrap();
        assert!(verifies(key.jwk(), Algorithm::Es256, jws.signing_input().as_bytes(), &signature));
    }
    let error = driver.drive(&client, Prove::dpop(proof, &key), &NoAsks).unwrap_err();
    assert!(matches!(error, Error::Unanswered { ask: "signature", why: AskError::NotSupported }), "{error}");
    let unknown = HeldKey::named(KeyName("another".into()), Algorithm::Es256);
    let error = driver.drive(&client, unknown, &keys).unwrap_err();
    assert!(matches!(error, Error::Unanswered { ask: "public key", why: AskError::NotFound }), "{error}");
    let error =
        driver.drive(&client, HeldKey::named(key.name().unwrap().clone(), Algorithm::Rs256), &keys).unwrap_err();
    assert!(matches!(error, Error::Config(Config::Certificate(CertError::WrongAlgorithm))), "{error}");
    assert_eq!(format!("{keys:?}"), format!("{{KeyName({:?})}}", key.thumbprint()));
}

/// What a key service does when it is asked.
#[derive(Clone, Copy, Debug)]
enum Mood {
    Signs,
    Forbids,
    HangsUp,
    Sleeps,
}

/// A key behind a socket: the length of the message and the message go there, `+` and a signature or `-` come back.
struct RemoteKey(SocketAddr, Option<Jwk>, Duration);

impl RemoteKey {
    /// A service on loopback, which ends with the process.
    fn served(mood: Mood, public: Option<Jwk>) -> Self {
        let key = SoftwareKey::new(&PrivateKey::parse(CLIENT_KEY.as_bytes(), None).unwrap()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut head = [0; 6];
                stream.read_exact(&mut head).unwrap();
                let alg = if head[0] == b'P' { Algorithm::Ps256 } else { Algorithm::Rs256 };
                let mut message = vec![0; usize::from(u16::from_be_bytes([head[4], head[5]]))];
                stream.read_exact(&mut message).unwrap();
                let _ = match mood {
                    Mood::Signs => stream.write_all(&[b"+", key.sign(alg, &message).unwrap().as_slice()].concat()),
                    Mood::Forbids => stream.write_all(b"-"),
                    Mood::HangsUp => stream.shutdown(Shutdown::Both),
                    Mood::Sleeps => stream.read(&mut head).map(|_| ()),
                };
            }
        });
        // A service that answers may need long on a busy machine; one that does not is given up soon.
        let patience = if matches!(mood, Mood::Sleeps) { Duration::from_millis(300) } else { Duration::from_secs(60) };
        Self(address, public, patience)
    }

    fn ask(&self, alg: Algorithm, message: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(self.0)?;
        stream.set_read_timeout(Some(self.2))?;
        let length = u16::try_from(message.len()).map_err(io::Error::other)?.to_be_bytes();
        stream.write_all(&[&alg.as_str().as_bytes()[..4], &length, message].concat())?;
        let mut sign = [0];
        stream.read_exact(&mut sign)?;
        if sign == *b"-" {
            return Err(ErrorKind::PermissionDenied.into());
        }
        let mut signature = Vec::new();
        stream.read_to_end(&mut signature)?;
        Ok(signature)
    }
}

impl SigningKey for RemoteKey {
    fn sign(&self, alg: Algorithm, message: &[u8]) -> Result<Vec<u8>, AskError> {
        self.ask(alg, message).map_err(|why| match why.kind() {
            ErrorKind::PermissionDenied => AskError::Denied,
            ErrorKind::WouldBlock | ErrorKind::TimedOut => AskError::TimedOut,
            _ => AskError::Failed,
        })
    }

    fn public_key(&self) -> Result<Jwk, AskError> {
        self.1.clone().ok_or(AskError::NotSupported)
    }

    fn protection(&self) -> KeyProtection {
        KeyProtection::Hardware
    }
}

fn client(sim: &Sim, credential: CertificateCredential) -> Result<ConfidentialClient, SetupError> {
    let builder = ConfidentialClient::builder(CONTOSO_CLIENT).authority(AUTHORITY).certificate(credential);
    builder.http_client(sim.clone()).time(sim.clone()).build()
}

#[test]
fn a_key_service_signs_assertions() {
    // The simulated platform checks each assertion by the certificate it knows (webpki).
    let sim = Sim::new();
    let public = PrivateKey::parse(CLIENT_KEY.as_bytes(), None).unwrap().public_key().unwrap();
    for known in [Some(public), None] {
        let credential =
            CertificateCredential::held(RemoteKey::served(Mood::Signs, known)).certificate(CLIENT_CERTIFICATE);
        let token =
            client(&sim, credential).unwrap().acquire_token_for_client(&["https://graph.microsoft.com/.default"]);
        assert_eq!(token.unwrap().key_protection(), None, "a bearer token is bound to no key");
    }
    for (mood, expected) in
        [(Mood::Forbids, AskError::Denied), (Mood::HangsUp, AskError::Failed), (Mood::Sleeps, AskError::TimedOut)]
    {
        let credential = CertificateCredential::held(RemoteKey::served(mood, None)).certificate(CLIENT_CERTIFICATE);
        let before = sim.sent().len();
        let error =
            client(&sim, credential).unwrap().acquire_token_for_client(&["https://graph.microsoft.com/.default"]);
        match error.unwrap_err() {
            Error::Unanswered { ask: "signature", why } => assert_eq!(why, expected, "{mood:?}"),
            other => panic!("{mood:?}: {other}"),
        }
        assert_eq!(sim.sent().len(), before, "{mood:?}: a token was asked for without a signature");
    }
}

#[test]
fn what_does_not_go_with_a_held_key() {
    let sim = Sim::new();
    let public = PrivateKey::parse(CLIENT_KEY.as_bytes(), None).unwrap().public_key().unwrap();
    let held = |public| CertificateCredential::held(RemoteKey::served(Mood::Signs, public));
    let why = |credential| match client(&sim, credential).map(|_| ()).unwrap_err() {
        SetupError::Client(Error::Config(Config::Certificate(why))) => why,
        other => panic!("{other}"),
    };
    assert_eq!(why(held(Some(public)).certificate(CERTIFICATE)), CertError::KeyMismatch);
    assert_eq!(why(held(None)), CertError::NoThumbprint);
    assert_eq!(why(held(None).certificate("no certificate")), CertError::NoPem);
    let refused = client(&sim, held(None).certificate(CERTIFICATE).passphrase("x")).map(|_| ());
    assert!(matches!(refused, Err(SetupError::Contradiction(_))));
}

#[test]
fn keys_answer_for_their_names() {
    let keys = Keys::new();
    let (name, other) = (KeyName("a".into()), KeyName("b".into()));
    keys.add(name.clone(), &PrivateKey::parse(KEY, None).unwrap()).unwrap();
    keys.hold(other.clone(), RingKey::es256(&p256_der()).unwrap());
    assert_eq!(Asks::sign(&keys, &name, Algorithm::Rs256, b"m").unwrap().len(), 256);
    assert_eq!(Asks::sign(&keys, &other, Algorithm::Es256, b"m").unwrap().len(), 64);
    assert_eq!(Asks::sign(&keys, &other, Algorithm::Rs256, b"m"), Err(AskError::NotSupported));
    assert_eq!(Asks::sign(&keys, &KeyName("c".into()), Algorithm::Rs256, b"m"), Err(AskError::NotFound));
    let error = keys.pop_key(&name, Algorithm::Es256).unwrap_err();
    assert!(matches!(error, Error::Config(Config::Certificate(CertError::WrongAlgorithm))), "{error}");
    assert!(matches!(keys.pop_key(&KeyName("c".into()), Algorithm::Es256), Err(Error::Unanswered { .. })));
}

/// OpenID Connect Core s9, RFC 7523 s3 item 7: a provider that takes an assertion once gets another one with each request.
#[test]
fn a_provider_that_refuses_replays_is_served() {
    const ISSUER: &str = "https://login.microsoftonline.com/contoso.onmicrosoft.com/v2.0";
    let platform = Platform::contoso(1).unwrap().resource(Resource::new("api://orders")).refuse_replays();
    let sim = Sim::with(platform);
    let certificate = CertificateCredential::pem(CLIENT_KEY.as_bytes()).certificate(CLIENT_CERTIFICATE);
    let builder = ConfidentialClient::builder(CONTOSO_CLIENT).oidc_authority(ISSUER).certificate(certificate);
    let client = builder.http_client(sim.clone()).time(sim).build().unwrap();
    for scope in
        ["https://graph.microsoft.com/.default", "api://orders/.default", "https://graph.microsoft.com/.default"]
    {
        client.acquire_token_for_client(&[scope]).unwrap();
    }
}
