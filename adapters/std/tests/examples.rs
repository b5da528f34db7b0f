//! What the examples `device_code`, `on_behalf_of` and `claims_challenge` decide, against the simulated platform.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

use sansal_sim::{
    CONTOSO_CLIENT, CONTOSO_PASSWORD, CONTOSO_TENANT, CONTOSO_USER, CONTOSO_USER_ID, Platform, Resource, User,
};
use sansal_std::sansal::authorization::AuthorizationRequest;
use sansal_std::sansal::http::challenge::claims_challenge;
use sansal_std::{PublicClient, Token, TokenSource};

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
