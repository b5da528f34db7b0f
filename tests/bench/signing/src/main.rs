//! What a whole client assertion costs beside the bare RSA signature of the same provider, in one run and as ratios.
//! usage: cargo run --release --manifest-path tests/bench/signing/Cargo.toml [-- --instructions PROVIDER BITS ALG whole|bare N]
//!
//! Whole: header with `x5c`, claims, a fresh `jti`, JSON, base64url, SHA-256, the signature by the key of `sansal-std` (or of
//! the core, for `rsa`), and the finished text. Bare: the provider's own call over a message of that length, hashed by it.
//! `jsonwebtoken`: its `encode` with the same header and claims, a key that is read once, by ring.
//! Times are the median of many pairs, taken in turns. `--instructions` does one thing N times, for callgrind
//! (tests/bench/signing/instructions).

use std::hint::black_box;
use std::time::Instant;

use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::traits::SignatureScheme;
use sansal::cert::{PrivateKey, RsaKey};
use sansal::client::{KeyCredential, Signer};
use sansal::entropy::{Entropy, uuid_v4};
use sansal::jose::assertion::{AssertionHeader, complete, signing_input};
use sansal::key::{Algorithm, KeyName};
use sansal::time::UnixTime;
use sansal_std::{Asks, AwsLcKey, Keys, RingKey, SystemRandom};
use sha2::{Digest, Sha256};

const CLIENT: &str = "6731de76-14a6-49ae-97bc-6eba6914391e";
const AUDIENCE: &str = "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/oauth2/v2.0/token";
const NOW: UnixTime = UnixTime(1_700_000_000);
const KEYS: [(usize, &[u8], &str); 2] = [
    (2048, include_bytes!("../../../certs/rsa2048.key.pkcs8.pem"), include_str!("../../../certs/rsa2048.cert.pem")),
    (4096, include_bytes!("../../../certs/rsa4096.key.pkcs8.pem"), include_str!("../../../certs/rsa4096.cert.pem")),
];
const PROVIDERS: [&str; 3] = ["ring", "aws-lc-rs", "rsa"];

/// The random source of `rsa`, as the core lends it.
struct Chance;
impl rand_core::TryRng for Chance {
    type Error = rand_core::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        rand_core::utils::next_word_via_fill(self)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        rand_core::utils::next_word_via_fill(self)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        SystemRandom.fill(out).expect("random bytes");
        Ok(())
    }
}
impl rand_core::TryCryptoRng for Chance {}

/// One key with one provider, both ways.
struct Case {
    provider: &'static str,
    bits: usize,
    alg: Algorithm,
    header: AssertionHeader,
    message: Vec<u8>,
    whole: Box<dyn Fn(&[u8]) -> Vec<u8>>,
    bare: Box<dyn Fn(&[u8]) -> Vec<u8>>,
}

impl Case {
    fn new(provider: &'static str, (bits, pem, certificate): (usize, &[u8], &str), alg: Algorithm) -> Self {
        let key = PrivateKey::parse(pem, None).expect("a key");
        let signer = Signer::External(KeyName("bench".into()));
        let credential =
            KeyCredential::with_certificate(signer, Some(&key), None, Some(certificate)).expect("a certificate");
        let header = AssertionHeader { alg, ..credential.assertion_header(false) };
        let name = KeyName("bench".into());
        let keys = Keys::new();
        // Each provider has a type of its own, and the macro one arm for the two that look alike.
        macro_rules! like_ring {
            ($library:ident, $kind:ident) => {{
                use $library::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
                keys.hold(name.clone(), $kind::new(&key).expect("a key"));
                let pair = RsaKeyPair::from_der(key.pkcs1_der()).expect("a key");
                let encoding: &'static dyn RsaEncoding =
                    if alg == Algorithm::Rs256 { &RSA_PKCS1_SHA256 } else { &RSA_PSS_SHA256 };
                let bare: Box<dyn Fn(&[u8]) -> Vec<u8>> = Box::new(move |message| {
                    let mut signature = vec![0; bits / 8];
                    let chance = $library::rand::SystemRandom::new();
                    pair.sign(encoding, &chance, message, &mut signature).expect("a signature");
                    signature
                });
                let whole: Box<dyn Fn(&[u8]) -> Vec<u8>> =
                    Box::new(move |message| keys.sign(&name, alg, message).expect("a signature"));
                (whole, bare)
            }};
        }
        let (whole, bare) = match provider {
            "ring" => like_ring!(ring, RingKey),
            "aws-lc-rs" => like_ring!(aws_lc_rs, AwsLcKey),
            _ => {
                let ours = RsaKey::new(&key).expect("a key");
                let theirs = rsa::RsaPrivateKey::from_pkcs1_der(key.pkcs1_der()).expect("a key");
                let bare: Box<dyn Fn(&[u8]) -> Vec<u8>> = Box::new(move |message| {
                    let digest = Sha256::digest(message);
                    match alg {
                        Algorithm::Rs256 => {
                            rsa::Pkcs1v15Sign::new::<Sha256>().sign(Some(&mut Chance), &theirs, &digest)
                        }
                        _ => rsa::Pss::<Sha256>::new().sign(Some(&mut Chance), &theirs, &digest),
                    }
                    .expect("a signature")
                });
                let whole: Box<dyn Fn(&[u8]) -> Vec<u8>> =
                    Box::new(move |message| ours.sign(alg, message, &mut SystemRandom).expect("a signature"));
                (whole, bare)
            }
        };
        let message = signing_input(&header, CLIENT, AUDIENCE, NOW, "id", None).into_bytes();
        Self { provider, bits, alg, header, message, whole, bare }
    }

    #[inline(never)]
    fn whole_assertion(&self) -> usize {
        let jti = uuid_v4(&mut SystemRandom).expect("random bytes");
        let input = signing_input(&self.header, CLIENT, AUDIENCE, NOW, &jti, None);
        let signature = (self.whole)(input.as_bytes());
        complete(&input, &signature).expose().len()
    }

    #[inline(never)]
    fn bare_signature(&self) -> usize {
        (self.bare)(black_box(&self.message)).len()
    }
}

/// `jsonwebtoken` with what the case says.
fn peer(case: &Case, key: &jsonwebtoken::EncodingKey) -> usize {
    let alg =
        if case.alg == Algorithm::Rs256 { jsonwebtoken::Algorithm::RS256 } else { jsonwebtoken::Algorithm::PS256 };
    let header = jsonwebtoken::Header { x5c: Some(case.header.x5c.clone()), ..jsonwebtoken::Header::new(alg) };
    let jti = uuid_v4(&mut SystemRandom).expect("random bytes");
    let claims = serde_json::json!({
        "aud": AUDIENCE, "iss": CLIENT, "sub": CLIENT, "exp": NOW.0 + 600, "iat": NOW.0, "jti": jti,
    });
    jsonwebtoken::encode(&header, &claims, key).expect("an assertion").len()
}

fn microseconds(run: impl Fn() -> usize) -> f64 {
    let begin = Instant::now();
    black_box(run());
    begin.elapsed().as_nanos() as f64 / 1000.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let algs = [Algorithm::Rs256, Algorithm::Ps256];
    if let [mode, provider, bits, alg, what, times] = arguments.as_slice()
        && mode == "--instructions"
    {
        let provider = PROVIDERS.into_iter().find(|one| one == provider).expect("a provider");
        let key = KEYS.into_iter().find(|key| key.0.to_string() == *bits).expect("2048 or 4096");
        let case = Case::new(provider, key, algs.into_iter().find(|one| one.as_str() == alg).expect("an algorithm"));
        let one = if what == "whole" { Case::whole_assertion } else { Case::bare_signature };
        // What happens once, such as seeding, is not part of it.
        one(&case);
        for _ in 0..times.parse::<usize>().expect("a number") {
            black_box(one(&case));
        }
        return;
    }
    println!(
        "microseconds: whole assertion, bare signature, the median ratio of pairs; jsonwebtoken with the same key"
    );
    for key in KEYS {
        for alg in algs {
            let encoding =
                jsonwebtoken::EncodingKey::from_rsa_der(PrivateKey::parse(key.1, None).expect("a key").pkcs1_der());
            for provider in PROVIDERS {
                let case = Case::new(provider, key, alg);
                let rounds = if provider == "rsa" { 60 } else { 300 };
                let (mut whole, mut bare, mut ratio, mut other) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
                for round in 0..rounds {
                    // In turns, and each time another one first.
                    let pair = if round % 2 == 0 {
                        let whole = microseconds(|| case.whole_assertion());
                        (whole, microseconds(|| case.bare_signature()))
                    } else {
                        let bare = microseconds(|| case.bare_signature());
                        (microseconds(|| case.whole_assertion()), bare)
                    };
                    whole.push(pair.0);
                    bare.push(pair.1);
                    ratio.push(pair.0 / pair.1);
                    if provider == "ring" {
                        other.push(microseconds(|| peer(&case, &encoding)) / pair.1);
                    }
                }
                let beside =
                    if other.is_empty() { String::new() } else { format!("  jsonwebtoken {:.2}x", median(other)) };
                let (whole, bare, ratio) = (median(whole), median(bare), median(ratio));
                println!(
                    "{:<10} {} {}  {whole:>7.0} {bare:>7.0}  {ratio:.3}x{beside}",
                    case.provider,
                    case.bits,
                    alg.as_str()
                );
            }
        }
    }
}
