//! Flows for users in the default profile, where it is stricter or kinder than the reference: what is checked before anything
//! is stored (decision 5), which refresh tokens are tried and kept (G-16), whose tokens lie where (G-30, G-47).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

mod authorization;

#[path = "../support/mod.rs"]
mod support;

use base64ct::{Base64UrlUnpadded, Encoding};
use sansal::cache::{Kind, TokenCache};
use sansal::client::{AuthScheme, Client, Credential, IdTokenPolicy, Settings};
use sansal::error::{Config, IdTokenError, SendError, What};
use sansal::flow::{AskError, Cx, Flow, Input, Millis, Step};
use sansal::jose::id_token::hash_nonce;
use sansal::pop::PopKey;
use sansal::sealed::Sealer;
use sansal::{
    Account, AuthCodeFlow, AuthorizationRequest, AuthorizationResponse, Binding, ClientCredentials, Error, GetAccounts,
    OnBehalfOf, RefreshTokenImport, RemoveAccount, Silent, Token, TokenSource, UserFederatedIdentityCredential,
};
use serde_json::{Value, json};
use support::{Host, NOW, World, answers};

const HOST: &str = "https://login.microsoftonline.com";
const TENANT: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
const USER: &str = "00001111-aaaa-2222-bbbb-3333cccc4444.aaaabbbb-0000-cccc-1111-dddd2222eeee";

fn public(settings: Settings) -> Client {
    Client::builder("app").authority(&format!("{HOST}/{TENANT}")).settings(settings).build().unwrap()
}

fn confidential(settings: Settings) -> Client {
    let builder = Client::builder("app").authority(&format!("{HOST}/{TENANT}"));
    builder.credential(Credential::secret("planted-secret")).settings(settings).build().unwrap()
}

fn metadata_of(tenant: &str, more: &str) -> World {
    answers(
        200,
        format!(
            r#"{{"issuer":"{HOST}/{tenant}/v2.0","token_endpoint":"{HOST}/{tenant}/oauth2/v2.0/token","authorization_endpoint":"{HOST}/{tenant}/oauth2/v2.0/authorize"{more}}}"#
        ),
    )
}

fn metadata() -> World {
    metadata_of(TENANT, "")
}

fn jwt(claims: &Value) -> String {
    let part = |value: &Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
    format!("{}.{}.c2ln", part(&json!({"alg": "RS256"})), part(claims))
}

fn client_info() -> String {
    let (uid, utid) = USER.split_once('.').unwrap();
    Base64UrlUnpadded::encode_string(json!({ "uid": uid, "utid": utid }).to_string().as_bytes())
}

/// A token response for the user, with these members over the usual ones; a null one is left out.
fn tokens(over: Value) -> World {
    let mut members = json!({
        "token_type": "Bearer", "expires_in": 3600, "access_token": "at-1", "refresh_token": "rt-1",
        "scope": "User.Read", "client_info": client_info(),
    });
    for (name, value) in over.as_object().unwrap() {
        match value {
            Value::Null => members.as_object_mut().unwrap().remove(name),
            value => members.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    answers(200, members.to_string())
}

fn refusal(error: &str, suberror: &str) -> World {
    answers(400, json!({ "error": error, "suberror": suberror, "error_description": "no" }).to_string())
}

fn account() -> Account {
    Account::with_home_account_id(USER, "login.microsoftonline.com")
}

/// A cache with an access token of this lifetime and these refresh tokens, the first one the newest.
fn cache(access: Option<(u64, Option<u64>)>, refresh: &[&str]) -> TokenCache {
    let mut root = json!({
        "AccessToken": {}, "RefreshToken": {},
        "Account": {"a": {"home_account_id": USER, "environment": "login.microsoftonline.com", "realm": TENANT,
            "local_account_id": "x", "username": "ada@contoso.com", "authority_type": "MSSTS"}},
        "AppMetadata": {"m": {"client_id": "app", "environment": "login.microsoftonline.com"}},
    });
    if let Some((lives, refresh_in)) = access {
        root["AccessToken"]["t"] = json!({"credential_type": "AccessToken", "secret": "cached-at", "home_account_id": USER,
            "environment": "login.microsoftonline.com", "client_id": "app", "realm": TENANT, "target": "User.Read",
            "token_type": "Bearer", "expires_on": (NOW.0 + lives).to_string()});
        if let Some(seconds) = refresh_in {
            root["AccessToken"]["t"]["refresh_on"] = json!((NOW.0 - seconds).to_string());
        }
    }
    for (age, secret) in refresh.iter().enumerate() {
        root["RefreshToken"][format!("r{age}")] = json!({"credential_type": "RefreshToken", "secret": secret,
            "home_account_id": USER, "environment": "login.microsoftonline.com", "client_id": "app", "target": "",
            "last_modification_time": (NOW.0 - 100 - age as u64).to_string()});
    }
    TokenCache::from_json(root.to_string().as_bytes()).unwrap()
}

fn silent(host: &mut Host, script: Vec<World>, request: &Silent) -> Result<Token, Error> {
    let flow = request.flow(&host.client)?;
    host.play(script, flow)
}

fn request() -> Silent {
    Silent::new(&account(), &["User.Read"]).unwrap()
}

fn secrets(host: &Host, kind: Kind) -> Vec<String> {
    host.store.tokens.search(kind, &[], &[], NOW).map(|entry| entry.secret().to_string()).collect()
}

/// What a machine gives at its first look, if that needs no renewal.
fn first_look(host: &mut Host, mut flow: impl Flow<Output = Token>) -> Option<Token> {
    let Host { client, store, clock, entropy, .. } = host;
    let mut input = Input::Start;
    for _ in 0..4 {
        let mut cx = Cx { client, store, clock: *clock, entropy };
        input = match flow.step(&mut cx, input).ok()? {
            Step::Load(_) => Input::Loaded,
            Step::Commit(changes) if changes.is_hit() => Input::Committed(Ok(())),
            Step::Done(token) => return Some(token),
            _ => return None,
        };
    }
    panic!("a look has three steps");
}

#[test]
fn what_is_at_hand_is_what_a_machine_finds() {
    let other_case = ["user.READ"];
    let scopes: [&[&str]; 9] = [
        &["User.Read"],
        &other_case,
        &["User.Read", "User.Read"],
        &["Mail.Read"],
        &["User.Read", "Mail.Read"],
        &["openid"],
        &[],
        &[""],
        &["User.Read "],
    ];
    let kept = [None, Some((3600, None)), Some((299, None)), Some((300, None)), Some((3600, Some(1)))];
    let bearer = || public(Settings::default());
    let bound = || {
        let key = PopKey::generate(&mut support::Bytes(3)).unwrap();
        let builder = Client::builder("app").authority(&format!("{HOST}/{TENANT}")).dpop_key(key);
        builder.auth_scheme(AuthScheme::Dpop).build().unwrap()
    };
    let elsewhere = || Client::builder("app").authority("https://sts.windows.net/other").build().unwrap();
    let by_alias = || Client::builder("app").authority(&format!("https://login.windows.net/{TENANT}")).build().unwrap();
    let reference = || public(Settings::reference());
    let clients: [&dyn Fn() -> Client; 5] = [&bearer, &bound, &elsewhere, &by_alias, &reference];
    let mut found = [0, 0];
    for (client, kept) in clients.iter().flat_map(|client| kept.iter().map(move |kept| (client, kept))) {
        for (scopes, clock) in scopes.iter().flat_map(|scopes| [(scopes, true), (scopes, false)]) {
            for of_user in [true, false] {
                let mut host = Host::new(client());
                host.store.tokens = cache(*kept, &["rt"]);
                if !of_user {
                    let text = String::from_utf8(host.store.tokens.to_json().to_vec()).unwrap().replace(USER, "");
                    host.store.tokens = TokenCache::from_json(text.as_bytes()).unwrap();
                }
                host.clock.wall = host.clock.wall.filter(|_| clock);
                let (client, store) = (&host.client, &host.store);
                let (at_hand, looked) = if of_user {
                    let at_hand = Silent::at_hand(&account(), scopes, client, store, host.clock);
                    let flow = Silent::new(&account(), scopes).and_then(|request| request.flow(&host.client));
                    (at_hand, flow.ok().and_then(|flow| first_look(&mut host, flow)))
                } else {
                    let at_hand = ClientCredentials::at_hand(scopes, client, store, host.clock);
                    let flow = ClientCredentials::new(scopes).and_then(|request| request.flow(&host.client));
                    (at_hand, flow.ok().and_then(|flow| first_look(&mut host, flow)))
                };
                let shown = |token: &Option<Token>| {
                    let token = token.as_ref()?;
                    let members = token.members().to_json();
                    Some((format!("{token:?}"), String::from_utf8(members.to_vec()).unwrap(), token.refresh_on()))
                };
                let case = format!("{} {kept:?} {scopes:?} {clock} {of_user}", host.client.authority().host());
                assert_eq!(shown(&at_hand), shown(&looked), "{case}");
                found[usize::from(of_user)] += usize::from(at_hand.is_some());
            }
        }
    }
    // Two lifetimes; two names of one host in any case of letters, and the reference in all that are exact.
    println!("{found:?}");
    assert!(found.iter().all(|count| *count >= 12), "{found:?}");
}

#[test]
fn an_aging_token_outlives_every_failure_of_its_renewal() {
    // G-02, and every other way of failing.
    let failures: [World; 10] = [
        answers(500, "<html>"),
        answers(503, "{}"),
        answers(429, r#"{"error":"slow"}"#),
        answers(200, "<html>"),
        answers(302, ""),
        answers(400, r#"{"error":"invalid_grant"}"#),
        answers(400, r#"{"error":"interaction_required","claims":"{}"}"#),
        World::Fails(SendError::NoAnswer),
        World::Fails(SendError::TooLarge),
        World::Fails(SendError::Cancelled),
    ];
    for failure in failures {
        let mut host = Host::new(public(Settings { retries: sansal::client::Retries::NONE, ..Settings::default() }));
        host.store.tokens = cache(Some((3000, Some(1))), &["rt-0"]);
        let token = silent(&mut host, vec![metadata(), failure.clone()], &request()).unwrap();
        assert_eq!((token.access_token(), token.source()), ("cached-at", TokenSource::Cache), "{failure:?}");
        // And where nobody can be asked for the metadata.
        let mut host = Host::new(public(Settings { retries: sansal::client::Retries::NONE, ..Settings::default() }));
        host.store.tokens = cache(Some((3000, Some(1))), &["rt-0"]);
        let token = silent(&mut host, vec![World::Fails(SendError::NoAnswer)], &request()).unwrap();
        assert_eq!(token.access_token(), "cached-at");
    }
    // Without a refresh token, too, and nobody is asked in vain.
    let mut host = Host::new(public(Settings::default()));
    host.store.tokens = cache(Some((3000, Some(1))), &[]);
    assert_eq!(silent(&mut host, vec![metadata()], &request()).unwrap().access_token(), "cached-at");
}

#[test]
fn dead_refresh_tokens_leave_and_no_more_than_eight_are_tried() {
    // G-16.
    let mut host = Host::new(public(Settings::default()));
    host.store.tokens = cache(None, &["newest", "dead", "third"]);
    let script = vec![
        metadata(),
        refusal("invalid_grant", "basic_action"),
        refusal("invalid_grant", "bad_token"),
        tokens(json!({"refresh_token": null})),
    ];
    silent(&mut host, script, &request()).unwrap();
    let tried: Vec<_> = (1..4).filter_map(|n| host.field(n, "refresh_token")).collect();
    assert_eq!(tried, ["newest", "dead", "third"]);
    assert_eq!(secrets(&host, Kind::RefreshToken), ["newest", "third"], "what only wants a person is kept");

    let many = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let mut host = Host::new(public(Settings::default()));
    host.store.tokens = cache(None, &many);
    let refusals = (0..8).map(|_| refusal("invalid_grant", "token_expired"));
    let error = silent(&mut host, core::iter::once(metadata()).chain(refusals).collect(), &request()).unwrap_err();
    assert_eq!(error.refusal().unwrap().suberror(), Some("token_expired"));
    assert_eq!(secrets(&host, Kind::RefreshToken), ["8", "9"], "the dead ones are gone although the call failed");
}

#[test]
fn nothing_usable_means_a_person_has_to_sign_in() {
    let mut host = Host::new(public(Settings::default()));
    host.store.tokens = cache(None, &[]);
    let error = silent(&mut host, vec![metadata()], &request()).unwrap_err();
    assert!(matches!(error, Error::InteractionRequired { claims: None, refusal: None }), "{error}");
    host.store.tokens = cache(None, &["rt"]);
    let wants =
        answers(400, r#"{"error":"interaction_required","suberror":"basic_action","claims":"{\"id_token\":{}}"}"#);
    match silent(&mut host, vec![wants], &request()).unwrap_err() {
        Error::InteractionRequired { claims: Some(claims), refusal: Some(refusal) } => {
            assert_eq!((claims.as_str(), refusal.classification()), ("{\"id_token\":{}}", Some("basic_action")));
        }
        other => panic!("{other}"),
    }
    // Busy is not refused: the next token would be busy as well.
    let mut host = Host::new(public(Settings::default()));
    host.store.tokens = cache(None, &["a", "b"]);
    let error = silent(&mut host, vec![metadata(), answers(503, "")], &request()).unwrap_err();
    assert!(error.is_transient() && host.sent.len() == 2, "{error}");
}

#[test]
fn a_rotated_refresh_token_takes_the_place_of_the_used_one() {
    let mut host = Host::new(public(Settings::default()));
    host.store.tokens = cache(None, &["used", "other"]);
    silent(&mut host, vec![metadata(), tokens(json!({"refresh_token": "rotated"}))], &request()).unwrap();
    assert_eq!(secrets(&host, Kind::RefreshToken), ["rotated", "other"]);
    // A commit that fails does not lose the token.
    host.commit = Err(sansal::error::CommitError::NotWritten);
    let token = silent(&mut host, vec![tokens(json!({}))], &request().force_refresh(true)).unwrap();
    assert!(token.stored().is_err() && token.access_token() == "at-1");
}

#[test]
fn whose_a_renewed_token_is() {
    // OpenID Connect Core s12.2: not somebody else's. And a server that says nothing about it means the one who was asked for.
    let other = Base64UrlUnpadded::encode_string(br#"{"uid":"somebody","utid":"else"}"#);
    let mut host = Host::new(public(Settings::default()));
    host.store.tokens = cache(None, &["rt"]);
    let error = silent(&mut host, vec![metadata(), tokens(json!({"client_info": other}))], &request()).unwrap_err();
    assert!(matches!(error, Error::IdToken(IdTokenError::Account)), "{error}");
    assert_eq!(secrets(&host, Kind::AccessToken), [""; 0]);
    silent(&mut host, vec![tokens(json!({"client_info": null}))], &request()).unwrap();
    assert_eq!(silent(&mut host, vec![], &request()).unwrap().access_token(), "at-1", "found again under the account");

    // The same where the ID token alone says it: by the token of before, or by the account that was named after it.
    let id_token = |issuer: &str, sub: &str| {
        jwt(&json!({"iss": issuer, "aud": "app", "exp": NOW.0 + 3600, "iat": NOW.0, "sub": sub, "tid": TENANT}))
    };
    let entra = format!("{HOST}/{TENANT}/v2.0");
    for (before, sub, is_same) in
        [(None, "pairwise", true), (Some("pairwise"), "pairwise", true), (Some("pairwise"), "else", false)]
    {
        let mut host = Host::new(public(Settings::default()));
        let known = cache(None, &["rt"]).to_json();
        let mut root: Value = serde_json::from_slice(&known).unwrap();
        if let Some(before) = before {
            root["IdToken"] = json!({"i": {"credential_type": "IdToken", "secret": id_token(&entra, before), "client_id": "app",
                "home_account_id": USER, "environment": "login.microsoftonline.com", "realm": TENANT}});
        }
        host.store.tokens = TokenCache::from_json(root.to_string().as_bytes()).unwrap();
        let answer = tokens(json!({"client_info": null, "id_token": id_token(&entra, sub)}));
        match silent(&mut host, vec![metadata(), answer], &request()) {
            Ok(_) => assert!(is_same && silent(&mut host, vec![], &request()).is_ok(), "{before:?} {sub}"),
            Err(Error::IdToken(IdTokenError::Account)) => {
                assert!(!is_same && secrets(&host, Kind::AccessToken).is_empty(), "{before:?} {sub}");
            }
            Err(error) => panic!("{before:?} {sub}: {error}"),
        }
    }
    const ISSUER: &str = "https://idp.example/realm";
    for (sub, expected) in [("ada", Ok("at-1")), ("eve", Err("the answer is about another user than the one whose"))] {
        let mut host = Host::new(Client::builder("app").oidc_authority(ISSUER).build().unwrap());
        let text = json!({"RefreshToken": {"r": {"credential_type": "RefreshToken", "secret": "rt", "home_account_id": "ada",
            "environment": "idp.example", "client_id": "app", "target": ""}}});
        host.store.tokens = TokenCache::from_json(text.to_string().as_bytes()).unwrap();
        let known = answers(
            200,
            json!({"issuer": ISSUER, "token_endpoint": "https://idp.example/t", "authorization_endpoint": "https://idp.example/a"})
                .to_string(),
        );
        let answer = tokens(json!({"client_info": null, "id_token": id_token(ISSUER, sub)}));
        let request = Silent::new(&Account::with_home_account_id("ada", "idp.example"), &["User.Read"]).unwrap();
        let got = silent(&mut host, vec![known, answer], &request).map_err(|error| error.to_string());
        match (&got, expected) {
            (Ok(token), Ok(expected)) => assert_eq!(token.access_token(), expected),
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
            _ => panic!("{sub}: {got:?}"),
        }
    }

    // A user's token that names no account is given out and not kept: it would lie among the application's own.
    let mut host = Host::new(confidential(Settings::default()));
    let flow = RefreshTokenImport::new("rt", &["User.Read"]).unwrap().flow(&host.client).unwrap();
    let token = host.play([metadata(), tokens(json!({"client_info": null}))], flow).unwrap();
    assert_eq!((token.access_token(), host.cached()), ("at-1", 0));
}

/// Section 2.5 of the reference: the tenant of an authority is the one that its token endpoint names, not the domain that was typed.
#[test]
fn the_tenant_is_that_of_the_token_endpoint() {
    const TYPED: &str = "https://login.microsoftonline.com/contoso.onmicrosoft.com";
    // In the routing hint of a user's federated credential (section 1.11).
    let builder = Client::builder("app").authority(TYPED).credential(Credential::secret("planted-secret"));
    let mut host = Host::new(builder.build().unwrap());
    let credential = UserFederatedIdentityCredential::for_object_id("assertion", "oid", &["User.Read"]).unwrap();
    let flow = credential.flow(&host.client).unwrap();
    host.play([metadata(), tokens(json!({}))], flow).unwrap();
    let routing = host.sent[1].headers.iter().find(|header| header.name == "X-AnchorMailbox").unwrap();
    assert_eq!(routing.value.expose(), format!("Oid:oid@{TENANT}"));

    // And at another name of the cloud (section 4.11.1).
    let builder = Client::builder("app").authority(TYPED).settings(Settings::reference());
    let mut host = Host::new(builder.build().unwrap());
    let elsewhere = cache(None, &["rt"]).to_json();
    let elsewhere = String::from_utf8_lossy(&elsewhere).replace("login.microsoftonline.com", "login.windows.net");
    host.store.tokens = TokenCache::from_json(elsewhere.as_bytes()).unwrap();
    let aliases = json!({"metadata": [{"aliases": ["login.microsoftonline.com", "login.windows.net"]}]});
    let there = json!({"token_endpoint": format!("https://login.windows.net/{TENANT}/oauth2/v2.0/token"),
        "authorization_endpoint": format!("https://login.windows.net/{TENANT}/oauth2/v2.0/authorize")});
    let script =
        vec![metadata(), answers(200, aliases.to_string()), answers(200, there.to_string()), tokens(json!({}))];
    silent(&mut host, script, &request()).unwrap();
    let address = format!("https://login.windows.net/{TENANT}/v2.0/.well-known/openid-configuration");
    assert_eq!(host.sent[2].endpoint.as_str(), address);
}

#[test]
fn another_tenant_by_name() {
    // G-47: the refresh token of home serves there, and the token lies under that tenant.
    let mut host = Host::new(public(Settings::default()));
    host.store.tokens = cache(Some((3000, None)), &["rt"]);
    let guest = request().tenant("fabrikam.onmicrosoft.com");
    let script = vec![metadata_of("fabrikam.onmicrosoft.com", ""), tokens(json!({"access_token": "guest-at"}))];
    assert_eq!(silent(&mut host, script, &guest).unwrap().access_token(), "guest-at");
    assert!(host.sent[1].endpoint.path().starts_with("/fabrikam.onmicrosoft.com/"));
    assert_eq!(silent(&mut host, vec![], &guest).unwrap().access_token(), "guest-at");
    assert_eq!(silent(&mut host, vec![], &request()).unwrap().access_token(), "cached-at");
    for bad in ["", "a/b", "a b", "..%2f"] {
        assert!(matches!(request().tenant(bad).flow(&host.client), Err(Error::Config(Config::Authority(_)))), "{bad}");
    }
}

#[test]
fn a_bound_token_is_never_taken_for_a_bearer_one() {
    // Decision 4 and 8; section 8.3 of the reference.
    let key = Binding::ssh_certificate(r#"{"kty":"RSA"}"#, "key-1").unwrap();
    let mut host = Host::new(public(Settings::default()));
    host.store.tokens = cache(None, &["rt"]);
    let error = silent(&mut host, vec![metadata(), tokens(json!({}))], &request().bound(&key)).unwrap_err();
    assert!(matches!(error, Error::BadResponse { what: What::TokenResponse, .. }), "a downgrade: {error}");
    assert_eq!(secrets(&host, Kind::AccessToken), [""; 0]);
    let bound = || tokens(json!({"token_type": "ssh-cert", "access_token": "AAAA", "refresh_token": null}));
    silent(&mut host, vec![bound()], &request().bound(&key)).unwrap();
    assert_eq!(
        (host.field(0, "req_cnf").as_deref(), host.field(0, "key_id").as_deref()),
        (Some(r#"{"kty":"RSA"}"#), Some("key-1"))
    );
    assert_eq!(silent(&mut host, vec![], &request().bound(&key)).unwrap().access_token(), "AAAA");
    let other = Binding::ssh_certificate("{}", "key-2").unwrap();
    silent(&mut host, vec![bound()], &request().bound(&other)).unwrap();
    let bearer = silent(&mut host, vec![tokens(json!({"refresh_token": null}))], &request()).unwrap();
    assert_eq!(bearer.access_token(), "at-1");
}

#[test]
fn on_behalf_of_is_kept_apart_by_the_assertion() {
    // G-30.
    let mut host = Host::new(confidential(Settings::default()));
    let get = |host: &mut Host, assertion: &str, script: Vec<World>| {
        let flow = OnBehalfOf::new(assertion, &["User.Read"]).unwrap().flow(&host.client).unwrap();
        host.play(script, flow)
    };
    let ada = get(&mut host, "assertion of ada", vec![metadata(), tokens(json!({"access_token": "for ada"}))]).unwrap();
    assert_eq!((ada.access_token(), ada.source()), ("for ada", TokenSource::IdentityProvider));
    assert_eq!(host.field(1, "requested_token_use").as_deref(), Some("on_behalf_of"));
    assert_eq!(host.field(1, "user_assertion_hash"), None);
    let again = get(&mut host, "assertion of ada", vec![]).unwrap();
    assert_eq!((again.access_token(), again.source()), ("for ada", TokenSource::Cache));
    let bob = get(&mut host, "assertion of bob", vec![tokens(json!({"access_token": "for bob"}))]).unwrap();
    assert_eq!(bob.access_token(), "for bob");
    assert_eq!(get(&mut host, "assertion of ada", vec![]).unwrap().access_token(), "for ada");
    let challenged = OnBehalfOf::new("assertion of ada", &["User.Read"]).unwrap().claims_challenge("{}");
    let flow = challenged.flow(&host.client).unwrap();
    assert_eq!(host.play([tokens(json!({"access_token": "new"}))], flow).unwrap().access_token(), "new");
    // The reference's profile asks each time.
    let mut host = Host::new(confidential(Settings { partition_on_behalf_of: false, ..Settings::default() }));
    get(&mut host, "a", vec![metadata(), tokens(json!({}))]).unwrap();
    get(&mut host, "a", vec![tokens(json!({}))]).unwrap();
    assert!(OnBehalfOf::new("", &["User.Read"]).is_err());
    assert!(matches!(
        OnBehalfOf::new("a", &["User.Read"]).unwrap().flow(&public(Settings::default())),
        Err(Error::Config(Config::ClientKind(_)))
    ));
}

#[test]
fn accounts_under_every_name_of_the_cloud() {
    let mut host =
        Host::new(Client::builder("app").authority(&format!("https://login.windows.net/{TENANT}")).build().unwrap());
    host.store.tokens = cache(Some((3000, None)), &["rt"]);
    let found = host.play([], GetAccounts::new().username("ADA@contoso.com")).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].home_account_id(), found[0].environment()), (USER, "login.microsoftonline.com"));
    assert_eq!(format!("{found:?}"), "[Account(..)]");
    assert_eq!(host.play([], GetAccounts::new().username("bob")).unwrap(), []);
    let flow = Silent::new(&found[0], &["User.Read"]).unwrap().flow(&host.client).unwrap();
    assert_eq!(host.play([], flow).unwrap().access_token(), "cached-at");
    host.play([], RemoveAccount::new(&found[0])).unwrap().unwrap();
    assert_eq!((host.cached(), host.play([], GetAccounts::new()).unwrap()), (0, vec![]));
}

// ---- Sign-in at a browser ----
