//! The two legs at the browser: what is checked when it is back, and flows that are kept in between.

use super::*;

fn asked() -> AuthorizationRequest {
    AuthorizationRequest::new(&["User.Read"], "http://localhost:8400").unwrap()
}

fn begin(host: &mut Host, more: &str) -> AuthCodeFlow {
    let flow = asked().max_age(60).initiate();
    host.play([metadata_of(TENANT, more)], flow).unwrap()
}

fn nonce_of(flow: &AuthCodeFlow) -> String {
    hash_nonce(flow.to_members().text("nonce").unwrap())
}

fn good_claims(flow: &AuthCodeFlow) -> Value {
    json!({"iss": format!("{HOST}/{TENANT}/v2.0"), "aud": "app", "sub": "s", "oid": "o", "tid": TENANT,
        "exp": NOW.0 + 3600, "iat": NOW.0, "nonce": nonce_of(flow), "auth_time": NOW.0 - 10})
}

fn redeem(
    host: &mut Host,
    flow: &AuthCodeFlow,
    parameters: &[(&str, &str)],
    script: Vec<World>,
) -> Result<Token, Error> {
    let response = AuthorizationResponse::from_parameters(parameters.iter().copied())?;
    let machine = flow.redeem(&host.client, response)?;
    host.play(script, machine)
}

#[test]
fn id_tokens_are_checked_before_anything_is_stored() {
    // OpenID Connect Core s3.1.3.7, numbers of its list; G-01, G-46, G-72.
    type Change = fn(&mut Value);
    type Check = fn(&IdTokenError) -> bool;
    let cases: &[(&str, Change, Option<Check>)] = &[
        ("good", |_| {}, None),
        (
            "2: issuer",
            |c| c["iss"] = json!("https://evil.example/v2.0"),
            Some(|e| matches!(e, IdTokenError::Issuer { .. })),
        ),
        ("2: no issuer", |c| c["iss"] = Value::Null, Some(|e| matches!(e, IdTokenError::Missing("iss")))),
        ("3: audience", |c| c["aud"] = json!("other"), Some(|e| matches!(e, IdTokenError::Audience))),
        ("3: one of several", |c| c["aud"] = json!(["other", "app"]), None),
        (
            "5: another party",
            |c| {
                c["aud"] = json!(["other", "app"]);
                c["azp"] = json!("other")
            },
            Some(|e| matches!(e, IdTokenError::Audience)),
        ),
        ("9: expired", |c| c["exp"] = json!(NOW.0 - 301), Some(|e| matches!(e, IdTokenError::Time))),
        ("9: within the skew", |c| c["exp"] = json!(NOW.0 - 299), None),
        ("9: a fraction", |c| c["exp"] = json!(NOW.0 as f64 + 0.5), None),
        ("9: no number", |c| c["exp"] = json!("soon"), Some(|e| matches!(e, IdTokenError::Missing("exp")))),
        ("not yet", |c| c["nbf"] = json!(NOW.0 + 301), Some(|e| matches!(e, IdTokenError::Time))),
        ("11: nonce", |c| c["nonce"] = json!("other"), Some(|e| matches!(e, IdTokenError::Nonce))),
        ("11: no nonce", |c| c["nonce"] = Value::Null, Some(|e| matches!(e, IdTokenError::Nonce))),
        ("13: too old", |c| c["auth_time"] = json!(NOW.0 - 181), Some(|e| matches!(e, IdTokenError::TooOld))),
        ("13: at the skew", |c| c["auth_time"] = json!(NOW.0 - 180), None),
        ("13: unknown", |c| c["auth_time"] = Value::Null, Some(|e| matches!(e, IdTokenError::Missing("auth_time")))),
    ];
    for (name, change, expected) in cases {
        let mut host = Host::new(public(Settings::default()));
        let flow = begin(&mut host, "");
        let mut claims = good_claims(&flow);
        change(&mut claims);
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let state = flow.state().expose().to_string();
        let script = vec![tokens(json!({"id_token": jwt(&claims)}))];
        let result = redeem(&mut host, &flow, &[("code", "c"), ("state", &state)], script);
        match (result, expected) {
            (Ok(token), None) => assert_eq!(token.id_token_claims().and_then(|c| c.text("sub")), Some("s"), "{name}"),
            (Err(Error::IdToken(why)), Some(check)) if check(&why) => assert_eq!(host.cached(), 0, "{name}"),
            (other, _) => panic!("{name}: {other:?}"),
        }
    }
    for (policy, is_error) in [(IdTokenPolicy::Claims, true), (IdTokenPolicy::NonceOnly, false)] {
        let mut host = Host::new(public(Settings { id_token_policy: policy, ..Settings::default() }));
        let flow = begin(&mut host, "");
        let state = flow.state().expose().to_string();
        let result = redeem(&mut host, &flow, &[("code", "c"), ("state", &state)], vec![tokens(json!({}))]);
        assert_eq!(matches!(result, Err(Error::IdToken(IdTokenError::Absent))), is_error, "{policy:?}");
    }
}

/// Metadata that name no issuer are no reason to believe any (OpenID Connect Discovery s3: it is required).
#[test]
fn an_id_token_is_nobodys_where_the_metadata_name_no_issuer() {
    for (policy, good) in [(IdTokenPolicy::Claims, false), (IdTokenPolicy::NonceOnly, true)] {
        let mut host = Host::new(public(Settings { id_token_policy: policy, ..Settings::default() }));
        let World::Answers(status, headers, body) = metadata() else { panic!("an answer") };
        let body = String::from_utf8(body).unwrap().replace("\"issuer\"", "\"other\"");
        let flow = host.play([World::Answers(status, headers, body.into())], asked().initiate()).unwrap();
        let state = flow.state().expose().to_string();
        let script = vec![tokens(json!({"id_token": jwt(&good_claims(&flow))}))];
        match redeem(&mut host, &flow, &[("code", "c"), ("state", &state)], script) {
            Ok(_) => assert!(good),
            Err(Error::IdToken(IdTokenError::Issuer { .. })) => assert!(!good && host.cached() == 0),
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_tenant_of_a_multi_tenant_issuer_is_the_tokens() {
    let client = Client::builder("app").authority(&format!("{HOST}/common")).build().unwrap();
    for (tid, iss, good) in [
        (TENANT, format!("{HOST}/{TENANT}/v2.0"), true),
        ("other", format!("{HOST}/{TENANT}/v2.0"), false),
        ("", format!("{HOST}//v2.0"), false),
        ("x/../y", format!("{HOST}/x/../y/v2.0"), false),
        (TENANT, format!("https://evil.example/{TENANT}/v2.0"), false),
        (TENANT, format!("{HOST}/{{tenantid}}/v2.0"), false),
    ] {
        let mut host = Host::new(client.clone());
        let common = format!(
            r#"{{"issuer":"{HOST}/{{tenantid}}/v2.0","token_endpoint":"{HOST}/common/oauth2/v2.0/token","authorization_endpoint":"{HOST}/common/oauth2/v2.0/authorize"}}"#
        );
        let flow = host.play([answers(200, common)], asked().initiate()).unwrap();
        let mut claims = good_claims(&flow);
        (claims["iss"], claims["tid"]) = (json!(iss), json!(tid));
        let state = flow.state().expose().to_string();
        let script = || vec![tokens(json!({"id_token": jwt(&claims)}))];
        let result = redeem(&mut host, &flow, &[("code", "c"), ("state", &state)], script());
        assert_eq!(result.is_ok(), good, "{tid} {iss}: {result:?}");
        // The answer of the browser may name an issuer too (RFC 9207): one of those that the metadata stands for.
        let mut named = |issuer: &str, script| {
            redeem(&mut host, &flow, &[("code", "c"), ("state", &state), ("iss", issuer)], script)
        };
        let result = named(&format!("{HOST}/{TENANT}/v2.0"), script());
        assert_eq!(result.is_ok(), good, "{tid} {iss}: {result:?}");
        for other in [&format!("{HOST}/{{tenantid}}/v2.0"), &format!("{HOST}//v2.0"), "https://evil.example/x/v2.0", ""]
        {
            let result = named(other, vec![]);
            assert!(matches!(result, Err(Error::BadResponse { at: "iss", .. })), "{other}: {result:?}");
        }
    }
}

#[test]
fn what_the_browser_brings_is_not_believed() {
    // RFC 6749 s4.1.2 and s10.12, RFC 9207 s2.4.
    let issuer = format!("{HOST}/{TENANT}/v2.0");
    let announces = r#","authorization_response_iss_parameter_supported":true"#;
    let mut host = Host::new(public(Settings::default()));
    let flow = begin(&mut host, announces);
    let state = flow.state().expose().to_string();
    let longer = format!("{state}x");
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("code", "c"), ("iss", &issuer)], "state"),
        (&[("code", "c"), ("state", ""), ("iss", &issuer)], "state"),
        (&[("code", "c"), ("state", &longer), ("iss", &issuer)], "state"),
        (&[("code", "c"), ("state", &state[1..]), ("iss", &issuer)], "state"),
        (&[("code", "c"), ("state", &state)], "iss"),
        (&[("code", "c"), ("state", &state), ("iss", "https://evil.example")], "iss"),
        (&[("state", &state), ("iss", &issuer)], "code"),
        (&[("code", ""), ("state", &state), ("iss", &issuer)], "code"),
        (&[("code", "c"), ("code", "d"), ("state", &state), ("iss", &issuer)], "a parameter comes twice"),
    ];
    for (parameters, place) in cases {
        match redeem(&mut host, &flow, parameters, vec![]) {
            Err(Error::BadResponse { what: What::AuthorizationResponse, at }) => assert_eq!(at, *place),
            other => panic!("{parameters:?}: {other:?}"),
        }
    }
    let denied = [("error", "access_denied"), ("error_description", "no"), ("state", state.as_str()), ("iss", &issuer)];
    let error = redeem(&mut host, &flow, &denied, vec![]).unwrap_err();
    assert_eq!(error.refusal().unwrap().error(), "access_denied");
    let asks = [("error", "login_required"), ("state", state.as_str()), ("iss", &issuer)];
    assert!(matches!(redeem(&mut host, &flow, &asks, vec![]), Err(Error::InteractionRequired { .. })));
    assert_eq!(host.cached(), 0);
}

#[test]
fn a_flow_belongs_to_one_client() {
    let mut host = Host::new(public(Settings::default()));
    let flow = begin(&mut host, "");
    let kept = flow.to_members();
    let others = [
        Client::builder("other").authority(&format!("{HOST}/{TENANT}")).build().unwrap(),
        Client::builder("app").authority(&format!("{HOST}/other")).build().unwrap(),
    ];
    for other in &others {
        let response = AuthorizationResponse::from_parameters([("code", "c")]).unwrap();
        assert!(matches!(flow.redeem(other, response), Err(Error::Config(Config::SavedFlow(_)))));
        let restored = AuthCodeFlow::from_members(other, "http://localhost:8400", &kept);
        assert!(matches!(restored, Err(Error::Config(Config::SavedFlow(_)))));
    }
    let elsewhere = AuthCodeFlow::from_members(&host.client, "http://localhost:8401", &kept);
    assert!(matches!(elsewhere, Err(Error::Config(Config::SavedFlow("redirect_uri")))));
    let restored = AuthCodeFlow::from_members(&host.client, "http://localhost:8400", &kept).unwrap();
    let (state, claims) = (flow.state().expose().to_string(), good_claims(&flow));
    let script = vec![tokens(json!({"id_token": jwt(&claims)}))];
    redeem(&mut host, &restored, &[("code", "c"), ("state", &state)], script).unwrap();
    assert_eq!(host.field(0, "code_verifier").as_deref(), kept.text("code_verifier"));
    for name in ["state", "code_verifier", "nonce", "scope", "client_id", "authority"] {
        let mut less = kept.clone();
        less.remove(name);
        assert!(AuthCodeFlow::from_members(&host.client, "http://localhost:8400", &less).is_err(), "{name}");
    }
}

#[test]
fn a_sealed_flow_comes_back_as_it_was_or_not_at_all() {
    // Design part 2: a restored flow is attacker input. Every bit of every byte, every length, every other place.
    let mut host = Host::new(public(Settings::default()));
    let flow = begin(&mut host, "");
    let sealer = Sealer::new(&[7; 32]);
    let text = flow.seal(&sealer, &host.client, &mut host.entropy).unwrap();
    for name in ["state", "code_verifier", "nonce"] {
        assert!(!text.contains(flow.to_members().text(name).unwrap()), "{name} can be read");
    }
    let restore = |text: &str| AuthCodeFlow::restore(&sealer, &host.client, "http://localhost:8400", text);
    assert!(restore(&text).unwrap().to_members() == flow.to_members());
    let refused = |text: &str| match restore(text) {
        Err(Error::Config(Config::SavedFlow(_))) => {}
        Ok(same) => assert!(same.to_members() == flow.to_members(), "another flow: {text}"),
        Err(other) => panic!("{other}"),
    };
    let mut cases = 0_usize;
    for at in 0..text.len() {
        for bit in 0..7 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            if let Ok(altered) = String::from_utf8(bytes) {
                refused(&altered);
                cases += 1;
            }
        }
        refused(&text[..at]);
        refused(&format!("{}{}", &text[..at], &text[at + 1..]));
        cases += 2;
    }
    println!("{cases} alterations of a saved authorization code flow");
    assert!(cases > 3_000);
    let elsewhere = AuthCodeFlow::restore(&sealer, &host.client, "http://localhost:1", &text);
    assert!(matches!(elsewhere, Err(Error::Config(Config::SavedFlow("redirect_uri")))));
    let other_key = AuthCodeFlow::restore(&Sealer::new(&[8; 32]), &host.client, "http://localhost:8400", &text);
    assert!(matches!(other_key, Err(Error::Config(Config::SavedFlow(_)))));
    let other = Client::builder("other").authority(&format!("{HOST}/{TENANT}")).build().unwrap();
    let of_another = AuthCodeFlow::restore(&sealer, &other, "http://localhost:8400", &text);
    assert!(matches!(of_another, Err(Error::Config(Config::SavedFlow(_)))));
}

#[test]
fn one_machine_with_a_browser() {
    let mut host = Host::new(public(Settings::default()));
    host.person = Some(Box::new(|url| {
        let (_, query) = url.split_once('?').unwrap();
        let fields = sansal::http::form::decode(query).unwrap();
        let get = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, v)| v.expose().to_string());
        assert_eq!(get("response_mode").as_deref(), Some("form_post"));
        assert_eq!(get("redirect_uri").as_deref(), Some("http://localhost:8400"));
        assert_eq!(get("prompt").as_deref(), Some("select_account"));
        Ok(format!("error=access_denied&state={}", get("state").unwrap()))
    }));
    let flow = asked().prompt(&[sansal::Prompt::SelectAccount]).interactive(&host.client).unwrap();
    let error = host.play([metadata()], flow).unwrap_err();
    assert_eq!(error.refusal().unwrap().error(), "access_denied");
    // Somebody who never comes back: the time that took is not the token request's.
    host.person = Some(Box::new(|_| Err(AskError::TimedOut)));
    let flow = asked().interactive(&host.client).unwrap();
    assert!(matches!(host.play([], flow), Err(Error::Unanswered { ask: "browser", why: AskError::TimedOut })));
    host.clock.mono = host.clock.mono.after(Millis::from_secs(1));
    let far = AuthorizationRequest::new(&["User.Read"], "https://app.example/cb").unwrap();
    assert!(matches!(far.interactive(&host.client), Err(Error::Config(Config::RedirectUri))));
}
