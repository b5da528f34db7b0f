//! The fault table of users' flows: every exchange of every flow, over real HTTP, with everything that can go wrong on its
//! way; and clocks that jump in the middle of a flow.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sansal_sim::{
    CONTOSO_CLIENT, CONTOSO_PASSWORD, CONTOSO_PUBLIC, CONTOSO_SECRET, CONTOSO_USER, Fault, On, Platform, Resource,
    Server, What,
};
use sansal_std::sansal::Endpoint;
use sansal_std::sansal::authorization::{AuthorizationRequest, AuthorizationResponse};
use sansal_std::sansal::authorization_code::{AuthorizationCode, LegacyAuthorizationRequest};
use sansal_std::sansal::cache::TokenCache;
use sansal_std::sansal::client::{InstanceDiscovery, Retries, Settings};
use sansal_std::sansal::error::SendError;
use sansal_std::sansal::silent::Silent;
use sansal_std::sansal::time::{Clock, Millis, UnixTime};
use sansal_std::sansal::user_fic::UserFederatedIdentityCredential;
use sansal_std::{
    ConfidentialClient, Error, Interactive, NoBrowser, OpenBrowser, ProxyChoice, PublicClient, SystemClock, Time, Token,
};

use sim::{Sim, USER_READ, bring, encoded};

#[path = "support/sim.rs"]
mod sim;

const WEB_REDIRECT: &str = "https://app.contoso.example/signin";
const LONG: Duration = Duration::from_secs(3600);

/// How an acquisition has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Token,
    NoAnswer,
    TooLarge,
    BadResponse,
    Busy(u16, Option<u64>),
}

fn faults() -> [(&'static str, What, End); 12] {
    let status = |code, retry_after| What::Status { code, retry_after };
    [
        ("no answer", What::NoAnswer, End::NoAnswer),
        ("reset", What::Reset, End::NoAnswer),
        ("cut body", What::CutBody, End::NoAnswer),
        ("500", status(500, None), End::Busy(500, None)),
        ("503", status(503, Some(9)), End::Busy(503, Some(9))),
        ("429", status(429, Some(7)), End::Busy(429, Some(7))),
        ("HTML", What::Html, End::BadResponse),
        ("10 MB", What::Oversize(10_000_000), End::TooLarge),
        ("302", What::Redirect("https://evil.example/".to_owned()), End::BadResponse),
        ("garbage", What::Garbage, End::BadResponse),
        ("slow drip", What::SlowDrip(LONG), End::NoAnswer),
        ("late", What::Delay(LONG), End::NoAnswer),
    ]
}

/// Both kinds of client at one platform.
struct Scene {
    server: Server,
    public: PublicClient,
    web: ConfidentialClient,
    /// What a flow starts from: a token of somebody else.
    given: String,
}

impl Scene {
    fn new(patience: Millis, prepare: fn(&Scene) -> (String, TokenCache)) -> Self {
        let platform = Platform::contoso(1).unwrap();
        let api = Resource::new("api://web").audience(CONTOSO_CLIENT).scope("access");
        let exchange = Resource::new("api://AzureADTokenExchange");
        let server = Server::start(platform.resource(api).resource(exchange)).unwrap();
        let (public, web) = clients(&server, Millis::from_secs(60), TokenCache::new());
        let scene = Self { server, public, web, given: String::new() };
        let (given, cache) = prepare(&scene);
        let (public, web) = clients(&scene.server, patience, cache);
        Self { public, web, given, ..scene }
    }

    fn stored(&self) -> [String; 2] {
        let text = |tokens: &TokenCache| String::from_utf8(tokens.to_json().to_vec()).unwrap();
        [self.public.with_token_cache(text), self.web.with_token_cache(text)]
    }

    fn sign_in(&self, url: &str) -> sansal_sim::Redirected {
        let now = SystemClock.now().wall.unwrap().0;
        self.server.platform().sign_in(url, CONTOSO_USER, now).unwrap()
    }

    fn interactive(&self, scopes: &[&str]) -> Result<Token, Error> {
        // The browser is a thread of its own, and outlives nothing that it borrows: it is told the answer's address only.
        let request = |uri: &str| AuthorizationRequest::new(scopes, uri);
        let (url, asked) = std::sync::mpsc::channel();
        let interactive = Interactive::bind(None).unwrap().browser(Told(std::sync::Mutex::new(url)));
        let request = request(&interactive.redirect_uri())?;
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // Nobody is asked where the flow ends before.
                if let Ok(url) = asked.recv() {
                    bring(&self.sign_in(&url));
                }
            });
            let result = self.public.acquire_token_interactive_with(&interactive, &request);
            drop(interactive);
            result
        })
    }
}

struct Told(std::sync::Mutex<std::sync::mpsc::Sender<String>>);

impl OpenBrowser for Told {
    fn open(&self, url: &str) -> Result<(), NoBrowser> {
        self.0.lock().unwrap().send(url.to_owned()).map_err(|_| NoBrowser::NotStarted)
    }
}

fn clients(server: &Server, patience: Millis, cache: TokenCache) -> (PublicClient, ConfidentialClient) {
    let settings = Settings {
        instance_discovery: InstanceDiscovery::Custom(Endpoint::parse(&server.instance_discovery()).unwrap()),
        attempt_timeout: patience,
        retries: Retries::NONE,
        throttling: false,
        ..Settings::default()
    };
    let authority = server.authority("contoso.onmicrosoft.com");
    let public = PublicClient::builder(CONTOSO_PUBLIC).authority(&authority).settings(settings.clone());
    let public = public.extra_roots(server.ca_pem().as_bytes()).only_extra_roots().proxy(ProxyChoice::None);
    let web =
        ConfidentialClient::builder(CONTOSO_CLIENT).secret(CONTOSO_SECRET).authority(&authority).settings(settings);
    let web = web.extra_roots(server.ca_pem().as_bytes()).only_extra_roots().proxy(ProxyChoice::None);
    (public.token_cache(cache).build().unwrap(), web.build().unwrap())
}

fn end(error: &Error) -> Option<End> {
    Some(match error {
        Error::Unreachable { why: SendError::NoAnswer, .. } => End::NoAnswer,
        Error::Unreachable { why: SendError::TooLarge, .. } => End::TooLarge,
        Error::BadResponse { .. } => End::BadResponse,
        Error::Throttled { status, retry_after, .. } => End::Busy(*status, *retry_after),
        _ => return None,
    })
}

fn nothing(_: &Scene) -> (String, TokenCache) {
    (String::new(), TokenCache::new())
}

/// Somebody is signed in already; their refresh token, and the cache.
fn signed_in(scene: &Scene) -> (String, TokenCache) {
    scene.interactive(USER_READ).unwrap();
    let json = scene.public.with_token_cache(TokenCache::to_json);
    let parsed: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let token = parsed["RefreshToken"].as_object().unwrap().values().next().unwrap();
    (token["secret"].as_str().unwrap().to_owned(), TokenCache::from_json(&json).unwrap())
}

fn called(scene: &Scene) -> (String, TokenCache) {
    (scene.interactive(&["api://web/access"]).unwrap().access_token().to_owned(), TokenCache::new())
}

fn asserted(scene: &Scene) -> (String, TokenCache) {
    let token = scene.web.acquire_token_for_client(&["api://AzureADTokenExchange/.default"]).unwrap();
    (token.access_token().to_owned(), TokenCache::new())
}

fn code_flow(scene: &Scene) -> Result<Token, Error> {
    let flow = scene.web.initiate_auth_code_flow(&AuthorizationRequest::new(USER_READ, WEB_REDIRECT)?)?;
    let back = scene.sign_in(&flow.auth_uri().to_string());
    scene.web.acquire_token_by_auth_code_flow(&flow, AuthorizationResponse::parse(&encoded(&back))?)
}

fn legacy(scene: &Scene) -> Result<Token, Error> {
    let request = LegacyAuthorizationRequest::new(USER_READ)?.redirect_uri(WEB_REDIRECT);
    let back = scene.sign_in(&scene.web.get_authorization_request_url(&request)?.to_string());
    let code = AuthorizationCode::new(back.get("code").unwrap(), USER_READ)?.redirect_uri(WEB_REDIRECT);
    scene.web.acquire_token_by_authorization_code(&code)
}

fn device(scene: &Scene) -> Result<Token, Error> {
    let mut flow = scene.public.initiate_device_flow(USER_READ)?;
    assert!(scene.server.platform().approve_device(flow.user_code(), CONTOSO_USER));
    scene.public.acquire_token_by_device_flow(&mut flow)
}

fn silent(scene: &Scene) -> Result<Token, Error> {
    let account = scene.public.get_accounts(None)?.remove(0);
    scene.public.acquire_token_silent_with(&Silent::new(&account, USER_READ)?.force_refresh(true))
}

fn user_fic(scene: &Scene) -> Result<Token, Error> {
    let request = UserFederatedIdentityCredential::for_username(&scene.given, CONTOSO_USER, USER_READ)?;
    scene.web.acquire_token_by_user_federated_identity_credential(&request)
}

/// One flow: what must be there before, and each of its exchanges.
struct Row {
    name: &'static str,
    prepare: fn(&Scene) -> (String, TokenCache),
    run: fn(&Scene) -> Result<Token, Error>,
    exchanges: &'static [&'static str],
}

fn on(exchange: &str) -> On {
    match exchange {
        "instance" => On::Instance,
        "metadata" => On::Metadata,
        "device authorization" => On::Device,
        "user realm" => On::Path("/userrealm/".to_owned()),
        grant => On::Grant(grant.to_owned()),
    }
}

/// Every exchange of a flow with every fault; the number of cases.
fn table(row: &Row) -> usize {
    let mut cases = 0;
    let mut wrong = Vec::new();
    for exchange in row.exchanges {
        for (name, what, expected) in faults() {
            let patience = if expected == End::NoAnswer { Millis(700) } else { Millis::from_secs(60) };
            let scene = Scene::new(patience, row.prepare);
            let case = format!("{}, {exchange}: {name}", row.name);
            let before = scene.stored();
            let asked = scene.server.platform().asked(&on(exchange));
            let issued = scene.server.platform().issued();
            // The platform knows of no user realms (404), which is an answer too: garbage is what comes with 200.
            let what = match what {
                What::Garbage if *exchange == "user realm" => {
                    What::Answer(sansal_sim::Response::text(200, "application/json", "{\"account_type\":\"Man"))
                }
                what => what,
            };
            scene.server.platform().fault(Fault::new(on(exchange), what).always());
            let result = (row.run)(&scene);
            let (ended, shown) = match &result {
                Ok(token) => (Some(End::Token), format!("{token:?}")),
                Err(error) => (end(error), format!("{error:?} {error}")),
            };
            if ended != Some(expected) {
                wrong.push(format!("{case}: {shown}"));
            }
            for secret in [CONTOSO_SECRET, CONTOSO_PASSWORD, &scene.given, "eyJ", "evil"] {
                assert!(secret.is_empty() || !shown.contains(secret), "{case}: {shown}");
            }
            if ended != Some(End::Token) {
                assert_eq!(scene.stored(), before, "{case}: nothing is stored");
                let again = scene.server.platform().asked(&on(exchange)) - asked;
                assert!(again <= 1, "{case}: asked {again} times");
                // Nothing is asked for after a step that failed.
                if !matches!(on(exchange), On::Grant(_)) {
                    assert_eq!(scene.server.platform().issued(), issued, "{case}");
                }
            }
            cases += 1;
            // The fault is over: the same client gets its token.
            if matches!(expected, End::Busy(..)) {
                scene.server.platform().clear_faults();
                let result = (row.run)(&scene);
                assert!(result.is_ok(), "{case}, then success: {result:?}");
                assert_ne!(scene.stored(), before, "{case}: stored");
                cases += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{}: {cases} cases of the fault table", row.name);
    cases
}

macro_rules! rows {
    ($($test:ident: $name:literal, $prepare:expr, $run:expr, [$($exchange:literal),*], $cases:literal;)*) => {$(
        #[test]
        fn $test() {
            let row = Row { name: $name, prepare: $prepare, run: $run, exchanges: &[$($exchange),*] };
            assert_eq!(table(&row), $cases);
        }
    )*};
}

// 12 faults, and three of them again with success after them, for each exchange: 330 cases.
rows! {
    authorization_code: "authorization code", nothing, code_flow, ["instance", "metadata", "authorization_code"], 45;
    the_legacy_pair: "legacy pair", nothing, legacy, ["metadata", "authorization_code"], 30;
    interactive: "interactive", nothing, |scene| scene.interactive(USER_READ), ["metadata", "authorization_code"], 30;
    device_code: "device code", nothing, device, ["instance", "metadata", "device authorization", "device_code"], 60;
    silent_refresh: "silent", signed_in, silent, ["metadata", "refresh_token"], 30;
    import: "refresh token", signed_in,
        |scene| scene.public.acquire_token_by_refresh_token(&scene.given, USER_READ), ["metadata", "refresh_token"], 30;
    on_behalf_of: "on behalf of", called,
        |scene| scene.web.acquire_token_on_behalf_of(&scene.given, USER_READ), ["metadata", "jwt-bearer"], 30;
    federated_credential: "user federated credential", asserted, user_fic, ["metadata", "user_fic"], 30;
    password: "name and password", nothing,
        |scene| scene.public.acquire_token_by_username_password(CONTOSO_USER, CONTOSO_PASSWORD, USER_READ),
        ["metadata", "user realm", "password"], 45;
}

/// The date is another one from the given look at the clock on; time since the start goes on as it was.
#[derive(Clone)]
struct Jumps {
    sim: Sim,
    looks: Arc<AtomicUsize>,
    at: usize,
    by: i64,
}

impl Time for Jumps {
    fn now(&self) -> Clock {
        let clock = Time::now(&self.sim);
        let jumped = self.looks.fetch_add(1, Ordering::SeqCst) >= self.at;
        let wall = clock.wall.unwrap().0.saturating_add_signed(if jumped { self.by } else { 0 });
        Clock::new(clock.mono, UnixTime(wall))
    }

    fn sleep(&self, span: Millis) {
        Time::sleep(&self.sim, span);
    }
}

#[test]
fn clocks_that_jump() {
    const YEAR: i64 = 365 * 24 * 3600;
    let (mut cases, mut tokens) = (0, 0);
    for by in [-10 * YEAR, -3600, 3600, YEAR, 100 * YEAR] {
        for at in 0..24 {
            let sim = Sim::new();
            let jumps = Jumps { sim: sim.clone(), looks: Arc::default(), at, by };
            let client = sim.public().time(jumps).build().unwrap();
            let results = [
                client.acquire_token_by_username_password(CONTOSO_USER, CONTOSO_PASSWORD, USER_READ),
                client.initiate_device_flow(USER_READ).and_then(|mut flow| {
                    sim.platform().approve_device(flow.user_code(), CONTOSO_USER);
                    client.acquire_token_by_device_flow(&mut flow)
                }),
            ];
            for result in results {
                match result {
                    Ok(_) => tokens += 1,
                    // The ID token is of another time: said, and nothing kept.
                    Err(Error::IdToken(_)) => {}
                    Err(other) => panic!("{by} at {at}: {other:?}"),
                }
                cases += 1;
            }
            let silent =
                client.get_accounts(None).unwrap().first().map(|who| client.acquire_token_silent(USER_READ, who));
            assert!(matches!(silent, None | Some(Ok(_) | Err(Error::IdToken(_)))), "{by} at {at}: {silent:?}");
            assert!(sim.sent().len() < 20, "no endless loop: {:?}", sim.sent());
        }
    }
    println!("{cases} cases of clocks that jump, {tokens} tokens");
    assert!(tokens > cases / 4 && cases == 240, "{tokens} of {cases}");
}
