//! `initiate_device_flow` and `acquire_token_by_device_flow` (section 4.5 of the reference).

use sansal::{DeviceCode, DeviceFlow, PollOptions, Secret};
use serde_json::{Value, json};

use super::Turn;
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
    let scopes = match turn.args.take("scopes") {
        Argument::None => Argument::List(Vec::new()),
        scopes => scopes,
    };
    let scopes = scopes.texts().ok_or_else(|| Outcome::refused_by_type("scopes must be a list of texts"))?;
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
    turn.args.finish()?;
    if !reference.members.contains_key("device_code") {
        return Ok(Outcome::refused_by_type("there is no flow without a device code"));
    }
    let Some(flow) = stage.flows.get::<DeviceFlow>(&reference.name).filter(|_| !reference.is_changed).cloned() else {
        return Err(Stop::Unsupported("a device flow with changes".into()));
    };
    let options = PollOptions { claims_challenge: challenge.map(Secret::from), once, binding: None };
    let mut machine = match flow.poll(&stage.app(turn.on)?.client, &options) {
        Ok(machine) => machine,
        Err(error) => return Ok(Outcome::Failed(error.into())),
    };
    let result = stage.run(turn.on, &mut machine, &mut turn.server)?;
    let flow = machine.device_flow().clone();
    let expires_at = reference.members.get("expires_at").and_then(Value::as_u64).unwrap_or_default();
    turn.server.matching.bind(&reference.name, map(&flow, expires_at));
    stage.flows.keep(&reference.name, flow);
    Ok(Outcome::of_direct_token(result))
}
