//! What validating a token costs, in one run and as ratios: against `jsonwebtoken` with the same provider (`ring`), and decoding
//! against a parse that borrows. usage: cargo bench -p sansal-tests --bench validate
//!
//! The token is an ID token as Entra makes them (some 1.2 KB), all keys are read before the clock starts.
//! `--instructions NAME LOOPS` only does one of the loops; `tests/bench/instructions-validate` counts them.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a bench"
)]
#![allow(missing_docs, reason = "a program")]

use std::hint::black_box;
use std::time::Instant;

use base64ct::{Base64UrlUnpadded, Encoding};
use jsonwebtoken::{DecodingKey, Validation, decode, get_current_timestamp};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents};
use sansal::jose::id_token::{Expected, decode_id_token};
use sansal::jose::{KeySet, Software};
use sansal::time::UnixTime;
use sansal::validate::{Issuers, TokenValidation};
use sansal_std::RingVerifier;
use serde::Deserialize;

const ISSUER: &str = "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0";
const CLIENT: &str = "6731de76-14a6-49ae-97bc-6eba6914391e";
const NONCE: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// The claims that most applications read, borrowed from the decoded text.
#[derive(Deserialize)]
struct Borrowed<'a> {
    iss: &'a str,
    aud: &'a str,
    exp: u64,
    nbf: u64,
    nonce: &'a str,
    sub: &'a str,
    oid: &'a str,
    tid: &'a str,
    name: &'a str,
    preferred_username: &'a str,
}

/// The same, owned.
#[derive(Deserialize)]
struct Owned {
    iss: String,
    aud: String,
    exp: u64,
    nonce: String,
    sub: String,
    oid: String,
    tid: String,
    name: String,
    preferred_username: String,
}

struct Bench {
    token: String,
    now: UnixTime,
    rules: TokenValidation,
    keys: KeySet,
    theirs: (DecodingKey, Validation, Validation),
    public: PublicKeyComponents<Vec<u8>>,
    signature: Vec<u8>,
}

impl Bench {
    fn new() -> Self {
        let path = format!("{}/certs/rsa2048.key.pkcs1.der", env!("CARGO_MANIFEST_DIR"));
        let pair = RsaKeyPair::from_der(&std::fs::read(path).unwrap()).unwrap();
        let public = PublicKeyComponents::<Vec<u8>>::from(pair.public());
        let [n, e] = [&public.n, &public.e].map(|number| Base64UrlUnpadded::encode_string(number));
        let now = get_current_timestamp();
        let header = r#"{"typ":"JWT","alg":"RS256","kid":"nOo3ZDrODXEK1jKWhXslHR_KXEg"}"#;
        let claims = format!(
            r#"{{"aud":"{CLIENT}","iss":"{ISSUER}","iat":{now},"nbf":{now},"exp":{},"aio":"{}","name":"Adele Vance",
                "nonce":"{NONCE}","oid":"690222be-ff1a-4d56-abd1-7e4f7d38e474","preferred_username":"adele@contoso.example",
                "rh":"0.AXoAjkyzTfkEjkq9VDlM5VhTQpcXN20.","sub":"AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
                "tid":"11111111-2222-3333-4444-555555555555","uti":"fqiBqXLPj0eQa82S-IYFAA","ver":"2.0"}}"#,
            now + 86_400,
            "A".repeat(120)
        );
        let [header, claims] = [header, &claims].map(|part| Base64UrlUnpadded::encode_string(part.as_bytes()));
        let input = format!("{header}.{claims}");
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature).unwrap();
        let token = format!("{input}.{}", Base64UrlUnpadded::encode_string(&signature));
        let jwks = format!(r#"{{"keys":[{{"kty":"RSA","kid":"nOo3ZDrODXEK1jKWhXslHR_KXEg","n":"{n}","e":"{e}"}}]}}"#);
        let mut validation = Validation::new(jsonwebtoken::Algorithm::RS256);
        validation.leeway = 300;
        validation.validate_nbf = true;
        validation.set_audience(&[CLIENT]);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let mut unsigned = validation.clone();
        unsigned.insecure_disable_signature_validation();
        Self {
            token,
            now: UnixTime(now),
            rules: TokenValidation::new(CLIENT, Issuers::One(ISSUER.into())),
            keys: KeySet::parse(jwks.as_bytes()).unwrap(),
            theirs: (DecodingKey::from_rsa_components(&n, &e).unwrap(), validation, unsigned),
            public,
            signature,
        }
    }

    fn once(&self, name: &str) {
        let token = black_box(self.token.as_str());
        match name {
            "verify-ring" => {
                let input = token.rsplit_once('.').unwrap().0;
                self.public.verify_message(input.as_bytes(), &self.signature);
            }
            "sansal-ring" => drop(black_box(self.rules.check_by(&RingVerifier, token, &self.keys, self.now).unwrap())),
            "sansal-rsa" => drop(black_box(self.rules.check_by(&Software, token, &self.keys, self.now).unwrap())),
            "jsonwebtoken" => drop(black_box(decode::<Owned>(token, &self.theirs.0, &self.theirs.1).unwrap())),
            "decode-borrowed" => {
                let bytes = Base64UrlUnpadded::decode_vec(token.split('.').nth(1).unwrap()).unwrap();
                let claims: Borrowed<'_> = serde_json::from_slice(&bytes).unwrap();
                assert!(claims.iss == ISSUER && claims.aud == CLIENT && claims.nonce == NONCE);
                assert!(claims.exp > self.now.0 && claims.nbf <= self.now.0);
                black_box((claims.sub, claims.oid, claims.tid, claims.name, claims.preferred_username));
            }
            "decode-sansal" => {
                let expected = Expected { client_id: Some(CLIENT), issuer: Some(ISSUER), nonce: Some(NONCE) };
                drop(black_box(decode_id_token(token, &expected, self.now).unwrap()));
            }
            "decode-jsonwebtoken" => {
                let claims = decode::<Owned>(token, &self.theirs.0, &self.theirs.2).unwrap().claims;
                assert!(
                    claims.iss == ISSUER && claims.aud == CLIENT && claims.nonce == NONCE && claims.exp > self.now.0
                );
                black_box((claims.sub, claims.oid, claims.tid, claims.name, claims.preferred_username));
            }
            other => panic!("there is no loop {other}"),
        }
    }
}

trait VerifyMessage {
    fn verify_message(&self, message: &[u8], signature: &[u8]);
}

impl VerifyMessage for PublicKeyComponents<Vec<u8>> {
    /// What neither of the two can do without.
    fn verify_message(&self, message: &[u8], signature: &[u8]) {
        let key = RsaPublicKeyComponents { n: &self.n, e: &self.e };
        key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).unwrap();
    }
}

#[inline(never)]
fn counted_loop(bench: &Bench, name: &str, loops: usize) {
    for _ in 0..loops {
        bench.once(name);
    }
}

/// Microseconds for each name: the best of several rounds, taken in turns so that a busy machine is busy for all of them.
fn best(bench: &Bench, names: &[&str]) -> Vec<f64> {
    let mut best = vec![f64::INFINITY; names.len()];
    for _ in 0..60 {
        for (name, best) in names.iter().zip(&mut best) {
            let begin = Instant::now();
            counted_loop(bench, name, 100);
            *best = best.min(begin.elapsed().as_nanos() as f64 / 100_000.0);
        }
    }
    best
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let bench = Bench::new();
    if let [mode, name, loops] = arguments.as_slice()
        && mode == "--instructions"
    {
        return counted_loop(&bench, name, loops.parse().unwrap());
    }
    println!(
        "an ID token of {} bytes, RS256 with 2048 bits; microseconds, and times the first of each group",
        bench.token.len()
    );
    for names in [
        ["jsonwebtoken", "sansal-ring", "sansal-rsa", "verify-ring"].as_slice(),
        &["decode-borrowed", "decode-sansal", "decode-jsonwebtoken"],
    ] {
        let figures = best(&bench, names);
        for (name, figure) in names.iter().zip(&figures) {
            println!("{name:<20} {figure:>8.2} us {:>6.2}x", figure / figures[0]);
        }
    }
}
