//! Good tokens with one thing altered: each is refused.

use super::*;

const NOW: UnixTime = UnixTime(1_700_000_000);

/// Counts tokens that must be refused.
struct Refused<'a>(&'a KeySet, TokenValidation, usize);

impl Refused<'_> {
    fn must(&mut self, token: &str, why: &str) {
        let verdict = self.1.check(token, self.0, NOW);
        assert!(verdict.is_err(), "{why}: {token}");
        self.2 += 1;
    }
}

/// `object` as JSON with `name` set, or absent.
fn with(object: &Value, name: &str, value: Option<Value>) -> String {
    let mut object = object.as_object().unwrap().clone();
    match value {
        Some(value) => object.insert(name.to_owned(), value),
        None => object.remove(name),
    };
    Value::Object(object).to_string()
}

#[test]
fn altered_tokens_are_refused() {
    let keys = Keys::new();
    let header = json!({"alg": "RS256", "kid": "one", "typ": "JWT"});
    let claims = json!({"iss": format!("https://login.microsoftonline.com/{TENANT}/v2.0"), "aud": "api://orders", "sub": "s",
        "tid": TENANT, "ver": "2.0", "iat": NOW.0 - 10, "nbf": NOW.0 - 10, "exp": NOW.0 + 3600, "scp": "read write",
        "roles": ["Reader"], "nonce": "n"});
    let tenants = Tenants::Only(vec![TENANT.to_owned()]);
    let issuers = Issuers::Entra { host: "login.microsoftonline.com".into(), tenants };
    let rules = TokenValidation {
        nonce: Some("n".into()),
        scopes: vec!["read".into(), "write".into()],
        roles: vec!["Reader".into()],
        ..TokenValidation::new("api://orders", issuers)
    };
    let sign = |header: &str, claims: &str| keys.token(header, claims, "one", "RS256");
    let token = sign(&header.to_string(), &claims.to_string());
    assert!(rules.check(&token, &keys.set, NOW).is_ok());
    let mut refused = Refused(&keys.set, rules, 0);

    // Each claim and each header field, signed by the right key: other kinds, other values, absent where it is needed.
    let text = |of: &Value| of.as_str().map(str::to_owned);
    for (name, right) in claims.as_object().unwrap() {
        let mut wrong =
            vec![json!(null), json!(true), json!({}), json!([]), json!(""), json!({"a": right}), json!([[right]])];
        if let Some(right) = text(right) {
            wrong.extend([
                json!(right.to_uppercase() + "X"),
                json!(format!(" {right}x")),
                json!(format!("x{right}\u{0}")),
                json!(7),
            ]);
        } else if name != "roles" {
            let huge = [u64::MAX, 1 << 53 | 1, 1 << 63, (1 << 53) + 2];
            wrong.extend(huge.map(|number| json!(number)));
            wrong.extend([json!(-1), json!(1e300), json!(-0.5), json!("1800000000"), json!(["1800000000"])]);
        }
        for value in wrong {
            if name == "sub" && value.as_str().is_some_and(|text| !text.is_empty()) {
                continue;
            }
            refused.must(&sign(&header.to_string(), &with(&claims, name, Some(value))), name);
        }
        if !["nbf", "ver"].contains(&name.as_str()) {
            refused.must(&sign(&header.to_string(), &with(&claims, name, None)), name);
        }
    }
    for digits in [20, 40, 309, 400, 4000] {
        for name in ["exp", "nbf", "iat"] {
            let huge = with(&claims, name, Some(json!("#"))).replace("\"#\"", &"9".repeat(digits));
            refused.must(&sign(&header.to_string(), &huge), name);
        }
    }
    let algs = [
        "none",
        "None",
        "NONE",
        "nOnE",
        "",
        "HS256",
        "HS384",
        "HS512",
        "RS384",
        "RS512",
        "PS256",
        "PS512",
        "ES256",
        "ES256K",
        "EdDSA",
        "rs256",
        "RS256 ",
        "RS256\u{0}",
        "dir",
        "RSA-OAEP",
    ];
    for alg in algs {
        let header = with(&header, "alg", Some(json!(alg)));
        let whole = sign(&header, &claims.to_string());
        refused.must(&whole, alg);
        refused.must(&format!("{}.", whole.rsplit_once('.').unwrap().0), alg);
    }
    for value in [json!(null), json!(1), json!(["RS256"]), json!({"alg": "RS256"}), json!(true)] {
        for name in ["alg", "kid", "typ", "crit"] {
            refused.must(&sign(&with(&header, name, Some(value.clone())), &claims.to_string()), name);
        }
    }
    for (name, value) in [
        ("kid", "two"),
        ("kid", "ec"),
        ("kid", "ONE"),
        ("kid", ""),
        ("kid", "../one"),
        ("typ", "dpop+jwt"),
        ("typ", ""),
    ] {
        refused.must(&sign(&with(&header, name, Some(json!(value))), &claims.to_string()), name);
    }
    for header in
        ["{}", "[]", "null", "\"RS256\"", "", "{\"alg\":\"RS256\"", "\u{feff}{\"alg\":\"RS256\",\"kid\":\"one\"}"]
    {
        refused.must(&sign(header, &claims.to_string()), header);
    }
    // The key may come from nowhere but the set: these members change nothing.
    let other = keys.sign("two", "RS256", token.rsplit_once('.').unwrap().0);
    for name in ["jwk", "jku", "x5c", "x5u"] {
        let header = with(&header, name, Some(json!("https://evil.example/keys")));
        let forged = sign(&header, &claims.to_string());
        refused.must(&format!("{}.{other}", forged.rsplit_once('.').unwrap().0), name);
    }

    // Every member twice, before and after itself, spelled alike and escaped.
    for (object, is_header) in [(&header, true), (&claims, false)] {
        for (name, value) in object.as_object().unwrap() {
            let escaped = format!("\\u{:04x}{}", u32::from(name.as_bytes()[0]), &name[1..]);
            for (name, value) in
                [(name, value.clone()), (&escaped, value.clone()), (name, json!("evil")), (&escaped, json!(null))]
            {
                let (member, whole) = (format!("\"{name}\":{value}"), object.to_string());
                for doubled in [
                    whole.replacen('{', &format!("{{{member},"), 1),
                    format!("{},{member}}}", &whole[..whole.len() - 1]),
                ] {
                    let token = match is_header {
                        true => sign(&doubled, &claims.to_string()),
                        false => sign(&header.to_string(), &doubled),
                    };
                    refused.must(&token, &member);
                }
            }
        }
    }

    // HMAC with the public key as the secret, in each form in which somebody may have it.
    let pkcs1 = keys.rsa[0].public().as_ref().to_vec();
    let spki = [
        b"\x30\x82\x01\x22\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x03\x82\x01\x0f\x00".as_slice(),
        &pkcs1,
    ]
    .concat();
    let pem = |kind: &str, der: &[u8]| {
        let body = Base64::encode_string(der);
        let lines: Vec<&str> = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----", lines.join("\n"))
    };
    let [n, e] = numbers(&keys.rsa, &keys.ec, "one");
    let mut secrets = vec![
        pkcs1.clone(),
        spki.clone(),
        Base64UrlUnpadded::decode_vec(&n).unwrap(),
        n.clone().into_bytes(),
        Vec::new(),
    ];
    let jwk = keys.set.keys()[0].jwk();
    secrets.extend(
        [jwk.to_json(), jwk.thumbprint(), json!({"kty": "RSA", "kid": "one", "n": n, "e": e}).to_string()]
            .map(String::into_bytes),
    );
    for text in [pem("PUBLIC KEY", &spki), pem("RSA PUBLIC KEY", &pkcs1)] {
        secrets
            .extend([text.clone(), format!("{text}\n"), text.replace('\n', "\r\n") + "\r\n"].map(String::into_bytes));
    }
    for secret in secrets {
        let algorithms = [
            ("HS256", hmac::HMAC_SHA256),
            ("HS384", hmac::HMAC_SHA384),
            ("HS512", hmac::HMAC_SHA512),
            ("RS256", hmac::HMAC_SHA256),
        ];
        for (alg, algorithm) in algorithms {
            for header in [with(&header, "alg", Some(json!(alg))), json!({"alg": alg}).to_string()] {
                let input = format!("{}.{}", encode(header), encode(claims.to_string()));
                let mac = hmac::sign(&hmac::Key::new(algorithm, &secret), input.as_bytes());
                refused.must(&format!("{input}.{}", encode(mac)), alg);
            }
        }
    }

    // Each place of the token with a character of each class, without its character, and with one more.
    for at in 0..token.len() {
        for class in ["A", "z", "0", "-", "_", ".", "=", "+", " ", "\n", "\u{0}", "é"] {
            if &token[at..=at] != class {
                refused.must(&format!("{}{class}{}", &token[..at], &token[at + 1..]), class);
            }
        }
        refused.must(&format!("{}{}", &token[..at], &token[at + 1..]), "one less");
        refused.must(&format!("{}A{}", &token[..at], &token[at..]), "one more");
    }
    println!("validation: {} altered tokens, all refused", refused.2);
    assert!(refused.2 > 1000);
}
