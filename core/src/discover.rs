//! From an authority to its endpoints: instance discovery, provider metadata, and who may be trusted with tokens.
//!
//! ```text
//! Begin --known--------------------------------------------------> done
//!   `--unknown host--> Instance --> Metadata --> Committing --> done
//!   `--otherwise------------------------^
//! ```

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::mem;

use crate::call::{Call, Reply};
use crate::client::{Client, InstanceDiscovery, Region, host_allowed, is_well_known, issuer_is_valid};
use crate::endpoint::Endpoint;
use crate::error::{Config, Error, HostRule, What};
use crate::flow::{Cx, Flow, Input, Step, ready};
use crate::http::Request;
use crate::limits::{MAX_METADATA, METADATA_LIFETIME};
use crate::metadata::{Instance, MtlsEndpoints, ProviderMetadata, alias_groups};
use crate::store::{Changes, Fact};
use crate::time::Millis;

/// Where unknown hosts are looked up.
const PUBLIC_INSTANCE: &str = "https://login.microsoftonline.com";

/// Finds the endpoints of the client's authority; from memory where they are known.
///
/// A flow of its own for hosts that want to know early whether an authority is right; every other flow does it by itself.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub struct Discover {
    max_age: MaxAge,
    deadline: Option<Millis>,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum MaxAge {
    /// As the settings say.
    Settings,
    /// As long as the answer of an HTTP server counts.
    Lifetime,
}

/// Whether the metadata may be asked for once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    Yes,
    No,
}

#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
enum State {
    Begin,
    Instance(Call),
    Metadata(Call, Again),
    Committing(ProviderMetadata),
    Spent,
}

impl Discover {
    /// As a flow of its own: metadata counts for a day.
    pub fn new() -> Self {
        Self { max_age: MaxAge::Lifetime, deadline: None, state: State::Begin }
    }

    /// As the first part of a flow: metadata counts as long as the settings say.
    pub(crate) fn first() -> Self {
        Self { max_age: MaxAge::Settings, deadline: None, state: State::Begin }
    }

    /// At another name of the authority, in a flow that must end by `deadline`: metadata counts for a day.
    pub(crate) fn elsewhere(deadline: Millis) -> Self {
        Self { max_age: MaxAge::Lifetime, deadline: Some(deadline), state: State::Begin }
    }

    /// As part of a flow that must end by `deadline`.
    pub(crate) fn within(deadline: Millis) -> Self {
        Self { max_age: MaxAge::Settings, deadline: Some(deadline), state: State::Begin }
    }

    fn begin(&mut self, cx: &Cx<'_>) -> Result<Next, Error> {
        let (client, settings) = (cx.client, cx.client.settings());
        let max_age = match self.max_age {
            MaxAge::Settings => settings.metadata_lifetime,
            MaxAge::Lifetime => Some(METADATA_LIFETIME),
        };
        if let Some(metadata) = cx.store.memory.metadata(client.metadata_key(), cx.clock.mono, max_age) {
            check(client, metadata)?;
            return Ok(Next::Known(Box::new(metadata.clone())));
        }
        let authority = client.authority();
        Ok(match (&settings.instance_discovery, client.needs_instance_discovery()) {
            (InstanceDiscovery::Custom(address), true) => Next::Ask(instance_endpoint(client, Some(address))?),
            (_, true) => Next::Ask(instance_endpoint(client, None)?),
            (_, false) => Next::Fetch(authority.metadata_endpoint()?),
        })
    }

    fn call(&self, cx: &Cx<'_>, endpoint: Endpoint) -> Call {
        let settings = cx.client.settings();
        let deadline = self.deadline.unwrap_or(cx.clock.mono.after(settings.operation_budget));
        Call::new(Request::get(endpoint, MAX_METADATA, settings.attempt_timeout), deadline)
    }
}

enum Next {
    Known(Box<ProviderMetadata>),
    Ask(Endpoint),
    Fetch(Endpoint),
}

impl Default for Discover {
    fn default() -> Self {
        Self::new()
    }
}

impl Flow for Discover {
    type Output = ProviderMetadata;

    fn step(&mut self, cx: &mut Cx<'_>, mut input: Input<'_>) -> Result<Step<ProviderMetadata>, Error> {
        loop {
            match (mem::replace(&mut self.state, State::Spent), input) {
                (State::Begin, Input::Start) => match self.begin(cx)? {
                    Next::Known(metadata) => return Ok(Step::Done(as_used_by(cx.client, *metadata))),
                    Next::Ask(endpoint) => self.state = State::Instance(self.call(cx, endpoint)),
                    Next::Fetch(endpoint) => self.state = State::Metadata(self.call(cx, endpoint), again(cx.client)),
                },
                (State::Instance(mut call), input) if cfg!(feature = "clouds") => {
                    let step = call.step(cx, input)?;
                    self.state = State::Instance(call);
                    let reply = ready!(step);
                    let endpoint = instance(cx.client, &reply)?;
                    self.state = State::Metadata(self.call(cx, endpoint), Again::No);
                }
                (State::Metadata(mut call, mut again), input) => {
                    let step = match call.step(cx, input) {
                        Err(Error::Unreachable { why, .. }) if again == Again::Yes && why.is_transient() => {
                            call = self.call(cx, cx.client.authority().metadata_endpoint()?);
                            again = Again::No;
                            call.step(cx, Input::Start)?
                        }
                        step => step?,
                    };
                    self.state = State::Metadata(call, again);
                    let reply = ready!(step);
                    let metadata = read_metadata(cx.client, &reply)?;
                    let fact = Fact::Metadata(Box::new(metadata.clone()));
                    let change =
                        fact.for_seconds(cx.client.metadata_key().as_bytes(), cx.clock.mono, METADATA_LIFETIME);
                    self.state = State::Committing(metadata);
                    return Ok(Step::Commit(Changes { tokens: Vec::new(), memory: Vec::from([change]) }));
                }
                // What is not remembered is asked for again; that is no reason to fail.
                (State::Committing(metadata), Input::Committed(_)) => {
                    return Ok(Step::Done(as_used_by(cx.client, metadata)));
                }
                _ => return Err(Error::OutOfTurn),
            }
            input = Input::Start;
        }
    }
}

/// The endpoints that this client goes to: with a certificate they may be others.
fn as_used_by(client: &Client, metadata: ProviderMetadata) -> ProviderMetadata {
    match client.client_certificate() {
        Some(_) => metadata.with_mtls_endpoints(),
        None => metadata,
    }
}

/// A client that wants a region gets a second chance at its central metadata (section 1.2, step 8, of the reference),
/// unless requests like this one are repeated anyway.
fn again(client: &Client) -> Again {
    match client.region() {
        Ok(Region::Named(_) | Region::Detect)
            if cfg!(feature = "clouds")
                && client.authority().is_well_known()
                && client.settings().retries.repeatable == 0 =>
        {
            Again::Yes
        }
        _ => Again::No,
    }
}

/// Section 2.4 of the reference.
fn instance_endpoint(client: &Client, custom: Option<&Endpoint>) -> Result<Endpoint, Error> {
    let authority = client.authority();
    let path = authority.endpoint().path().trim_end_matches('/');
    let authorize = format!("https://{}{path}/oauth2/v2.0/authorize", authority.host());
    let base = match custom {
        Some(address) => address.clone(),
        None => discovery_base(PUBLIC_INSTANCE)?,
    };
    let query = [("authorization_endpoint", authorize.as_str()), ("api-version", "1.0")];
    base.with_query(&query).map_err(|why| Config::Authority(why.reason()).into())
}

fn discovery_base(origin: &str) -> Result<Endpoint, Config> {
    Endpoint::parse(&format!("{origin}/common/discovery/instance")).map_err(|why| Config::Authority(why.reason()))
}

fn instance(client: &Client, reply: &Reply<'_>) -> Result<Endpoint, Error> {
    if reply.status >= 500 || reply.status == 429 {
        return Err(unavailable(reply));
    }
    match Instance::parse(reply.body.expose())? {
        Instance::Unknown => Err(Config::UnknownInstance(client.authority().host().to_string()).into()),
        // Microsoft vouches for the host; it may send us to that host or to one of its own.
        Instance::Known(endpoint) if is_well_known(endpoint.host()) => Ok(endpoint),
        Instance::Known(endpoint) => allowed(client, endpoint),
    }
}

/// Provider metadata from an answer, held against the authority (sections 2.5 to 2.7 of the reference).
pub(crate) fn read_metadata(client: &Client, reply: &Reply<'_>) -> Result<ProviderMetadata, Error> {
    let authority = client.authority();
    match reply.status {
        // No other kind of success brings metadata (OpenID Connect Discovery s4.2).
        200 => {}
        429 | 500.. => return Err(unavailable(reply)),
        400..500 => {
            let authority = authority.as_str().to_string();
            return Err(Config::NoMetadata { authority, status: reply.status }.into());
        }
        _ => return Err(Error::BadResponse { what: What::ProviderMetadata, at: "its HTTP status" }),
    }
    let metadata = ProviderMetadata::parse(reply.body.expose())?;
    check(client, &metadata)?;
    Ok(metadata)
}

/// Whether this client may use the metadata. Asked again when it comes from memory: another client, with other rules, may
/// have left it there.
pub(crate) fn check(client: &Client, metadata: &ProviderMetadata) -> Result<(), Error> {
    let authority = client.authority();
    let is_oidc = authority.kind() == crate::client::AuthorityKind::Oidc;
    if is_oidc && !issuer_is_valid(&metadata.issuer, authority, client.settings()) {
        let (issuer, authority) = (metadata.issuer.clone(), authority.as_str().to_string());
        return Err(Config::IssuerMismatch { issuer, authority }.into());
    }
    let MtlsEndpoints { token_endpoint, device_authorization_endpoint } = &metadata.mtls;
    let is_used = client.client_certificate().is_some();
    let all = [
        Some(&metadata.token_endpoint),
        Some(&metadata.authorization_endpoint),
        metadata.device_authorization_endpoint.as_ref(),
        token_endpoint.as_ref().filter(|_| is_used),
        device_authorization_endpoint.as_ref().filter(|_| is_used),
    ];
    for endpoint in all.into_iter().flatten() {
        check_host(client, endpoint)?;
    }
    Ok(())
}

pub(crate) fn allowed(client: &Client, endpoint: Endpoint) -> Result<Endpoint, Error> {
    check_host(client, &endpoint).map(|()| endpoint)
}

fn check_host(client: &Client, endpoint: &Endpoint) -> Result<(), Error> {
    if host_allowed(client.authority(), client.settings(), endpoint) {
        return Ok(());
    }
    let host = endpoint.host().to_string();
    Err(Config::HostNotAllowed { host, rule: HostRule::OutsideAuthority }.into())
}

pub(crate) fn unavailable(reply: &Reply<'_>) -> Error {
    Error::Throttled { status: reply.status, retry_after: reply.retry_after, refusal: None }
}

/// Finds which hosts are the same cloud as the authority (section 2.8 of the reference); the authority's own host is not among them.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub(crate) struct DiscoverAliases {
    deadline: Millis,
    state: AliasState,
}

#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
enum AliasState {
    Begin,
    Asking(Call),
    Committing(Vec<String>),
    Spent,
}

impl DiscoverAliases {
    pub(crate) fn within(deadline: Millis) -> Self {
        Self { deadline, state: AliasState::Begin }
    }

    fn call(&self, cx: &Cx<'_>) -> Result<Call, Error> {
        let host = cx.client.authority().host();
        let origin = match is_well_known(host) {
            true => format!("https://{host}"),
            false => PUBLIC_INSTANCE.to_string(),
        };
        let authorize = format!("{origin}/common/oauth2/authorize");
        let query = [("api-version", "1.1"), ("authorization_endpoint", authorize.as_str())];
        let endpoint = discovery_base(&origin)?.with_query(&query).map_err(|why| Config::Authority(why.reason()))?;
        let request = Request::get(endpoint, MAX_METADATA, cx.client.settings().attempt_timeout);
        Ok(Call::new(request.header("Accept", "application/json"), self.deadline))
    }
}

impl Flow for DiscoverAliases {
    type Output = Vec<String>;

    fn step(&mut self, cx: &mut Cx<'_>, mut input: Input<'_>) -> Result<Step<Vec<String>>, Error> {
        let (authority, settings) = (cx.client.authority(), cx.client.settings());
        loop {
            match (mem::replace(&mut self.state, AliasState::Spent), input) {
                (AliasState::Begin, Input::Start) => {
                    let known = authority.is_known_to_developer() || !settings.validate_authority;
                    if known || settings.instance_discovery == InstanceDiscovery::Off {
                        return Ok(Step::Done(Vec::new()));
                    }
                    if let Some(aliases) = cx.store.memory.aliases(authority.host()) {
                        return Ok(Step::Done(aliases.to_vec()));
                    }
                    self.state = AliasState::Asking(self.call(cx)?);
                }
                (AliasState::Asking(mut call), input) => {
                    let step = call.step(cx, input)?;
                    self.state = AliasState::Asking(call);
                    let reply = ready!(step);
                    if reply.status >= 400 {
                        return Err(unavailable(&reply));
                    }
                    let own = authority.host();
                    let groups = alias_groups(reply.body.expose())?;
                    let mut group = groups.into_iter().find(|g| g.iter().any(|h| h == own)).unwrap_or_default();
                    group.retain(|host| host != own);
                    let fact = Fact::Aliases(group.clone());
                    let change = fact.for_seconds(own.as_bytes(), cx.clock.mono, METADATA_LIFETIME);
                    self.state = AliasState::Committing(group);
                    return Ok(Step::Commit(Changes { tokens: Vec::new(), memory: Vec::from([change]) }));
                }
                (AliasState::Committing(group), Input::Committed(_)) => return Ok(Step::Done(group)),
                _ => return Err(Error::OutOfTurn),
            }
            input = Input::Start;
        }
    }
}
