//! From a client to the endpoint of its Azure region: detection by the metadata service, regional metadata, and the way back
//! to the central endpoint (section 3 of the reference; G-17 and G-18 of its section 14).
//!
//! ```text
//! Begin --no region------------------------------------> done: none
//!   |--named, or REGION_NAME--> Metadata --> Committing --> done
//!   `--Detect--> Detecting --none--> Committing --> done: none
//!                    `--found--> Metadata
//! ```

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::mem;

use crate::call::{Call, Reply};
use crate::client::{Region, RegionName};
use crate::discover::{check, read_metadata};
use crate::endpoint::Endpoint;
use crate::error::{Config, Error};
use crate::flow::{Cx, Flow, Input, Step, ready};
use crate::http::Request;
use crate::json;
use crate::limits::{MAX_METADATA, METADATA_LIFETIME};
use crate::metadata::ProviderMetadata;
use crate::store::{Changes, Fact, MemoryChange};
use crate::time::Millis;

const METADATA_SERVICE: &str = "http://169.254.169.254/metadata/instance/compute?api-version=2021-02-01";
/// Outside of Azure nobody answers there, and a packet to nowhere must not hold up a sign-in.
const PATIENCE: Millis = Millis(2_000);
/// Seconds after which a region that could not be reached is tried again.
const TRY_AGAIN: u64 = 300;

/// Finds the endpoint of the client's region; `None` means the central one.
///
/// A flow of its own for hosts that want everything known early; client credentials do it by themselves.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub struct DiscoverRegion {
    realm: String,
    deadline: Option<Millis>,
    memory: Vec<MemoryChange>,
    state: State,
}

#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
enum State {
    Begin,
    Detecting(Call),
    Metadata(Call, String),
    Committing(Option<Box<ProviderMetadata>>),
    Spent,
}

impl DiscoverRegion {
    /// For a client whose tenant is `realm`, as [`ProviderMetadata::realm`] tells it.
    pub fn new(realm: &str) -> Self {
        Self { realm: realm.to_string(), deadline: None, memory: Vec::new(), state: State::Begin }
    }

    /// As part of a flow that must end by `deadline`.
    pub(crate) fn within(realm: &str, deadline: Millis) -> Self {
        Self { deadline: Some(deadline), ..Self::new(realm) }
    }

    fn deadline(&self, cx: &Cx<'_>) -> Millis {
        self.deadline.unwrap_or(cx.clock.mono.after(cx.client.settings().operation_budget))
    }

    /// What is known without asking; otherwise asks.
    fn begin(&mut self, cx: &Cx<'_>) -> Result<Option<Option<ProviderMetadata>>, Error> {
        match plan(cx)? {
            Plan::Central => Ok(Some(None)),
            Plan::Use(region) => self.regional(cx, &region),
            Plan::Detect => {
                let endpoint = Endpoint::parse(METADATA_SERVICE).map_err(|why| Config::Authority(why.reason()))?;
                let request = Request::get(endpoint, MAX_METADATA, PATIENCE).header("Metadata", "true");
                self.state = State::Detecting(Call::new(request, self.deadline(cx)).once());
                Ok(None)
            }
        }
    }

    fn regional(&mut self, cx: &Cx<'_>, region: &RegionName) -> Result<Option<Option<ProviderMetadata>>, Error> {
        let endpoint = region.metadata_endpoint(cx.client.authority(), &self.realm)?;
        let key = endpoint.to_string();
        if let Some(known) = cx.store.memory.regional(&key, cx.clock.mono, cx.client.settings().metadata_lifetime) {
            known.map_or(Ok(()), |metadata| check(cx.client, metadata))?;
            return Ok(Some(known.cloned()));
        }
        let request = Request::get(endpoint, MAX_METADATA, cx.client.settings().attempt_timeout);
        self.state = State::Metadata(Call::new(request, self.deadline(cx)), key);
        Ok(None)
    }

    fn commit(&mut self, found: Option<ProviderMetadata>) -> Step<Option<ProviderMetadata>> {
        self.state = State::Committing(found.map(Box::new));
        Step::Commit(Changes { tokens: Vec::new(), memory: mem::take(&mut self.memory) })
    }

    /// The region's own metadata, or word that it cannot be reached and the central endpoint serves instead.
    fn found(
        &mut self,
        cx: &Cx<'_>,
        key: String,
        reply: Result<Reply<'_>, Error>,
    ) -> Result<Step<Option<ProviderMetadata>>, Error> {
        let read = reply.and_then(|reply| read_metadata(cx.client, &reply));
        let (found, seconds) = match read {
            Ok(metadata) => (Some(metadata), METADATA_LIFETIME),
            Err(Error::Unreachable { .. } | Error::Throttled { .. }) if cx.client.settings().region_fallback => {
                (None, TRY_AGAIN)
            }
            Err(error) => return Err(error),
        };
        let fact = Fact::Regional(found.clone().map(Box::new));
        self.memory.push(fact.for_seconds(key.as_bytes(), cx.clock.mono, seconds));
        Ok(self.commit(found))
    }
}

enum Plan {
    Central,
    Use(RegionName),
    Detect,
}

/// Section 3.4 of the reference, but that nobody is asked about a region that is named already (G-17).
fn plan(cx: &Cx<'_>) -> Result<Plan, Error> {
    let settings = cx.client.settings();
    Ok(match cx.client.region()? {
        Region::Unset | Region::Never => Plan::Central,
        Region::Named(region) => Plan::Use(region),
        Region::Detect => match settings.region_name.as_str() {
            "" => match cx.store.memory.detected_region(cx.clock.mono, settings.metadata_lifetime) {
                Some(Some(region)) => Plan::Use(region.clone()),
                Some(None) => Plan::Central,
                None => Plan::Detect,
            },
            // A name that is none is nobody's region, and the metadata service is not asked for a better one.
            name => RegionName::parse(name).map_or(Plan::Central, Plan::Use),
        },
    })
}

/// `location` in the answer of the metadata service; anything else than a proper name is no region.
pub(crate) fn location(body: &[u8]) -> Option<RegionName> {
    RegionName::parse(json::parse_object(body, MAX_METADATA).ok()?.text("location")?).ok()
}

impl Flow for DiscoverRegion {
    type Output = Option<ProviderMetadata>;

    fn step(&mut self, cx: &mut Cx<'_>, mut input: Input<'_>) -> Result<Step<Self::Output>, Error> {
        loop {
            match (mem::replace(&mut self.state, State::Spent), input) {
                (State::Begin, Input::Start) => {
                    if let Some(known) = self.begin(cx)? {
                        return Ok(Step::Done(known));
                    }
                }
                (State::Detecting(mut call), input) => {
                    let detected = match call.step(cx, input) {
                        Ok(step) => {
                            self.state = State::Detecting(call);
                            location(ready!(step).body.expose())
                        }
                        Err(Error::OutOfTurn) => return Err(Error::OutOfTurn),
                        Err(_) => None,
                    };
                    self.state = State::Spent;
                    let seconds = if detected.is_some() { METADATA_LIFETIME } else { TRY_AGAIN };
                    let fact = Fact::DetectedRegion(detected.clone());
                    self.memory.push(fact.for_seconds(&[], cx.clock.mono, seconds));
                    let Some(region) = detected else { return Ok(self.commit(None)) };
                    if let Some(known) = self.regional(cx, &region)? {
                        return Ok(self.commit(known));
                    }
                }
                (State::Metadata(mut call, key), input) => {
                    let reply = match call.step(cx, input) {
                        Ok(step) => {
                            self.state = State::Metadata(call, key.clone());
                            Ok(ready!(step))
                        }
                        Err(Error::OutOfTurn) => return Err(Error::OutOfTurn),
                        Err(error) => Err(error),
                    };
                    self.state = State::Spent;
                    return self.found(cx, key, reply);
                }
                (State::Committing(found), Input::Committed(_)) => return Ok(Step::Done(found.map(|found| *found))),
                _ => return Err(Error::OutOfTurn),
            }
            input = Input::Start;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations() {
        for (body, expected) in [
            (r#"{"location":"westus2"}"#, Some("westus2")),
            (r#"{"location":"west us.evil.example/"}"#, None),
            (r#"{"location":null}"#, None),
            (r#"{"location":7}"#, None),
            (r#"{}"#, None),
            ("<html>", None),
        ] {
            assert_eq!(location(body.as_bytes()).as_ref().map(RegionName::as_str), expected, "{body}");
        }
    }
}
