//! `__init__`: builds an application, and finds its authority and its region at once, as the reference does.

use sansal::client::{AuthorityKind, Client, Credential};
use sansal::discover::Discover;
use sansal::metadata::ProviderMetadata;
use sansal::region::DiscoverRegion;
use serde_json::{Value, json};

use super::{Turn, managed_identity};
use crate::conformance::apps::Plan;
use crate::conformance::outcome::{Outcome, Stop};
use crate::conformance::stage::{App, Stage};

/// Settings first, then the authority, the credential, the region: the order of section 1.2 of the reference.
pub(super) fn init(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Result<Outcome, Stop> {
    turn.args.finish()?;
    let Some(recorded) = stage.recorded_apps.get(turn.on).copied() else {
        return Err(Stop::malformed(format!("there is no application {}", turn.on)));
    };
    if recorded.get("type").and_then(Value::as_str) == Some("managed_identity") {
        return managed_identity::init(stage, turn.on, recorded);
    }
    let plan = match Plan::read(turn.on, recorded, stage)? {
        Ok(plan) => plan,
        Err(outcome) => return Ok(outcome),
    };
    let (memory, shared) = plan.memory.clone();
    stage.new_memory(&memory, shared)?;
    let client = match plan.probe() {
        Ok(client) => client,
        Err(error) => return Ok(Outcome::Failed(error.into())),
    };
    let mut probe = App { client, memory: memory.clone(), callback: None, spec: Value::Null };
    stage.tape_client(&plan.probe_spec(), false);
    stage.tape_flow("discover", &[], &[]);
    let metadata = match stage.run_with(&mut probe, &mut Discover::new(), &mut turn.server)? {
        Ok(metadata) => metadata,
        Err(error) => return Ok(Outcome::Failed(error.into())),
    };
    let mut plan = plan;
    stage.tape_client(&plan.spec, true);
    let none = Ok((Credential::None, None));
    let (credential, callback) = match std::mem::replace(&mut plan.credential, none) {
        Ok(credential) => credential,
        Err(outcome) => return Ok(outcome),
    };
    let client = match plan.client(credential) {
        Ok(client) => client,
        Err(error) => return Ok(Outcome::Failed(error.into())),
    };
    let result = result(&client, &metadata);
    let mut app = App { client, memory, callback, spec: plan.spec.clone() };
    if plan.confidential {
        stage.tape_flow("region", &[("realm", Some(&metadata.realm))], &[]);
        let mut region = DiscoverRegion::new(&metadata.realm);
        if let Err(error) = stage.run_with(&mut app, &mut region, &mut turn.server)? {
            return Ok(Outcome::Failed(error.into()));
        }
    }
    stage.add_app(turn.on, app);
    Ok(Outcome::Value(result))
}

fn result(client: &Client, metadata: &ProviderMetadata) -> Value {
    let authority = client.authority();
    let is_b2c = matches!(authority.kind(), AuthorityKind::B2c | AuthorityKind::Ciam | AuthorityKind::Oidc);
    json!({ "authority": {
        "instance": authority.host(),
        "tenant": metadata.realm,
        "is_adfs": authority.is_adfs(),
        "is_b2c": is_b2c,
        "authorization_endpoint": metadata.authorization_endpoint.to_string(),
        "token_endpoint": metadata.token_endpoint.to_string(),
        "device_authorization_endpoint": metadata.device_authorization_endpoint.as_ref().map(ToString::to_string),
    }})
}
