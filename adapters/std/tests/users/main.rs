//! Every method for users against the simulated platform; silent calls, sign-out, cache files, and planted secrets.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

mod files;

use std::fmt::Write as _;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use sansal_sim::{CONTOSO_CLIENT, CONTOSO_PASSWORD, CONTOSO_PUBLIC, CONTOSO_USER, Platform, Resource, Revoke};
use sansal_std::sansal::authorization::{AuthorizationRequest, AuthorizationResponse};
use sansal_std::sansal::authorization_code::{AuthorizationCode, LegacyAuthorizationRequest};
use sansal_std::sansal::device_code::PollOptions;
use sansal_std::sansal::error::{CommitError, SendError, What};
use sansal_std::sansal::http::Request;
use sansal_std::sansal::silent::Silent;
use sansal_std::sansal::user_fic::UserFederatedIdentityCredential;
use sansal_std::{ClientApplication, Error, PublicClient, SetupError, Token, TokenCacheFile, TokenSource};

use sim::{Sim, USER_READ, encoded, new_file};

#[path = "../support/capture.rs"]
mod capture;
#[path = "../support/sim.rs"]
mod sim;

const WEB_REDIRECT: &str = "https://app.contoso.example/signin";
const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const API: &str = "api://web/access";

/// With the application as an API too, which is called by the public client.
fn world() -> Sim {
    let api = Resource::new("api://web").audience(CONTOSO_CLIENT).scope("access");
    let exchange = Resource::new("api://AzureADTokenExchange");
    Sim::with(Platform::contoso(1).unwrap().rotate_refresh_tokens().resource(api).resource(exchange))
}

fn sign_in(sim: &Sim, client: &PublicClient, scopes: &[&str]) -> Token {
    let interactive = sim.interactive(CONTOSO_USER);
    let request = AuthorizationRequest::new(scopes, &interactive.redirect_uri()).unwrap();
    client.acquire_token_interactive_with(&interactive, &request).unwrap()
}

/// The claims of an access token of the platform.
fn claims(token: &Token) -> serde_json::Value {
    let part = token.access_token().split('.').nth(1).unwrap();
    serde_json::from_slice(&sansal_std::sansal::base64::url_decode(part).unwrap()).unwrap()
}

/// From the cache, by the refresh token once it has ended, and not any more after signing out.
fn is_known(sim: &Sim, client: &ClientApplication) {
    let account = client.get_accounts(Some(&CONTOSO_USER.to_uppercase())).unwrap().remove(0);
    assert_eq!(account.username(), Some(CONTOSO_USER));
    let silent = || client.acquire_token_silent(USER_READ, &account);
    let counted = allocation_counter::measure(|| assert_eq!(silent().unwrap().source(), TokenSource::Cache));
    // The text of the access token, and nothing for a machine.
    assert_eq!(counted.count_total, 1);
    for _ in 0..3 {
        sim.pass(3600);
        assert_eq!(silent().unwrap().source(), TokenSource::IdentityProvider);
        assert_eq!(silent().unwrap().source(), TokenSource::Cache);
    }
    let forced = Silent::new(&account, USER_READ).unwrap().force_refresh(true);
    assert_eq!(client.acquire_token_silent_with(&forced).unwrap().source(), TokenSource::IdentityProvider);
    assert!(client.get_accounts(Some("nobody@contoso.example")).unwrap().is_empty());
    client.remove_account(&account).unwrap().unwrap();
    assert!(client.get_accounts(None).unwrap().is_empty());
    assert!(matches!(silent(), Err(Error::InteractionRequired { claims: None, refusal: None })));
}

#[test]
fn interactive() {
    let sim = world();
    let client = sim.public().build().unwrap();
    let told = Arc::new(Mutex::new(0));
    let count = told.clone();
    let interactive = sim.interactive(CONTOSO_USER).on_before_launching_ui(move || *count.lock().unwrap() += 1);
    let request = AuthorizationRequest::new(USER_READ, &interactive.redirect_uri()).unwrap();
    let token = client.acquire_token_interactive_with(&interactive, &request).unwrap();
    assert_eq!((claims(&token)["scp"].as_str(), *told.lock().unwrap()), (Some("User.Read"), 1));
    assert!(token.id_token_claims().unwrap().text("preferred_username") == Some(CONTOSO_USER));
    is_known(&sim, &client);
}

#[test]
fn authorization_code_in_two_legs() {
    let sim = world();
    let client = sim.confidential().build().unwrap();
    let request = AuthorizationRequest::new(USER_READ, WEB_REDIRECT).unwrap().login_hint(CONTOSO_USER);
    let flow = client.initiate_auth_code_flow(&request).unwrap();
    let back = sim.platform().sign_in(&flow.auth_uri().to_string(), CONTOSO_USER, sim.now()).unwrap();
    assert_eq!(back.redirect_uri, WEB_REDIRECT);
    // Another browser's answer is not for this flow; nothing is sent for it.
    let sent = sim.sent().len();
    let other = client.initiate_auth_code_flow(&request).unwrap();
    let answer = || AuthorizationResponse::parse(&encoded(&back)).unwrap();
    match client.acquire_token_by_auth_code_flow(&other, answer()) {
        Err(Error::BadResponse { what: What::AuthorizationResponse, at: "state" }) => {}
        wrong => panic!("{wrong:?}"),
    }
    assert_eq!(sim.sent().len(), sent);
    let pairs = back.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let decoded = AuthorizationResponse::from_parameters(pairs).unwrap();
    client.acquire_token_by_auth_code_flow(&flow, decoded).unwrap();
    is_known(&sim, &client);
    // A code counts once; and whoever brings it again ends what came of it, at the server.
    assert!(matches!(client.acquire_token_by_auth_code_flow(&flow, answer()), Err(Error::Refused(_))));
}

#[test]
fn the_pair_before_it() {
    let sim = world();
    let client = sim.confidential().build().unwrap();
    let request = LegacyAuthorizationRequest::new(USER_READ).unwrap().redirect_uri(WEB_REDIRECT).state("s").nonce("n");
    let url = client.get_authorization_request_url(&request).unwrap();
    let back = sim.platform().sign_in(&url.to_string(), CONTOSO_USER, sim.now()).unwrap();
    let code = AuthorizationCode::new(back.get("code").unwrap(), USER_READ).unwrap().redirect_uri(WEB_REDIRECT);
    assert!(matches!(client.acquire_token_by_authorization_code(&code.clone().nonce("other")), Err(Error::IdToken(_))));
    assert!(client.get_accounts(None).unwrap().is_empty(), "nothing was stored");
    let back = sim.platform().sign_in(&url.to_string(), CONTOSO_USER, sim.now()).unwrap();
    let code = AuthorizationCode::new(back.get("code").unwrap(), USER_READ).unwrap().redirect_uri(WEB_REDIRECT);
    client.acquire_token_by_authorization_code(&code.nonce("n")).unwrap();
    is_known(&sim, &client);
}

#[test]
fn device_code() {
    let sim = world();
    let client = sim.public().build().unwrap();
    let mut flow = client.initiate_device_flow(USER_READ).unwrap();
    assert!(flow.message().unwrap().contains(flow.user_code()));
    let once = PollOptions { once: true, ..PollOptions::default() };
    sim.pass(flow.interval());
    match client.acquire_token_by_device_flow_with(&mut flow, &once) {
        Err(Error::Refused(refusal)) => assert_eq!(refusal.error(), "authorization_pending"),
        wrong => panic!("{wrong:?}"),
    }
    assert!(sim.platform().approve_device(flow.user_code(), CONTOSO_USER));
    client.acquire_token_by_device_flow(&mut flow).unwrap();
    assert_eq!(sim.sent().iter().filter(|grant| *grant == DEVICE).count(), 2);
    is_known(&sim, &client);

    let mut flow = client.initiate_device_flow(USER_READ).unwrap();
    assert!(sim.platform().decline_device(flow.user_code()));
    assert!(matches!(client.acquire_token_by_device_flow(&mut flow), Err(Error::Refused(_))));
    let mut flow = client.initiate_device_flow(USER_READ).unwrap();
    let (begun, lifetime) = (sim.now(), flow.expires_in());
    assert!(client.acquire_token_by_device_flow(&mut flow).is_err());
    assert!(sim.now() - begun <= lifetime + 60, "no longer than the code lives");
    assert!(client.get_accounts(None).unwrap().is_empty());
}

#[test]
fn on_behalf_of() {
    let sim = world();
    let public = sim.public().build().unwrap();
    let incoming = sign_in(&sim, &public, &[API]);
    let service = sim.confidential().build().unwrap();
    let down = |assertion: &str| service.acquire_token_on_behalf_of(assertion, USER_READ);
    let token = down(incoming.access_token()).unwrap();
    assert_eq!((token.source(), claims(&token)["scp"].as_str()), (TokenSource::IdentityProvider, Some("User.Read")));
    assert_eq!(down(incoming.access_token()).unwrap().source(), TokenSource::Cache);
    // Another assertion is another partition, and is asked about.
    assert!(matches!(down(&format!("{}x", incoming.access_token())), Err(Error::Refused(_))));
    let account = public.get_accounts(None).unwrap().remove(0);
    // The user's refresh token serves for every resource.
    assert!(public.acquire_token_silent(USER_READ, &account).is_ok());
}

#[test]
fn name_and_password() {
    let sim = world();
    let client = sim.public().build().unwrap();
    let token = |password: &str| client.acquire_token_by_username_password(CONTOSO_USER, password, USER_READ);
    assert!(matches!(token("wrong"), Err(Error::Refused(_))));
    assert_eq!(token(CONTOSO_PASSWORD).unwrap().source(), TokenSource::IdentityProvider);
    is_known(&sim, &client);
}

#[test]
fn refresh_tokens_of_other_libraries() {
    let sim = world();
    let old = sim.public().build().unwrap();
    sign_in(&sim, &old, USER_READ);
    let json = old.with_token_cache(|tokens| tokens.to_json());
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let refresh_token = json["RefreshToken"].as_object().unwrap().values().next().unwrap()["secret"].clone();
    let client = sim.public().build().unwrap();
    client.acquire_token_by_refresh_token(refresh_token.as_str().unwrap(), USER_READ).unwrap();
    is_known(&sim, &client);
}

#[test]
fn a_federated_identity_credential_for_a_user() {
    let sim = world();
    let client = sim.confidential().build().unwrap();
    let assertion = client.acquire_token_for_client(&["api://AzureADTokenExchange/.default"]).unwrap();
    let request =
        UserFederatedIdentityCredential::for_username(assertion.access_token(), CONTOSO_USER, USER_READ).unwrap();
    let token = client.acquire_token_by_user_federated_identity_credential(&request).unwrap();
    assert_eq!(claims(&token)["scp"].as_str(), Some("User.Read"));
    is_known(&sim, &client);
}

#[test]
fn claims_of_a_resource() {
    use sansal_std::sansal::http::challenge::claims_challenge;
    const DEMAND: &str = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    let sim = world();
    let client = sim.public().build().unwrap();
    let token = sign_in(&sim, &client, USER_READ);
    sim.platform().demand_claims(Some(DEMAND));
    let call = |token: &Token| {
        let mut request = sansal_sim::Request::get("api.example", "/sansal-sim/resource", sim.now());
        request.headers.push(("Authorization".to_owned(), format!("Bearer {}", token.access_token())));
        sim.platform().protected(&request)
    };
    let refused = call(&token);
    let header = refused.headers.iter().find(|(name, _)| name == "WWW-Authenticate").unwrap();
    let wanted = claims_challenge(&header.1).unwrap();
    assert_eq!((refused.status, wanted.as_str()), (401, DEMAND));
    let account = client.get_accounts(None).unwrap().remove(0);
    // Silent if the server is content with that, else at the browser.
    let request = Silent::new(&account, USER_READ).unwrap().claims_challenge(&wanted);
    let token = client.acquire_token_silent_with(&request).or_else(|error| match error {
        Error::InteractionRequired { .. } => {
            let interactive = sim.interactive(CONTOSO_USER);
            let request = AuthorizationRequest::new(USER_READ, &interactive.redirect_uri()).unwrap();
            client.acquire_token_interactive_with(&interactive, &request.claims_challenge(&wanted))
        }
        other => Err(other),
    });
    assert_eq!(call(&token.unwrap()).status, 200);
}

#[test]
fn nothing_planted_comes_out() {
    let sim = world();
    let logged = capture::Capture::default();
    let mut shown = String::new();
    let mut secrets: Vec<String> = vec![CONTOSO_PASSWORD.to_owned(), "planted-refresh-token".to_owned()];
    logged.during(|| {
        let path = new_file("planted");
        let file = TokenCacheFile::open(&path).unwrap();
        let _ = write!(shown, "{file:?}");
        let public = sim.public().persistence(file).build().unwrap();
        let web = sim.confidential().build().unwrap();
        let token = sign_in(&sim, &public, USER_READ);
        let account = public.get_accounts(None).unwrap().remove(0);
        sim.pass(7200);
        let again = public.acquire_token_silent(USER_READ, &account).unwrap();
        let _ = write!(shown, "{public:?} {web:?} {token:?} {again:?} {account:?}");
        secrets.extend([token.access_token().to_owned(), again.access_token().to_owned()]);

        let request = AuthorizationRequest::new(USER_READ, WEB_REDIRECT).unwrap().state("planted-state");
        let flow = web.initiate_auth_code_flow(&request).unwrap();
        let back = sim.platform().sign_in(&flow.auth_uri().to_string(), CONTOSO_USER, sim.now()).unwrap();
        let answer = AuthorizationResponse::parse(&encoded(&back)).unwrap();
        let _ = write!(shown, "{request:?} {flow:?} {answer:?}");
        secrets.extend([back.get("code").unwrap().to_owned(), "planted-state".to_owned()]);
        let twice = [0, 1].map(|_| web.acquire_token_by_auth_code_flow(&flow, answer.clone()));
        let _ = write!(shown, "{twice:?}");
        for member in ["code_verifier", "nonce"] {
            secrets.push(flow.to_members().text(member).unwrap().to_owned());
        }

        let mut device = public.initiate_device_flow(USER_READ).unwrap();
        secrets.push(device.device_code().expose().to_owned());
        sim.platform().decline_device(device.user_code());
        let declined = public.acquire_token_by_device_flow(&mut device);
        let wrong = public.acquire_token_by_username_password(CONTOSO_USER, "planted-password", USER_READ);
        secrets.push("planted-password".to_owned());
        let _ = public.acquire_token_by_username_password(CONTOSO_USER, CONTOSO_PASSWORD, USER_READ).unwrap();
        let import = public.acquire_token_by_refresh_token("planted-refresh-token", USER_READ);
        let behalf = web.acquire_token_on_behalf_of(again.access_token(), USER_READ);
        let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let entries = json.as_object().unwrap().values().flat_map(|section| section.as_object().unwrap().values());
        secrets.extend(entries.filter_map(|entry| Some(entry["secret"].as_str()?.to_owned())));
        sim.platform().revoke(CONTOSO_USER, &Revoke::BadToken);
        let forced = Silent::new(&account, USER_READ).unwrap().force_refresh(true);
        let dead = public.acquire_token_silent_with(&forced);
        for result in [declined, wrong, import, behalf, dead] {
            let error = result.unwrap_err();
            let _ = write!(shown, "{error:?} {error}");
        }
    });
    let logged = logged.text();
    assert!(logged.lines().count() > 30 && secrets.len() >= 13, "{} {}", logged.lines().count(), secrets.len());
    for secret in secrets.iter().map(String::as_str).chain(["eyJ", CONTOSO_USER, CONTOSO_PUBLIC]) {
        assert!(!logged.contains(secret), "{secret} in the log:\n{logged}");
    }
    for secret in secrets.iter().map(String::as_str).chain(["eyJ"]) {
        assert!(!shown.contains(secret), "{secret} in Debug or an error:\n{shown}");
    }
}

/// Nobody answers at the address of the metadata service.
struct NotInAzure(Sim);

impl sansal_std::HttpClient for NotInAzure {
    fn send(&self, request: &Request) -> Result<sansal_std::HttpResponse, SendError> {
        if request.endpoint.host() == "169.254.169.254" { Err(SendError::NotSent) } else { self.0.send(request) }
    }
}

#[test]
fn the_azure_cli_is_the_last_link_of_a_chain() {
    use sansal_std::{AZURE_CLI_CLIENT_ID, AzureCli, AzureCliError, DefaultChain, Environment, Link, LinkAnswer};
    let application = sansal_sim::Application::new(AZURE_CLI_CLIENT_ID).public().family();
    let sim = Sim::with(Platform::contoso(1).unwrap().application(application.redirect_uri("http://localhost")));
    let cache = new_file("azure-cli").with_file_name("msal_token_cache.json");
    let folder = cache.parent().unwrap();
    let chain = || {
        let nobody = sansal_std::sansal::managed::ManagedIdentityEnvironment::default();
        let chain = DefaultChain::builder().environment(Environment::default()).managed_identity_environment(nobody);
        let chain = chain.http_client(NotInAzure(sim.clone())).time(sim.clone());
        chain.azure_cli(AzureCli::at(folder)).build().unwrap()
    };
    assert!(matches!(AzureCli::at(folder), Err(why @ AzureCliError::NotSignedIn(_)) if why.is_not_there()));
    let error = chain().acquire_token(USER_READ).unwrap_err();
    assert!(matches!(error.answers().last(), Some((Link::AzureCli, LinkAnswer::NotThere(_)))), "{error}");

    let az = PublicClient::builder(AZURE_CLI_CLIENT_ID).authority(sim::AUTHORITY);
    let az = az.http_client(sim.clone()).time(sim.clone()).persistence(TokenCacheFile::open(&cache).unwrap());
    let az = az.build().unwrap();
    sign_in(&sim, &az, USER_READ).stored().unwrap();
    let written = std::fs::read(&cache).unwrap();
    let chain = chain();
    assert_eq!(chain.acquire_token(USER_READ).unwrap().source(), TokenSource::Cache);
    assert_eq!(chain.found(), Some(Link::AzureCli));
    sim.pass(7200);
    assert_eq!(chain.acquire_token(USER_READ).unwrap().source(), TokenSource::IdentityProvider);
    // What was refreshed stays here, also after the file was looked at again.
    assert_eq!(chain.acquire_token(USER_READ).unwrap().source(), TokenSource::Cache);
    assert_eq!(std::fs::read(&cache).unwrap(), written);
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1);
    // A file in the middle of being written, as MSAL Extensions do it, is what it will be.
    std::fs::write(&cache, &written[..100]).unwrap();
    let (path, whole) = (cache.clone(), written.clone());
    let writer = thread::spawn(move || {
        thread::sleep(std::time::Duration::from_millis(120));
        std::fs::write(path, whole).unwrap();
    });
    let login = AzureCli::at(folder).unwrap();
    assert_eq!(login.account().unwrap().username(), Some(CONTOSO_USER));
    writer.join().unwrap();
    assert!(matches!(login.user("nobody@contoso.com").account(), Err(AzureCliError::Which(_))));
}
