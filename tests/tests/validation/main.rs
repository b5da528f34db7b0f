//! Validation held against `jsonwebtoken` on thousands of generated tokens, and tokens altered in every way we know: none may pass.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]
#![allow(clippy::arithmetic_side_effects, reason = "a test")]

mod altered;

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header, get_current_timestamp};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use ring::{hmac, rsa::PublicKeyComponents};
use sansal::error::TokenError;
use sansal::jose::{KeySet, Software, Verify};
use sansal::key::Algorithm;
use sansal::time::UnixTime;
use sansal::validate::{Issuers, Tenants, TokenValidation};
use sansal_std::RingVerifier;
use serde_json::{Map, Value, json};

const TENANT: &str = "7e3a0b52-1d4f-4c8e-9b6a-2f5d8c1e4a70";
const OTHER: &str = "11111111-2222-4333-8444-555555555555";
const KEYS: [&str; 3] = ["one", "two", "ec"];

fn encode(bytes: impl AsRef<[u8]>) -> String {
    Base64UrlUnpadded::encode_string(bytes.as_ref())
}

/// Two RSA keys and one of P-256, with their JWK set.
struct Keys {
    rsa: [RsaKeyPair; 2],
    ec: EcdsaKeyPair,
    set: KeySet,
}

impl Keys {
    fn new() -> Self {
        let rsa = ["rsa2048", "rsa4096"].map(|name| {
            let path = format!("{}/certs/{name}.key.pkcs1.der", env!("CARGO_MANIFEST_DIR"));
            RsaKeyPair::from_der(&std::fs::read(path).unwrap()).unwrap()
        });
        let random = SystemRandom::new();
        let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let ec = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec.as_ref(), &random).unwrap();
        let jwks: Vec<Value> = KEYS
            .iter()
            .map(|kid| {
                let [first, second] = numbers(&rsa, &ec, kid);
                match *kid {
                    "ec" => json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": first, "y": second}),
                    _ => json!({"kty": "RSA", "kid": kid, "n": first, "e": second}),
                }
            })
            .collect();
        let set = KeySet::parse(json!({ "keys": jwks }).to_string().as_bytes()).unwrap();
        assert_eq!(set.keys().len(), KEYS.len());
        Self { rsa, ec, set }
    }

    fn sign(&self, kid: &str, alg: &str, input: &str) -> String {
        let random = SystemRandom::new();
        if alg == "ES256" {
            return encode(self.ec.sign(&random, input.as_bytes()).unwrap());
        }
        let pair = &self.rsa[usize::from(kid == "two")];
        let mut signature = vec![0; pair.public().modulus_len()];
        let encoding: &'static dyn ring::signature::RsaEncoding =
            if alg == "PS256" { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
        pair.sign(encoding, &random, input.as_bytes(), &mut signature).unwrap();
        encode(signature)
    }

    fn token(&self, header: &str, claims: &str, kid: &str, alg: &str) -> String {
        let input = format!("{}.{}", encode(header), encode(claims));
        format!("{input}.{}", self.sign(kid, alg, &input))
    }

    /// What `jsonwebtoken` says; like ours it is shown the key that the header names.
    fn theirs(&self, token: &str, rules: &TokenValidation, issuers: &[String]) -> Result<(), ErrorKind> {
        let header = decode_header(token).map_err(|why| why.into_kind())?;
        let kid = header.kid.filter(|kid| KEYS.contains(&kid.as_str())).ok_or(ErrorKind::InvalidToken)?;
        let [first, second] = numbers(&self.rsa, &self.ec, &kid);
        let (key, family) = match kid.as_str() {
            "ec" => (DecodingKey::from_ec_components(&first, &second), "ES256"),
            _ => (DecodingKey::from_rsa_components(&first, &second), "RS256 PS256"),
        };
        // It wants the algorithms of one kind of key at a time.
        let algorithms = rules.algorithms.iter().filter(|alg| family.contains(alg.as_str()));
        let algorithms: Vec<_> = algorithms.map(|alg| alg.as_str().parse().unwrap()).collect();
        if algorithms.is_empty() {
            return Err(ErrorKind::InvalidAlgorithm);
        }
        let mut validation = Validation::new(algorithms[0]);
        validation.algorithms = algorithms;
        validation.leeway = rules.clock_skew;
        validation.validate_nbf = true;
        validation.set_audience(&rules.audiences);
        validation.set_issuer(issuers);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        decode::<Map<String, Value>>(token, &key.unwrap(), &validation).map(drop).map_err(|why| why.into_kind())
    }
}

/// `n` and `e`, or `x` and `y`.
fn numbers(rsa: &[RsaKeyPair; 2], ec: &EcdsaKeyPair, kid: &str) -> [String; 2] {
    if kid == "ec" {
        let point = ec.public_key().as_ref();
        return [encode(&point[1..33]), encode(&point[33..])];
    }
    let public = PublicKeyComponents::<Vec<u8>>::from(rsa[usize::from(kid == "two")].public());
    [encode(public.n), encode(public.e)]
}

/// The same tokens each time, but for their dates and the signatures that need chance.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 33) % u64::try_from(sides).unwrap()).unwrap()
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.roll(choices.len())]
    }
}

/// What may be wrong with a token, and what both call it where they have a word for it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Issuer,
    NoIssuer,
    Audience,
    Audiences,
    NoAudience,
    Expired,
    NoExpiry,
    ExpiryText,
    NotYet,
    NoSubject,
    ForeignKey,
    OtherKid,
    UnknownKid,
    Bit,
    Claims,
    Alg,
    NotAllowed,
    None,
    Hmac,
    Cut,
    FourParts,
}

const FAULTS: [Fault; 21] = {
    use Fault::*;
    [
        Issuer, NoIssuer, Audience, Audiences, NoAudience, Expired, NoExpiry, ExpiryText, NotYet, NoSubject,
        ForeignKey, OtherKid, UnknownKid, Bit, Claims, Alg, NotAllowed, None, Hmac, Cut, FourParts,
    ]
};

/// One generated token, its rules, and the issuers as `jsonwebtoken` is told them.
struct Made {
    token: String,
    rules: TokenValidation,
    issuers: Vec<String>,
}

fn make(keys: &Keys, dice: &mut Dice, now: u64, faults: &[Fault]) -> Made {
    let has = |fault| faults.contains(&fault);
    let kid = dice.of(&["one", "one", "two", "ec", "ec", "ec", "ec", "ec"]);
    let algs: &[&str] = if kid == "ec" { &["ES256"] } else { &["RS256", "PS256"] };
    let alg = dice.of(algs);
    let skew = dice.of(&[0_u64, 60, 300]);
    // Near the edges, but not so near that the seconds between two looks at the clock count.
    let span = dice.of(&[40_u64, 70, 3600, 86_400]);
    let (tenant, version) = (if has(Fault::Issuer) { OTHER } else { TENANT }, dice.of(&["1.0", "2.0", "3rd"]));
    let of = |tenant: &str| match version {
        "1.0" => format!("https://sts.windows.net/{tenant}/"),
        "2.0" => format!("https://login.microsoftonline.com/{tenant}/v2.0"),
        _ => format!("https://idp.example/{tenant}"),
    };
    let tenants = Tenants::Only(vec![TENANT.to_owned()]);
    let (issuers, told) = match version {
        "3rd" => (Issuers::One(of(TENANT)), vec![of(TENANT)]),
        _ => {
            let v1 = format!("https://sts.windows.net/{TENANT}/");
            let v2 = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
            (Issuers::Entra { host: "login.microsoftonline.com".into(), tenants }, vec![v1, v2])
        }
    };
    let mut claims = json!({"sub": "s", "iat": now - 10, "exp": now - skew + span, "nbf": now + skew - span, "iss": of(tenant),
        "tid": tenant, "ver": version, "aud": "api://orders", "scp": "read", "name": "é \"\\"});
    let mut set = |name: &str, value: Value| claims[name] = value;
    match dice.roll(3) {
        0 => set("aud", json!(["x", "api://orders"])),
        1 => set("exp", json!((now - skew + span) as f64 + 0.25)),
        _ => {}
    }
    if has(Fault::Audience) {
        set("aud", json!("api://order"));
    }
    if has(Fault::Audiences) {
        set("aud", json!(["x", "API://orders"]));
    }
    if has(Fault::Expired) {
        set("exp", json!(now - skew - span));
    }
    if has(Fault::ExpiryText) {
        set("exp", json!((now + span).to_string()));
    }
    if has(Fault::NotYet) {
        set("nbf", json!(now + skew + span));
    }
    let absent =
        [(Fault::NoIssuer, "iss"), (Fault::NoAudience, "aud"), (Fault::NoExpiry, "exp"), (Fault::NoSubject, "sub")];
    for (_, name) in absent.iter().filter(|(fault, _)| has(*fault)) {
        claims.as_object_mut().unwrap().remove(*name);
    }
    if !has(Fault::NotYet) && dice.roll(4) == 0 {
        claims.as_object_mut().unwrap().remove("nbf");
    }
    let named = match kid {
        _ if has(Fault::UnknownKid) => "three",
        "one" if has(Fault::OtherKid) => "two",
        _ if has(Fault::OtherKid) => "one",
        kid => kid,
    };
    let said = match alg {
        _ if has(Fault::None) => "none",
        _ if has(Fault::Hmac) => "HS256",
        "RS256" if has(Fault::Alg) => "PS256",
        _ if has(Fault::Alg) => "RS256",
        alg => alg,
    };
    let mut header = json!({"alg": said, "kid": named});
    if let Some(typ) = dice.of(&[Some("JWT"), Some("at+jwt"), None]) {
        header["typ"] = json!(typ);
    }
    let input = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
    let foreign = if kid == "one" { "two" } else { "one" };
    let mut signature = match () {
        () if has(Fault::None) => String::new(),
        () if has(Fault::Hmac) => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, numbers(&keys.rsa, &keys.ec, kid)[0].as_bytes());
            encode(hmac::sign(&key, input.as_bytes()))
        }
        () if has(Fault::ForeignKey) => keys.sign(foreign, if alg == "ES256" { "RS256" } else { alg }, &input),
        () => keys.sign(kid, alg, &input),
    };
    if has(Fault::Bit) && !signature.is_empty() {
        let mut bytes = Base64UrlUnpadded::decode_vec(&signature).unwrap();
        let at = dice.roll(bytes.len());
        bytes[at] ^= 1 << dice.roll(8);
        signature = encode(bytes);
    }
    let input = match has(Fault::Claims) {
        false => input,
        true => {
            claims["scp"] = json!("read write");
            format!("{}.{}", input.split_once('.').unwrap().0, encode(claims.to_string()))
        }
    };
    let mut token = format!("{input}.{signature}");
    if has(Fault::Cut) {
        token.truncate(token.len() - 1 - dice.roll(60));
    }
    if has(Fault::FourParts) {
        token.push_str(".e30");
    }
    let allowed = [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256];
    let algorithms = allowed.into_iter().filter(|one| !(has(Fault::NotAllowed) && one.as_str() == said)).collect();
    let rules = TokenValidation { algorithms, clock_skew: skew, ..TokenValidation::new("api://orders", issuers) };
    Made { token, rules, issuers: told }
}

/// Whether both give the same reason, for tokens with but one fault.
fn same_reason(fault: Fault, ours: &TokenError, theirs: &ErrorKind) -> bool {
    match fault {
        Fault::Issuer => {
            matches!((ours, theirs), (TokenError::Issuer { .. } | TokenError::Tenant, ErrorKind::InvalidIssuer))
        }
        Fault::NoIssuer | Fault::NoAudience | Fault::NoExpiry | Fault::NoSubject => {
            matches!((ours, theirs), (TokenError::Missing(one), ErrorKind::MissingRequiredClaim(other)) if one == other)
        }
        Fault::Audience | Fault::Audiences => {
            matches!((ours, theirs), (TokenError::Audience, ErrorKind::InvalidAudience))
        }
        Fault::Expired => matches!((ours, theirs), (TokenError::Expired, ErrorKind::ExpiredSignature)),
        Fault::NotYet => matches!((ours, theirs), (TokenError::NotYetValid, ErrorKind::ImmatureSignature)),
        Fault::Bit | Fault::Claims => matches!((ours, theirs), (TokenError::Signature, ErrorKind::InvalidSignature)),
        _ => true,
    }
}

#[test]
fn agrees_with_jsonwebtoken() {
    let (keys, mut dice) = (Keys::new(), Dice(0x5eed_5eed));
    let (mut valid, mut refused) = (0, 0);
    for n in 0..10_000 {
        let count = dice.of(&[0, 0, 0, 0, 0, 1, 1, 1, 1, 2]);
        let faults: Vec<Fault> = (0..count).map(|_| dice.of(&FAULTS)).collect();
        let now = get_current_timestamp();
        let Made { token, rules, issuers } = make(&keys, &mut dice, now, &faults);
        let theirs = keys.theirs(&token, &rules, &issuers);
        for verifier in [&Software as &dyn Verify, &RingVerifier] {
            let ours = rules.check_by(verifier, &token, &keys.set, UnixTime(now)).map(drop);
            assert_eq!(ours.is_ok(), theirs.is_ok(), "{n} {faults:?} {verifier:?}: {ours:?}, {theirs:?}: {token}");
            // A foreign key under its own name is no fault.
            let is_right =
                faults.is_empty() || faults.iter().all(|one| matches!(one, Fault::OtherKid | Fault::ForeignKey));
            assert!(ours.is_err() || is_right, "{n} {faults:?}: {ours:?}: {token}");
            assert!(ours.is_ok() || !faults.is_empty(), "{n}: {ours:?}: {token}");
            if let ([fault], Err(ours), Err(theirs)) = (faults.as_slice(), &ours, &theirs) {
                assert!(same_reason(*fault, ours, theirs), "{n} {fault:?}: {ours:?}, {theirs:?}");
            }
        }
        if theirs.is_ok() { valid += 1 } else { refused += 1 }
    }
    println!(
        "validation: {valid} valid and {refused} other tokens judged alike by sansal in software, with ring, and by jsonwebtoken"
    );
    assert!(valid > 3000 && refused > 3000);
}

#[test]
fn what_only_we_refuse() {
    let keys = Keys::new();
    let now = get_current_timestamp();
    let issuer = "https://idp.example";
    let rules = TokenValidation::new("a", Issuers::One(issuer.into()));
    let good = json!({"iss": issuer, "aud": "a", "sub": "s", "iat": now, "exp": now + 600});
    // Where the two differ, we are the stricter: header member, claim, and why.
    let cases = [
        (json!({"typ": "dpop+jwt"}), json!({}), TokenError::Type),
        (json!({"crit": ["b64"]}), json!({}), TokenError::Critical),
        (json!({}), json!({"iat": now + 900}), TokenError::NotYetValid),
        (json!({}), json!({"iat": null}), TokenError::Missing("iat")),
        (json!({}), json!({"sub": ""}), TokenError::Missing("sub")),
        (json!({}), json!({"exp": 1_u64 << 54}), TokenError::Missing("exp")),
    ];
    let merged = |base: &Value, more: &Value| {
        let mut base = base.clone();
        base.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        base.to_string()
    };
    for (header, claims, expected) in cases {
        let header = merged(&json!({"alg": "RS256", "kid": "one"}), &header);
        let token = keys.token(&header, &merged(&good, &claims), "one", "RS256");
        assert_eq!(keys.theirs(&token, &rules, &[issuer.into()]), Ok(()), "{header} {claims}");
        assert_eq!(rules.check(&token, &keys.set, UnixTime(now)).err(), Some(expected), "{header} {claims}");
    }
    // RFC 7519 s4.1.4: not "on or after" the expiry. jsonwebtoken takes a token in that very second.
    let header = json!({"alg": "RS256", "kid": "one"}).to_string();
    let token = keys.token(&header, &merged(&good, &json!({"exp": now})), "one", "RS256");
    assert_eq!(rules.check(&token, &keys.set, UnixTime(now + 299)).map(drop), Ok(()));
    assert_eq!(rules.check(&token, &keys.set, UnixTime(now + 300)).err(), Some(TokenError::Expired));
}
