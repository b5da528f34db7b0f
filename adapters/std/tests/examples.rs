//! What the examples `device_code`, `on_behalf_of`, `claims_challenge` and `resource_server` decide, against the simulated platform.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use resource_server::Answer;
use sansal_sim::{
    CONTOSO_CLIENT, CONTOSO_PASSWORD, CONTOSO_TENANT, CONTOSO_USER, CONTOSO_USER_ID, Fault, On, Platform, Resource,
    Server, User, What,
};
use sansal_std::sansal::authorization::AuthorizationRequest;
use sansal_std::sansal::error::{Error, TokenError};
use sansal_std::sansal::http::challenge::claims_challenge;
use sansal_std::sansal::key::Algorithm;
use sansal_std::sansal::time::{Clock, Millis};
use sansal_std::sansal::validate::{Tenants, TokenValidation};
use sansal_std::{
    ConfidentialClient, ProxyChoice, PublicClient, SystemClock, Time, Token, TokenSource, TokenValidator,
};

use sim::{Sim, USER_READ};

#[allow(dead_code, reason = "its main")]
#[path = "../examples/claims_challenge.rs"]
mod challenged;
#[allow(dead_code, reason = "its main")]
#[path = "../examples/device_code.rs"]
mod device;
#[allow(dead_code, reason = "its main")]
#[path = "../examples/on_behalf_of.rs"]
mod middle_tier;
#[allow(dead_code, reason = "its main")]
#[path = "../examples/resource_server.rs"]
mod resource_server;
#[path = "support/sim.rs"]
mod sim;

const API: &str = "api://web/access";

fn sign_in(sim: &Sim, client: &PublicClient, scope: &str) -> Token {
    let interactive = sim.interactive(CONTOSO_USER);
    let request = AuthorizationRequest::new(&[scope], &interactive.redirect_uri()).unwrap();
    client.acquire_token_interactive_with(&interactive, &request).unwrap()
}

fn scopes() -> Vec<String> {
    USER_READ.iter().map(|scope| (*scope).to_owned()).collect()
}

#[test]
fn device_code() {
    let sim = Sim::new();
    let client = sim.public().build().unwrap();
    let token = device::acquire(&client, &scopes(), |flow| {
        assert!(sim.platform().approve_device(flow.user_code(), CONTOSO_USER));
    });
    assert_eq!(token.unwrap().source(), TokenSource::IdentityProvider);
    let again = device::acquire(&client, &scopes(), |_| panic!("the user is known"));
    assert_eq!(again.unwrap().source(), TokenSource::Cache);
}

#[test]
fn on_behalf_of() {
    let api = Resource::new("api://web").audience(CONTOSO_CLIENT).scope("access");
    let sim = Sim::with(Platform::contoso(1).unwrap().resource(api));
    let incoming = sign_in(&sim, &sim.public().build().unwrap(), API);
    let service = sim.confidential().build().unwrap();
    for _ in 0..2 {
        let answer = middle_tier::downstream(&service, incoming.access_token(), &scopes()).unwrap();
        assert!(matches!(answer, middle_tier::Answer::Token(_)));
    }
    // The user has to do something: the claims go to the caller, unchanged.
    sim.pass(7200);
    let incoming = sign_in(&sim, &sim.public().build().unwrap(), API);
    let user = User::new(CONTOSO_TENANT, CONTOSO_USER_ID, CONTOSO_USER, CONTOSO_PASSWORD);
    sim.platform().change_user(user.second_factor_required());
    match middle_tier::downstream(&service, incoming.access_token(), &scopes()) {
        Ok(middle_tier::Answer::Challenge(header)) => {
            let claims = claims_challenge(&header).unwrap();
            assert!(claims.starts_with('{') && claims.ends_with('}'), "{claims}");
        }
        Ok(middle_tier::Answer::Token(_)) => panic!("a token although the platform wants more"),
        Ok(middle_tier::Answer::Busy(_)) => panic!("busy"),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_claims_challenge() {
    let sim = Sim::new();
    let client = sim.public().client_capabilities(&["CP1"]).build().unwrap();
    let first = sign_in(&sim, &client, USER_READ[0]);
    let account = client.get_accounts(None).unwrap().remove(0);
    let scope = USER_READ[0].to_owned();
    let claims = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    let token = challenged::satisfy(&client, &[&scope], &account, claims).unwrap();
    assert_eq!(token.source(), TokenSource::IdentityProvider, "the cached token is no answer to a challenge");
    assert_ne!(token.access_token(), first.access_token());
}

/// The system's clock, some seconds ahead.
#[derive(Clone, Default)]
struct Ahead(Arc<AtomicU64>);

impl Ahead {
    fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Time for Ahead {
    fn now(&self) -> Clock {
        let (now, ahead) = (SystemClock.now(), self.0.load(Ordering::SeqCst));
        Clock { mono: now.mono.after(Millis::from_secs(ahead)), wall: now.wall.map(|wall| wall.after(ahead)) }
    }

    fn sleep(&self, span: Millis) {
        self.pass(span.as_secs_ceil());
    }
}

const NOBODY: Answer = Answer::No(401, r#"Bearer error="invalid_token""#);

/// An access token of the platform, over TLS, from nobody's cache.
fn fresh(server: &Server) -> String {
    let client = ConfidentialClient::builder(CONTOSO_CLIENT)
        .secret(sansal_sim::CONTOSO_SECRET)
        .authority(&server.authority(CONTOSO_TENANT))
        .instance_discovery(sansal_std::sansal::client::InstanceDiscovery::Off)
        .extra_roots(server.ca_pem().as_bytes())
        .only_extra_roots()
        .proxy(ProxyChoice::None);
    let token = client.build().unwrap().acquire_token_for_client(&["https://graph.microsoft.com/.default"]).unwrap();
    token.access_token().to_owned()
}

#[test]
fn a_resource_server_through_rotations() {
    let server = Server::start(Platform::contoso(1).unwrap().lifetime(1_000_000)).unwrap();
    let time = Ahead::default();
    let builder = || {
        TokenValidator::builder("https://graph.microsoft.com")
            .authority(&server.authority(CONTOSO_TENANT))
            .issuer(&format!("{}/v2.0", server.authority(CONTOSO_TENANT)))
            .instance_discovery(sansal_std::sansal::client::InstanceDiscovery::Off)
            .extra_roots(server.ca_pem().as_bytes())
            .only_extra_roots()
            .proxy(ProxyChoice::None)
            .time(time.clone())
    };
    let api = builder().require_role("Directory.Read.All").build().unwrap();
    let judge = |token: &str| resource_server::judge(&api, &format!("Bearer {token}"));
    let asked = || server.platform().asked(&On::Keys);
    let first = fresh(&server);
    assert_eq!(judge("nonsense"), NOBODY);
    assert_eq!(resource_server::judge(&api, &format!("Basic {first}")), NOBODY);
    assert_eq!(asked(), 0, "what is no token is no reason to ask");
    for _ in 0..20 {
        assert!(matches!(judge(&first), Answer::Welcome(who) if !who.is_empty()));
    }
    assert_eq!(asked(), 1);

    // A rotation: at first the guard keeps us from asking, then we ask once, and both keys count.
    server.platform().rotate_keys();
    let second = fresh(&server);
    time.pass(200);
    assert_eq!((judge(&second), asked()), (NOBODY, 1));
    time.pass(100);
    for _ in 0..5 {
        assert!(matches!(judge(&second), Answer::Welcome(_)) && matches!(judge(&first), Answer::Welcome(_)));
    }
    assert_eq!(asked(), 2);
    // Another: the first key is no longer published, so its tokens are refused once we have seen that.
    server.platform().rotate_keys();
    let third = fresh(&server);
    time.pass(301);
    assert!(matches!(judge(&third), Answer::Welcome(_)));
    assert_eq!((judge(&first), asked()), (NOBODY, 3));

    // Each hour anew; while the issuer is away the old keys serve, for a day.
    time.pass(3601);
    assert!(matches!(judge(&third), Answer::Welcome(_)));
    assert_eq!(asked(), 4);
    server.platform().fault(Fault::new(On::Keys, What::Status { code: 500, retry_after: None }).always());
    time.pass(3601);
    assert!(matches!(judge(&third), Answer::Welcome(_)));
    let tried = asked();
    assert!(tried > 4, "{tried}");
    assert!(matches!(judge(&second), Answer::Welcome(_)));
    assert_eq!(asked(), tried, "the guard holds for an issuer that is away too");
    // So long that the metadata has to be read again as well; keys that old are not believed.
    time.pass(86_400);
    assert_eq!(judge(&third), Answer::No(503, ""));
    server.platform().clear_faults();
    assert_eq!(judge(&third), Answer::No(503, ""), "who is away is left alone for ten seconds");
    time.pass(10);
    assert!(matches!(judge(&third), Answer::Welcome(_)));

    // Other rules on other paths, by the same keys.
    let wants = |change: fn(&mut TokenValidation)| {
        let mut rules = api.rules().clone();
        change(&mut rules);
        api.validate_with(&third, &rules).map(|_| ()).map_err(|error| match error {
            Error::Token(why) => why,
            other => panic!("{other}"),
        })
    };
    let before = asked();
    assert_eq!(wants(|_| {}), Ok(()));
    assert_eq!(wants(|rules| rules.scopes.push("x".into())), Err(TokenError::Scope));
    assert_eq!(wants(|rules| rules.roles.push("x".into())), Err(TokenError::Role));
    assert_eq!(wants(|rules| rules.audiences = vec!["x".into()]), Err(TokenError::Audience));
    assert_eq!(wants(|rules| rules.algorithms = vec![Algorithm::Es256]), Err(TokenError::Algorithm));
    assert_eq!(wants(|rules| rules.nonce = Some("x".into())), Err(TokenError::Missing("nonce")));
    assert_eq!(wants(|rules| rules.types = Some(vec!["at+jwt".into()])), Err(TokenError::Type));
    assert_eq!(asked(), before);
    let api = builder().require_scope("User.Read").build().unwrap();
    let answer = resource_server::judge(&api, &format!("bearer  {third}"));
    assert_eq!(answer, Answer::No(403, r#"Bearer error="insufficient_scope""#));
}

/// As the documentation of `sansal-sim` says: nothing but its authority and its roots are given.
#[test]
fn a_validator_takes_tokens_of_the_simulated_platform() {
    let server = Server::start(Platform::contoso(1).unwrap()).unwrap();
    let token = fresh(&server);
    let validator = TokenValidator::builder("https://graph.microsoft.com")
        .authority(&server.authority(CONTOSO_TENANT))
        .instance_discovery(sansal_std::InstanceDiscovery::Off)
        .extra_roots(server.ca_pem().as_bytes())
        .proxy(ProxyChoice::None)
        .build()
        .unwrap();
    assert!(validator.validate(&token).is_ok());
}

#[test]
fn validators_know_their_issuers() {
    let build = |authority: &str| TokenValidator::builder("a").authority(authority).build();
    let host = "https://login.microsoftonline.com";
    assert!(build(&format!("{host}/{CONTOSO_TENANT}")).is_ok());
    for authority in ["contoso.onmicrosoft.com", "organizations", "common"] {
        let why = build(&format!("{host}/{authority}")).unwrap_err().to_string();
        assert!(why.contains("id"), "{why}");
        let several = TokenValidator::builder("a").authority(&format!("{host}/{authority}")).tenants(Tenants::Any);
        assert!(several.build().is_ok());
    }
    assert!(build("https://fs.contoso.com/adfs").is_err());
    assert!(TokenValidator::builder("a").oidc_authority("https://idp.example/x").build().is_ok());
    let both = TokenValidator::builder("a").authority(host).issuer("https://x").tenants(Tenants::Any).build();
    assert!(both.is_err());
}
