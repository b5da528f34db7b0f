//! The fault table: every request of client credentials, over real HTTP, with everything that can go wrong on its way; and
//! the date, which jumps while a request is under way or between two calls. What never jumps is the monotonic clock.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sansal_sim::{
    CLIENT_CERTIFICATE, CLIENT_KEY, CONTOSO_CLIENT, CONTOSO_SECRET, CONTOSO_TENANT, Fault, On, Platform, Server, What,
};
use sansal_std::sansal::Endpoint;
use sansal_std::sansal::client::{InstanceDiscovery, Region, Retries, Settings};
use sansal_std::sansal::error::SendError;
use sansal_std::sansal::http::Request;
use sansal_std::sansal::time::{Clock, Millis, UnixTime};
use sansal_std::{
    CertificateCredential, ConfidentialClient, Environment, Error, HttpClient, HttpResponse, ProxyChoice, SystemClock,
    Time, Token, TokenSource, UreqClient,
};
use serde_json::Value;

const SCOPES: &[&str] = &["https://graph.microsoft.com/.default"];
const LONG: Duration = Duration::from_secs(3600);
const DAY: i64 = 86_400;
/// Seconds that tokens of the simulated platform count.
const LIFETIME: u64 = 3599;

/// How an acquisition has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Token,
    NoAnswer,
    TooLarge,
    BadResponse,
    Busy(u16, Option<u64>),
    Refused,
}

/// Which requests an acquisition sends, in this order, and by which path.
struct Route {
    name: &'static str,
    path: &'static str,
    requests: &'static [On],
    region: bool,
}

const ROUTES: [Route; 4] = [
    Route {
        name: "Entra",
        path: "contoso.onmicrosoft.com",
        requests: &[On::Instance, On::Metadata, On::Token],
        region: false,
    },
    Route { name: "AD FS", path: "adfs", requests: &[On::Metadata, On::Token], region: false },
    Route { name: "OIDC", path: "realms/contoso", requests: &[On::Metadata, On::Token], region: false },
    Route {
        name: "Entra, regional",
        path: "contoso.onmicrosoft.com",
        // The second metadata are those of the region, under the tenant's id.
        requests: &[On::Instance, On::Metadata, On::Region, On::Path(String::new()), On::Token],
        region: true,
    },
];

fn faults() -> [(&'static str, What, End); 13] {
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
        // MSAL reads what is JSON whatever it is called, and so do we.
        ("wrong content type", What::WrongContentType, End::Token),
        ("slow drip", What::SlowDrip(LONG), End::NoAnswer),
        ("late", What::Delay(LONG), End::NoAnswer),
    ]
}

/// What goes wrong with a region is no reason to go without a token: the central endpoint serves as well (G-18). Only an
/// answer of the region that cannot be one is an error.
fn expected(on: &On, end: End) -> End {
    match (on, end) {
        (On::Region, _) => End::Token,
        (On::Path(_), End::NoAnswer | End::TooLarge | End::Busy(..)) => End::Token,
        _ => end,
    }
}

/// The region's metadata lie under the tenant's id, the central ones under the name that the application uses.
fn meant(on: &On) -> On {
    match on {
        On::Path(_) => On::Path(format!("/{CONTOSO_TENANT}/v2.0/.well-known/")),
        other => other.clone(),
    }
}

/// The system's clocks, of which the date can jump, by itself once the platform has been asked so often.
#[derive(Clone, Default)]
struct Jumping(Arc<Jumps>);

#[derive(Default)]
struct Jumps {
    offset: AtomicI64,
    at: Mutex<Option<(Arc<Server>, usize, i64)>>,
}

impl Jumping {
    fn after(server: &Arc<Server>, requests: usize, seconds: i64) -> Self {
        Self(Arc::new(Jumps { at: Mutex::new(Some((Arc::clone(server), requests, seconds))), ..Jumps::default() }))
    }

    fn set(&self, seconds: i64) {
        self.0.offset.store(seconds, Ordering::SeqCst);
    }

    fn date(&self) -> u64 {
        now().checked_add_signed(self.0.offset.load(Ordering::SeqCst)).unwrap()
    }
}

impl Time for Jumping {
    fn now(&self) -> Clock {
        let mut at = self.0.at.lock().unwrap();
        if let Some((_, _, seconds)) =
            at.take_if(|(server, requests, _)| server.platform().asked(&On::Any) >= *requests)
        {
            self.set(seconds);
        }
        Clock::new(SystemClock.now().mono, UnixTime(self.date()))
    }

    fn sleep(&self, span: Millis) {
        SystemClock.sleep(span);
    }
}

#[expect(clippy::disallowed_methods, reason = "what the date would be")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Sends what is for the metadata service and for the region to the platform, which plays these as well.
struct Rerouted {
    inner: UreqClient,
    port: u16,
}

impl HttpClient for Rerouted {
    fn send(&self, request: &Request) -> Result<HttpResponse, SendError> {
        let address = format!("https://localhost:{}{}", self.port, request.endpoint.request_target());
        self.inner.send(&Request { endpoint: Endpoint::parse(&address).unwrap(), ..request.clone() })
    }
}

fn client(server: &Server, route: &Route, certificate: bool, patience: Millis, time: Jumping) -> ConfidentialClient {
    let builder = ConfidentialClient::builder(CONTOSO_CLIENT);
    let builder = match certificate {
        true => builder.certificate(CertificateCredential::pem(format!("{CLIENT_KEY}{CLIENT_CERTIFICATE}").as_bytes())),
        false => builder.secret(CONTOSO_SECRET),
    };
    let builder = match route.path.starts_with("realms/") {
        true => builder.oidc_authority(&server.authority(route.path)),
        false => builder.authority(&server.authority(route.path)),
    };
    let discovery = Endpoint::parse(&server.instance_discovery()).unwrap();
    let settings = Settings {
        instance_discovery: InstanceDiscovery::Custom(discovery),
        attempt_timeout: patience,
        retries: Retries::NONE,
        region: if route.region { Region::Detect } else { Region::Unset },
        ..Settings::default()
    };
    let roots = UreqClient::builder().extra_roots(server.ca_pem().as_bytes()).only_extra_roots();
    let inner = roots.proxy(ProxyChoice::None).build().unwrap();
    let http = Rerouted { inner, port: server.address().port() };
    builder
        .settings(settings)
        .environment_regions(&Environment::default())
        .http_client(http)
        .time(time)
        .build()
        .unwrap()
}

fn platform() -> Platform {
    Platform::contoso(1).unwrap().issuer("realms/contoso").region("westus2")
}

fn end(result: &Result<Token, Error>) -> Option<End> {
    Some(match result {
        Ok(_) => End::Token,
        Err(Error::Unreachable { why: SendError::NoAnswer, .. }) => End::NoAnswer,
        Err(Error::Unreachable { why: SendError::TooLarge, .. }) => End::TooLarge,
        Err(Error::BadResponse { .. }) => End::BadResponse,
        Err(Error::Throttled { status, retry_after, .. }) => End::Busy(*status, *retry_after),
        Err(Error::Refused(_)) => End::Refused,
        Err(_) => return None,
    })
}

fn stored(client: &ConfidentialClient) -> String {
    client.with_token_cache(|tokens| String::from_utf8(tokens.to_json().to_vec()).unwrap())
}

/// The result of a case, as text without secrets; what is stored is a token if the case ends with one, and nothing else.
fn check(case: &str, client: &ConfidentialClient, result: &Result<Token, Error>, expected: End) -> Result<(), String> {
    let shown = match result {
        Ok(token) => format!("{token:?}"),
        Err(error) => format!("{error:?} {error}"),
    };
    assert!(!shown.contains(CONTOSO_SECRET) && !shown.contains("eyJ"), "{case}: {shown}");
    assert_eq!(stored(client).contains("eyJ"), expected == End::Token, "{case}: {shown}");
    if end(result) == Some(expected) { Ok(()) } else { Err(format!("{case}: {shown}")) }
}

/// The one token that is stored counts from this date on, for as long as the platform said.
fn check_dates(case: &str, client: &ConfidentialClient, date: u64) {
    let cache: Value = serde_json::from_str(&stored(client)).unwrap();
    let tokens: Vec<&Value> = cache["AccessToken"].as_object().unwrap().values().collect();
    assert_eq!(tokens.len(), 1, "{case}: {cache}");
    let number = |name: &str| tokens[0][name].as_str().unwrap().parse::<u64>().unwrap();
    assert!(date.abs_diff(number("cached_at")) < 30, "{case}: {cache}");
    assert_eq!(number("expires_on") - number("cached_at"), LIFETIME, "{case}: {cache}");
}

#[test]
fn every_request_with_every_fault() {
    let mut cases = 0;
    let mut wrong = Vec::new();
    for route in &ROUTES {
        for (certificate, on) in [false, true].into_iter().flat_map(|c| route.requests.iter().map(move |on| (c, on))) {
            for (name, what, end) in faults() {
                let expected = expected(on, end);
                let server = Server::start(platform()).unwrap();
                server.platform().fault(Fault::new(meant(on), what).always());
                let patience = if end == End::NoAnswer { Millis(400) } else { Millis::from_secs(60) };
                let client = client(&server, route, certificate, patience, Jumping::default());
                let case = format!("{}, certificate: {certificate}, {on:?}: {name}", route.name);
                let begun = SystemClock.now().mono;
                let result = client.acquire_token_for_client(SCOPES);
                let took = SystemClock.now().mono.since(begun);
                wrong.extend(check(&case, &client, &result, expected).err());
                assert!(took < Millis::from_secs(30), "{case}: {took:?}");
                // Nothing is asked for after a step that failed.
                if *on != On::Token {
                    assert_eq!(server.platform().issued() > 0, expected == End::Token, "{case}");
                }
                cases += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{cases} cases of the fault table");
    assert!(cases >= 300, "{cases}");
}

/// The date jumps by a day after a request has left and before its answer is read.
#[test]
fn the_date_jumps_within_a_call() {
    let mut cases = 0;
    let mut wrong = Vec::new();
    for route in &ROUTES {
        for (certificate, at) in
            [false, true].into_iter().flat_map(|c| (0..route.requests.len()).map(move |at| (c, at)))
        {
            for days in [1, -1] {
                let server = Arc::new(Server::start(platform()).unwrap());
                let time = Jumping::after(&server, at + 1, days * DAY);
                let client = client(&server, route, certificate, Millis::from_secs(60), time.clone());
                let on = &route.requests[at];
                let case = format!("{}, certificate: {certificate}, {on:?}: {days} day", route.name);
                let result = client.acquire_token_for_client(SCOPES);
                // An assertion of another day is none to the platform, whose date is right.
                let expected = if certificate && *on != On::Token { End::Refused } else { End::Token };
                wrong.extend(check(&case, &client, &result, expected).err());
                let asked = server.platform().asked(&On::Any);
                assert_eq!(asked, route.requests.len(), "{case}");
                if expected == End::Token {
                    check_dates(&case, &client, time.date());
                    assert!(result.is_ok_and(|token| token.expires_on().0.abs_diff(time.date() + LIFETIME) < 30));
                    let again = client.acquire_token_for_client(SCOPES).unwrap();
                    assert_eq!(
                        (again.source(), server.platform().asked(&On::Any)),
                        (TokenSource::Cache, asked),
                        "{case}"
                    );
                } else {
                    // The date is set right: neither the assertion nor the refusal is used again, and nothing else is
                    // asked for again, for the monotonic clock did not jump.
                    time.set(0);
                    let again = client.acquire_token_for_client(SCOPES);
                    wrong.extend(check(&case, &client, &again, End::Token).err());
                    check_dates(&case, &client, now());
                    assert_eq!(server.platform().asked(&On::Any), asked + 1, "{case}");
                }
                cases += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{cases} cases of a date that jumps within a call");
    assert!(cases >= 48, "{cases}");
}

/// The date jumps by a day between two calls, as it does for a machine that slept (the platform's jumps too), or whose date
/// was set (the platform's does not).
#[test]
fn the_date_jumps_between_two_calls() {
    let mut cases = 0;
    for route in &ROUTES {
        for certificate in [false, true] {
            for (days, both) in [(1, true), (1, false), (-1, false)] {
                let time = Jumping::default();
                let platforms = time.clone();
                let clock = move || if both { platforms.date() } else { now() };
                let server = Server::start_with(platform(), &[], clock).unwrap();
                let client = client(&server, route, certificate, Millis::from_secs(60), time.clone());
                let case = format!("{}, certificate: {certificate}, {days} day, both: {both}", route.name);
                let first = client.acquire_token_for_client(SCOPES).unwrap();
                let asked = server.platform().asked(&On::Any);
                time.set(days * DAY);
                let second = client.acquire_token_for_client(SCOPES);
                let issued = server.platform().issued();
                let asked_again = server.platform().asked(&On::Any) - asked;
                if days < 0 {
                    // It was stored at a time that has not come: another one is asked for. Yesterday's assertion is
                    // refused, and then the one that is there serves.
                    let second = second.unwrap_or_else(|error| panic!("{case}: {error:?}"));
                    let expected =
                        if certificate { (TokenSource::Cache, 1) } else { (TokenSource::IdentityProvider, 2) };
                    assert_eq!(((second.source(), issued), asked_again), (expected, 1), "{case}");
                    if !certificate {
                        check_dates(&case, &client, time.date());
                    }
                } else if certificate && !both {
                    // The token has ended by this date, so it is not served, and the new assertion is of tomorrow.
                    assert_eq!(check(&case, &client, &second, End::Refused).err().as_deref(), None);
                    assert_eq!(asked_again, 1, "{case}");
                    assert!(!stored(&client).contains("eyJ"), "{case}: what has ended is removed");
                } else {
                    let second = second.unwrap_or_else(|error| panic!("{case}: {error:?}"));
                    assert_eq!((second.source(), issued, asked_again), (TokenSource::IdentityProvider, 2, 1), "{case}");
                    assert_ne!(second.access_token(), first.access_token(), "{case}");
                    check_dates(&case, &client, time.date());
                }
                cases += 1;
            }
        }
    }
    println!("{cases} cases of a date that jumps between two calls");
    assert!(cases >= 24, "{cases}");
}
