//! Refresh tokens, passwords, device codes, on-behalf-of, federated credentials and SAML.

use super::*;

#[test]
fn refresh_tokens() {
    let mut platform = platform();
    let first = tokens(&mut platform, APP, SCOPE, ADELE)["refresh_token"].as_str().unwrap().to_owned();
    let ask = |platform: &mut Platform, changes: &[(&'static str, &str)]| {
        token(platform, &but(&refresh(&first), changes), NOW + 99)
    };
    // Not rotated: it counts again, for other scopes and resources too.
    let again = document(&post(&mut platform, "organizations", "token", &refresh(&first), NOW));
    assert!(again["refresh_token"].is_string() && again["refresh_token"] != json!(first));
    let id = verify(&mut platform, &again["id_token"], APP, CONTOSO_TENANT);
    assert!(id.get("nonce").is_none(), "OpenID Connect Core s12.2: {id}");
    let cases: &[(&[(&'static str, &str)], &str)] = &[
        (&[("scope", "Mail.Read")], "ok"),
        (&[("scope", "api://web/x")], "ok"),
        (&[("refresh_token", "x")], "invalid_grant/70000"),
        (&[("refresh_token", "-")], "invalid_request/900144"),
        (&[("client_id", "word")], "invalid_grant/70000/client_mismatch"),
        (&[("client_id", "nobody")], "unauthorized_client/700016"),
    ];
    for (changes, expected) in cases {
        assert_eq!(ask(&mut platform, changes), *expected, "{changes:?}");
    }
    for (how, expected) in [
        (Revoke::BadToken, "invalid_grant/50173/bad_token"),
        (Revoke::TokenExpired, "invalid_grant/700082/token_expired"),
        (Revoke::Interaction { claims: "{\"a\":1}".to_owned() }, "interaction_required/50076/basic_action"),
    ] {
        platform.revoke(ADELE, &how);
        assert_eq!(ask(&mut platform, &[]), expected);
    }
    let refused = document(&post(&mut platform, "organizations", "token", &refresh(&first), NOW));
    assert_eq!(refused["claims"], "{\"a\":1}");

    // A family shares, others get nothing of it.
    let shared = tokens(&mut platform, "word", SCOPE, ADELE)["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(token(&mut platform, &but(&refresh(&shared), &[("client_id", "excel")]), NOW), "ok");
    assert_eq!(token(&mut platform, &refresh(&shared), NOW), "invalid_grant/70000/client_mismatch");

    // Rotated: the old one's second use ends the new one.
    let mut rotating = self::platform().rotate_refresh_tokens();
    let old = tokens(&mut rotating, APP, SCOPE, ADELE)["refresh_token"].as_str().unwrap().to_owned();
    let new = document(&post(&mut rotating, "organizations", "token", &refresh(&old), NOW))["refresh_token"].clone();
    let new = refresh(new.as_str().unwrap());
    let failing = but(&new, &[("scope", "Unknown.Scope")]);
    assert_eq!(token(&mut rotating, &failing, NOW), "invalid_scope/70011");
    assert_eq!(token(&mut rotating, &refresh(&old), NOW), "invalid_grant/50173/bad_token");
    assert_eq!(token(&mut rotating, &new, NOW), "invalid_grant/50173/bad_token");
    // The user is gone.
    platform.change_user(User::new(CONTOSO_TENANT, CONTOSO_USER_ID, ADELE, "pw").disabled());
    assert_eq!(token(&mut platform, &but(&refresh(&shared), &[("client_id", "word")]), NOW), "invalid_grant/50057");
}

#[test]
fn passwords() {
    let base = fields(&[
        ("grant_type", "password"),
        ("client_id", APP),
        ("username", ADELE),
        ("password", CONTOSO_PASSWORD),
        ("scope", SCOPE),
    ]);
    let cases: &[(&[(&'static str, &str)], &str)] = &[
        (&[], "ok"),
        (&[("client_id", WEB), ("client_secret", CONTOSO_SECRET)], "ok"),
        (&[("client_id", WEB)], "invalid_client/7000218"),
        (&[("password", "wrong")], "invalid_grant/50126"),
        (&[("password", "-")], "invalid_request/900144"),
        (&[("username", "nobody@x")], "invalid_grant/50034"),
        (&[("username", "gone@x"), ("password", "pw")], "invalid_grant/50057"),
        (&[("username", "old@x"), ("password", "pw")], "invalid_grant/50055/user_password_expired"),
        (&[("username", "mfa@x"), ("password", "pw")], "interaction_required/50076/basic_action"),
        (&[("username", "shy@x"), ("password", "pw")], "invalid_grant/65001/consent_required"),
        (&[("scope", "-")], "invalid_request/900144"),
    ];
    let mut platform = platform();
    for (changes, expected) in cases {
        assert_eq!(token(&mut platform, &but(&base, changes), NOW), *expected, "{changes:?}");
    }
    assert_eq!(outcome(&post(&mut platform, "common", "token", &base, NOW)), "invalid_request/9001023");
    let challenged = document(&post(
        &mut platform,
        CONTOSO_TENANT,
        "token",
        &but(&base, &[("username", "mfa@x"), ("password", "pw")]),
        NOW,
    ));
    assert!(challenged["claims"].as_str().unwrap().contains("access_token"));
    // In a browser there is a second factor, and consent.
    for name in ["mfa@x", "shy@x"] {
        let refreshed = tokens(&mut platform, APP, SCOPE, name);
        assert_eq!(token(&mut platform, &refresh(refreshed["refresh_token"].as_str().unwrap()), NOW), "ok");
    }
}

#[test]
fn devices() {
    let mut platform = platform();
    let ask = fields(&[("client_id", APP), ("scope", SCOPE)]);
    let begin = |platform: &mut Platform| document(&post(platform, "organizations", "devicecode", &ask, NOW));
    let poll = |flow: &Value| {
        fields(&[("grant_type", DEVICE), ("client_id", APP), ("device_code", flow["device_code"].as_str().unwrap())])
    };
    let flow = begin(&mut platform);
    assert_eq!((&flow["interval"], &flow["expires_in"]), (&json!(5), &json!(900)));
    assert_eq!(flow["verification_uri"], format!("https://{HOST}/organizations/oauth2/deviceauth"));
    let user_code = flow["user_code"].as_str().unwrap();
    let steps = [
        (NOW, "authorization_pending/70016"),
        (NOW + 5, "authorization_pending/70016"),
        (NOW + 9, "slow_down/70016"),
        // Five more seconds from now on (RFC 8628 s3.5).
        (NOW + 18, "slow_down/70016"),
        (NOW + 33, "authorization_pending/70016"),
    ];
    for (now, expected) in steps {
        assert_eq!(token(&mut platform, &poll(&flow), now), expected, "{now}");
    }
    assert!(!platform.approve_device("XXXXXXXXX", ADELE) && !platform.approve_device(user_code, "nobody@x"));
    assert!(platform.approve_device(&user_code.to_ascii_lowercase(), ADELE));
    assert!(!platform.approve_device(user_code, ADELE) && !platform.decline_device(user_code));
    let wrong = [
        (but(&poll(&flow), &[("client_id", "word")]), "bad_verification_code/70018"),
        (but(&poll(&flow), &[("device_code", "x")]), "bad_verification_code/70018"),
        (but(&poll(&flow), &[("device_code", "-")]), "invalid_request/900144"),
    ];
    for (request, expected) in wrong {
        assert_eq!(token(&mut platform, &request, NOW + 60), expected, "{request:?}");
    }
    let answer = document(&post(&mut platform, "organizations", "token", &poll(&flow), NOW + 60));
    assert_eq!(answer["scope"], "User.Read openid profile");
    verify(&mut platform, &answer["id_token"], APP, CONTOSO_TENANT);
    assert_eq!(token(&mut platform, &poll(&flow), NOW + 90), "invalid_grant/54005");

    let declined = begin(&mut platform);
    assert!(platform.decline_device(declined["user_code"].as_str().unwrap()));
    assert_eq!(token(&mut platform, &poll(&declined), NOW), "authorization_declined/70017");
    let late = begin(&mut platform);
    assert_eq!(token(&mut platform, &poll(&late), NOW + 900), "expired_token/70020");

    let refused = [
        (&[("client_id", WEB)] as &[_], "invalid_client/7000218"),
        (&[("client_id", "nobody")], "unauthorized_client/700016"),
        (&[("scope", "-")], "invalid_request/900144"),
        (&[("scope", "Unknown.Scope")], "invalid_scope/70011"),
    ];
    for (changes, expected) in refused {
        let answer = post(&mut platform, "organizations", "devicecode", &but(&ask, changes), NOW);
        assert_eq!(outcome(&answer), expected, "{changes:?}");
    }
}

#[test]
fn on_behalf_of() {
    let mut platform = platform();
    let incoming = tokens(&mut platform, APP, "api://web/x openid", ADELE);
    let graph = tokens(&mut platform, APP, SCOPE, ADELE);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let good = text(&incoming["access_token"]);
    let mut tampered = good.clone();
    tampered.replace_range(
        good.len() - 10..good.len() - 9,
        if &good[good.len() - 10..=good.len() - 10] == "A" { "B" } else { "A" },
    );
    let own = fields(&[("grant_type", "client_credentials"), ("client_id", WEB), ("client_secret", CONTOSO_SECRET)]);
    let own = but(&own, &[("scope", "api://web/.default")]);
    let own = text(&document(&post(&mut platform, CONTOSO_TENANT, "token", &own, NOW))["access_token"]);
    let base = fields(&[
        ("grant_type", ON_BEHALF),
        ("client_id", WEB),
        ("client_secret", CONTOSO_SECRET),
        ("requested_token_use", "on_behalf_of"),
        ("assertion", &good),
        ("scope", SCOPE),
    ]);
    let cases: [(&[(&'static str, &str)], u64, &str); 9] = [
        (&[], NOW, "ok"),
        (&[("requested_token_use", "-")], NOW, "invalid_request/900144"),
        (&[("requested_token_use", "x")], NOW, "invalid_request/90023"),
        (&[("client_secret", "x")], NOW, "invalid_client/7000215"),
        (&[("assertion", "x")], NOW, "invalid_grant/50013"),
        (&[("assertion", &tampered)], NOW, "invalid_grant/50013"),
        (&[("assertion", &text(&graph["access_token"]))], NOW, "invalid_grant/500131"),
        (&[("assertion", &own)], NOW, "invalid_grant/7000114"),
        (&[], NOW + 3599, "invalid_grant/500133"),
    ];
    for (changes, now, expected) in cases {
        assert_eq!(token(&mut platform, &but(&base, changes), now), expected, "{changes:?}");
    }
    let answer = document(&post(&mut platform, CONTOSO_TENANT, "token", &base, NOW));
    let access = verify(&mut platform, &answer["access_token"], "https://graph.microsoft.com", CONTOSO_TENANT);
    assert_eq!((&access["oid"], &access["azp"]), (&json!(CONTOSO_USER_ID), &json!(WEB)));
    // Nobody is there to prove himself twice.
    let strict = text(&tokens(&mut platform, APP, "api://web/x", "mfa@x")["access_token"]);
    assert_eq!(
        token(&mut platform, &but(&base, &[("assertion", &strict)]), NOW),
        "interaction_required/50076/basic_action"
    );
}

#[test]
fn debug_shows_no_token() {
    let mut platform = platform();
    let first = tokens(&mut platform, APP, SCOPE, ADELE);
    let token = first["refresh_token"].as_str().unwrap();
    let response = post(&mut platform, CONTOSO_TENANT, "token", &refresh(token), NOW);
    let shown = format!("{platform:?} {platform:#?} {response:?}");
    let bytes = format!("{:?}", &response.body[..16]);
    let inside = bytes.trim_matches(['[', ']']);
    assert!(response.status == 200 && !shown.contains(token) && !shown.contains(inside), "{shown}");
}

#[test]
fn federated_credentials_and_saml() {
    let mut platform = platform();
    let own = |scope: &str| {
        let own = [("grant_type", "client_credentials"), ("client_id", WEB), ("client_secret", CONTOSO_SECRET)];
        but(&fields(&own), &[("scope", scope)])
    };
    let app_token = |platform: &mut Platform, scope: &str| {
        document(&post(platform, CONTOSO_TENANT, "token", &own(scope), NOW))["access_token"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let good = app_token(&mut platform, "api://AzureADTokenExchange/.default");
    let other = app_token(&mut platform, "https://graph.microsoft.com/.default");
    let base = fields(&[
        ("grant_type", "user_fic"),
        ("client_id", WEB),
        ("client_secret", CONTOSO_SECRET),
        ("user_federated_identity_credential", &good),
        ("username", ADELE),
        ("scope", SCOPE),
    ]);
    let cases: [(&[(&'static str, &str)], u64, &str); 8] = [
        (&[], NOW, "ok"),
        (&[("username", "-"), ("user_id", CONTOSO_USER_ID)], NOW, "ok"),
        (&[("user_id", CONTOSO_USER_ID)], NOW, "invalid_request/90023"),
        (&[("username", "-")], NOW, "invalid_request/90023"),
        (&[("username", "nobody@x")], NOW, "invalid_grant/50034"),
        (&[("user_federated_identity_credential", "a.b.c")], NOW, "invalid_grant/50013"),
        (&[("user_federated_identity_credential", &other)], NOW, "invalid_grant/700231"),
        (&[], NOW + 3599, "invalid_grant/500133"),
    ];
    for (changes, now, expected) in cases {
        assert_eq!(token(&mut platform, &but(&base, changes), now), expected, "{changes:?}");
    }

    let make = |version| platform.saml_assertion(ADELE, version, NOW).unwrap();
    let (first, second) = (make(SamlVersion::V1), make(SamlVersion::V2));
    let encoded = |text: &str| Base64UrlUnpadded::encode_string(text.as_bytes());
    let forged = second.replace(ADELE, "mfa@x");
    let base = fields(&[("client_id", APP), ("scope", SCOPE)]);
    let cases = [
        (SAML1, encoded(&first), NOW, "ok"),
        (SAML2, encoded(&second), NOW + 599, "ok"),
        (SAML2, encoded(&second), NOW + 600, "invalid_grant/500089"),
        (SAML1, encoded(&second), NOW, "invalid_grant/50008"),
        (SAML2, encoded(&forged), NOW, "invalid_grant/50008"),
        (SAML2, second.clone(), NOW, "invalid_grant/50008"),
        (SAML2, "-".to_owned(), NOW, "invalid_request/900144"),
    ];
    for (kind, assertion, now, expected) in cases {
        let request = but(&base, &[("grant_type", kind), ("assertion", &assertion)]);
        assert_eq!(token(&mut platform, &request, now), expected, "{kind} {now}");
    }
}
