//! An hour in the life of a daemon, in seconds: it needs a token all the time, and its platform has a bad day.
//!
//! Everything is simulated: the platform (`sansal-sim`, pure), both clocks, the network. Tokens live for fifteen minutes and
//! are to be renewed after five; keys of the platform and the certificate of the daemon change in between.

use std::collections::BTreeMap;
use std::fmt;

use sansal::client::{Client, Credential};
use sansal::entropy::{Entropy, NoEntropy};
use sansal::error::SendError;
use sansal::flow::{Answer, AskError, Clock, Cx, Flow, Input, Millis, Request, Response, Step};
use sansal::http::ResponseHeader;
use sansal::time::UnixTime;
use sansal::{ClientCredentials, Error, Store, Token};
use sansal_sim::{Application, CONTOSO_CLIENT, CONTOSO_TENANT, Delivery, Fault, On, Platform, Resource, Tenant, What};

const START: u64 = 1_800_000_000;
/// Seconds of life.
pub const HOUR: u64 = 3600;
/// The daemon needs its token this often (seconds).
const TICK: u64 = 5;
const SCOPE: &str = "https://graph.microsoft.com/.default";

/// What a day brings, with its seconds: from, to.
const OUTAGES: [(u64, u64, &str); 8] = [
    (0, 20, "busy at the start"),
    (400, 520, "503"),
    (700, 760, "429 with Retry-After"),
    (1000, 1120, "no answer"),
    (1400, 1460, "reset"),
    (1800, 1890, "garbage"),
    (2100, 2130, "cut bodies"),
    // Longer than a token that is due for renewal still counts: here the daemon must be without one for a while.
    (2400, 3360, "500"),
];

fn outage(second: u64) -> Option<(u64, u64, &'static str)> {
    OUTAGES.into_iter().find(|(from, to, _)| (*from..*to).contains(&second))
}

fn what(name: &str) -> What {
    match name {
        "503" => What::Status { code: 503, retry_after: None },
        "500" => What::Status { code: 500, retry_after: None },
        "no answer" => What::NoAnswer,
        "reset" => What::Reset,
        "garbage" => What::Garbage,
        "cut bodies" => What::CutBody,
        _ => What::Status { code: 429, retry_after: Some(10) },
    }
}

/// What came of the hour.
#[derive(Debug, Default)]
pub struct Report {
    /// How often a token was needed.
    pub needed: u64,
    /// How often one was at hand.
    pub served: u64,
    /// Tokens that the platform issued.
    pub issued: u64,
    /// Failed calls, by what they said.
    pub failures: BTreeMap<String, u64>,
    /// The longest time without a valid token, in seconds.
    pub longest_gap: u64,
    /// The longest outage of the platform, in seconds.
    pub longest_outage: u64,
    /// Seconds without a token beyond those of the outage itself, at the worst.
    pub beyond: u64,
    /// Thumbprints of the certificates that were used.
    pub certificates: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "a token was needed {} times and at hand {} times", self.needed, self.served)?;
        writeln!(f, "{} tokens issued, with {} certificates of the daemon", self.issued, self.certificates)?;
        writeln!(f, "longest outage {} s, longest time without a token {} s", self.longest_outage, self.longest_gap)?;
        self.failures.iter().try_for_each(|(what, count)| writeln!(f, "{count:4} × {what}"))
    }
}

/// Why the hour could not begin.
#[derive(Debug)]
pub struct CannotBegin(String);

impl fmt::Display for CannotBegin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CannotBegin {}

fn cannot(why: impl fmt::Display) -> CannotBegin {
    CannotBegin(why.to_string())
}

/// Lives for an hour. `identities` are the daemon's keys and certificates, in PEM; it changes to the next one at half-time.
///
/// # Errors
/// [`CannotBegin`] when keys and certificates cannot be used.
pub fn live(identities: &[(String, String)]) -> Result<Report, CannotBegin> {
    let mut application = Application::new(CONTOSO_CLIENT);
    let mut clients = Vec::new();
    for (key, certificate) in identities {
        application = application.certificate(certificate).map_err(|_| cannot("the platform refuses a certificate"))?;
        let credential = Credential::certificate(key.as_bytes(), None, None, Some(certificate)).map_err(cannot)?;
        let authority = format!("https://login.microsoftonline.com/{CONTOSO_TENANT}");
        clients.push(
            Client::builder(CONTOSO_CLIENT).authority(&authority).credential(credential).build().map_err(cannot)?,
        );
    }
    let platform = Platform::new(7)
        .map_err(|_| cannot("the simulated platform has no keys"))?
        .tenant(Tenant::new(CONTOSO_TENANT))
        .application(application)
        .resource(Resource::new("https://graph.microsoft.com"))
        .lifetime(900)
        .refresh_in(300);
    let mut entropy = Pseudo(3);
    let store = Store::new(&mut entropy).map_err(cannot)?;
    let mut world = World { platform, store, entropy, elapsed: Millis(0) };
    let mut report = Report { certificates: clients.len(), ..Report::default() };
    let (mut rotated, mut gap, mut outage_length) = (false, 0_u64, 0_u64);
    while world.seconds() < HOUR {
        let began = world.seconds();
        if let Some((from, to, _)) = outage(began) {
            outage_length = to.saturating_sub(from);
            report.longest_outage = report.longest_outage.max(outage_length);
        }
        if began >= HOUR / 3 && !rotated {
            world.platform.rotate_keys();
            rotated = true;
        }
        let client = match clients.as_slice() {
            [.., last] if began >= HOUR / 2 => last,
            [first, ..] => first,
            [] => return Err(cannot("the daemon has no identity")),
        };
        let wanted = ClientCredentials::new(&[SCOPE]).and_then(|wanted| wanted.flow(client));
        let token = wanted.and_then(|flow| world.run(client, flow));
        report.needed = report.needed.saturating_add(1);
        let failure = match token {
            Ok(token) if token.expires_on() > world.wall() => None,
            Ok(_) => Some("a token that has ended".to_string()),
            Err(error) => Some(error.to_string()),
        };
        world.elapsed = world.elapsed.after(Millis::from_secs(TICK));
        match failure {
            None => {
                report.served = report.served.saturating_add(1);
                gap = 0;
            }
            Some(why) => {
                let count = report.failures.entry(why).or_default();
                *count = count.saturating_add(1);
                gap = gap.saturating_add(world.seconds().saturating_sub(began));
                report.longest_gap = report.longest_gap.max(gap);
                report.beyond = report.beyond.max(gap.saturating_sub(outage_length));
            }
        }
    }
    report.issued = world.platform.issued();
    Ok(report)
}

struct World {
    platform: Platform,
    store: Store,
    entropy: Pseudo,
    elapsed: Millis,
}

impl World {
    fn seconds(&self) -> u64 {
        self.elapsed.0 / 1000
    }

    fn wall(&self) -> UnixTime {
        UnixTime(START).after(self.seconds())
    }

    fn step<F: Flow>(&mut self, client: &Client, flow: &mut F, input: Input<'_>) -> Result<Step<F::Output>, Error> {
        let clock = Clock::new(self.elapsed, self.wall());
        flow.step(&mut Cx { client, store: &self.store, clock, entropy: &mut self.entropy }, input)
    }

    fn run<F: Flow<Output = Token>>(&mut self, client: &Client, mut flow: F) -> Result<Token, Error> {
        let mut step = self.step(client, &mut flow, Input::Start)?;
        loop {
            step = match step {
                Step::Done(token) => return Ok(token),
                Step::Load(_) => self.step(client, &mut flow, Input::Loaded)?,
                Step::Commit(changes) => {
                    self.store.apply(changes);
                    self.step(client, &mut flow, Input::Committed(Ok(())))?
                }
                Step::Wait(span) => {
                    self.elapsed = self.elapsed.after(span);
                    self.step(client, &mut flow, Input::Woke)?
                }
                Step::Ask(_) => self.step(client, &mut flow, Input::Answer(Answer::Failed(AskError::NotSupported)))?,
                Step::Send(request) => {
                    self.platform.clear_faults();
                    if let Some((.., name)) = outage(self.seconds()) {
                        self.platform.fault(Fault::new(On::Any, what(name)).always());
                    }
                    let answer = self.platform.answer(&asked(&request, self.wall()));
                    match answer.delivery {
                        Delivery::Whole => {
                            let headers: Vec<_> =
                                answer.headers.iter().map(|(name, value)| ResponseHeader { name, value }).collect();
                            let response = Response { status: answer.status, headers: &headers, body: &answer.body };
                            self.step(client, &mut flow, Input::Response(response))?
                        }
                        // Who says nothing is waited for as long as the request may take.
                        Delivery::Never => {
                            self.elapsed = self.elapsed.after(request.attempt_timeout);
                            self.step(client, &mut flow, Input::Failed(SendError::NoAnswer))?
                        }
                        _ => self.step(client, &mut flow, Input::Failed(SendError::NoAnswer))?,
                    }
                }
            };
        }
    }
}

fn asked(request: &Request, now: UnixTime) -> sansal_sim::Request {
    let header = |h: &sansal::http::Header| (h.name.to_string(), h.value.expose().to_string());
    let mut headers: Vec<_> = request.headers.iter().map(header).collect();
    if let Some(body) = &request.body {
        headers.push(("Content-Type".into(), body.content_type.into()));
    }
    sansal_sim::Request {
        method: request.method.as_str().into(),
        target: request.endpoint.request_target(),
        host: request.endpoint.host().into(),
        headers,
        body: request.body.as_ref().map(|body| body.bytes.expose().to_vec()).unwrap_or_default(),
        now: now.0,
    }
}

/// Bytes that differ, the same in every run.
struct Pseudo(u64);

impl Entropy for Pseudo {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        for byte in out {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let [first, ..] = self.0.to_be_bytes();
            *byte = first;
        }
        Ok(())
    }
}
