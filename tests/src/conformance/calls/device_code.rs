//! `initiate_device_flow` and `acquire_token_by_device_flow` (section 4.5 of the reference).

use sansal::error::Error;
use sansal::{DeviceCode, DeviceFlow, PollOptions, Secret};
use serde_json::{Map, Value, json};

use super::{Turn, users};
use crate::conformance::arguments::Argument;
use crate::conformance::outcome::{Outcome, Stop};
use crate::conformance::stage::Stage;

/// Asks for a code.
pub(super) fn initiate_device_flow(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Result<Outcome, Stop> {
    let request = match request(turn) {
        Ok(request) => request,
        Err(outcome) => return Ok(outcome),
    };
    turn.args.finish()?;
    let mut machine = match request.initiate(&stage.app(turn.on)?.client) {
        Ok(machine) => machine,
        Err(error) => return Ok(Outcome::Failed(error.into())),
    };
    Ok(match stage.run(turn.on, &mut machine, &mut turn.server)? {
        Ok(flow) => {
            let members = map(&flow, stage.now().after(flow.expires_in()).0);
            if let Some(name) = turn.bind {
                stage.flows.keep(name, flow);
            }
            Outcome::Value(members)
        }
        Err(error) => Outcome::Failed(error.into()),
    })
}

/// The request, or what cannot be written in Rust.
fn request(turn: &mut Turn<'_, '_, '_, '_>) -> Result<DeviceCode, Outcome> {
    let scopes = match turn.args.is_none("scopes") {
        true => {
            turn.args.take("scopes");
            Vec::new()
        }
        false => users::scopes(turn)?,
    };
    let challenge = turn.args.take_text("claims_challenge")?;
    let request = DeviceCode::new(&scopes).map_err(|error| Outcome::Failed(error.into()))?;
    Ok(match &challenge {
        Some(claims) => request.claims_challenge(claims),
        None => request,
    })
}

/// The flow as the reference returns it.
fn map(flow: &DeviceFlow, expires_at: u64) -> Value {
    let mut members = flow.members().as_map().clone();
    members.insert("interval".into(), json!(flow.interval()));
    members.insert("expires_in".into(), json!(flow.expires_in()));
    members.insert("expires_at".into(), json!(expires_at));
    members.insert("_correlation_id".into(), json!(flow.correlation_id()));
    Value::Object(members)
}

/// A copy of a flow in which the caller has changed the reference's members: as a flow that was kept as data, with these.
fn changed(
    stage: &Stage<'_>,
    on: &str,
    flow: &DeviceFlow,
    members: &Map<String, Value>,
) -> Result<Result<DeviceFlow, Error>, Stop> {
    let clock = stage.clock();
    let mut kept = flow.to_members(clock);
    let mut response = members.clone();
    response.retain(|name, _| !["_correlation_id", "expires_at", "latest_attempt_at"].contains(&name.as_str()));
    kept.set("response", json!(response));
    if let Some(interval) = members.get("interval") {
        kept.set("interval", interval.clone());
    }
    let number = |name| members.get(name).and_then(Value::as_u64);
    let left = number("expires_at").unwrap_or_default().saturating_sub(stage.now().0);
    kept.set("milliseconds_left", left.saturating_mul(1000));
    if let Some(id) = members.get("_correlation_id") {
        kept.set("correlation_id", id.clone());
    }
    Ok(DeviceFlow::from_members(&stage.app(on)?.client, &kept, clock))
}

/// Asks about a code until the user has answered, or only once.
pub(super) fn acquire_token_by_device_flow(
    stage: &mut Stage<'_>,
    turn: &mut Turn<'_, '_, '_, '_>,
) -> Result<Outcome, Stop> {
    let once = match turn.args.take("exit_condition") {
        Argument::None => false,
        Argument::Callable(members) if members.get("always") == Some(&json!(true)) => true,
        _ => return Err(Stop::Unsupported("another exit_condition".into())),
    };
    let (reference, challenge) = match (turn.args.take_bound("flow"), turn.args.take_text("claims_challenge")) {
        (Ok(reference), Ok(challenge)) => (reference, challenge),
        (Err(outcome), _) | (_, Err(outcome)) => return Ok(outcome),
    };
    let binding = match users::binding(turn) {
        Ok(binding) => binding,
        Err(outcome) => return Ok(outcome),
    };
    turn.args.finish()?;
    if !reference.members.contains_key("device_code") {
        return Ok(Outcome::refused_by_type("there is no flow without a device code"));
    }
    let Some(flow) = stage.flows.get::<DeviceFlow>(&reference.name).cloned() else {
        return Ok(Outcome::refused_by_type("an earlier call returned no flow"));
    };
    let flow = match reference.is_changed {
        false => flow,
        true => match changed(stage, turn.on, &flow, &reference.members)? {
            Ok(flow) => flow,
            Err(error) => return Ok(Outcome::Failed(error.into())),
        },
    };
    let options = PollOptions { claims_challenge: challenge.map(Secret::from), once, binding };
    let mut machine = match flow.poll(&stage.app(turn.on)?.client, &options) {
        Ok(machine) => machine,
        Err(error) => return Ok(Outcome::Failed(error.into())),
    };
    let result = stage.run(turn.on, &mut machine, &mut turn.server)?;
    let flow = machine.device_flow().clone();
    let expires_at = reference.members.get("expires_at").and_then(Value::as_u64).unwrap_or_default();
    // A copy with changes leaves the bound object what it is.
    if !reference.is_changed {
        turn.server.matching.bind(&reference.name, map(&flow, expires_at));
        stage.flows.keep(&reference.name, flow);
    }
    Ok(Outcome::of_direct_token(result))
}
