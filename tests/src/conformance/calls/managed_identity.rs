//! Managed identities (section 4.14 of the reference): the application, its tokens, and the functions around it.

use sansal::client::{Client, Settings};
use sansal::error::{Config, Error};
use sansal::managed::{ManagedIdentityEnvironment, get_managed_identity_source};
use sansal::{ManagedIdentity, ManagedIdentityRequest, Secret};
use serde_json::{Map, Value, json};

use super::{Arguments, Turn};
use crate::conformance::arguments::Argument;
use crate::conformance::outcome::{Outcome, Stop};
use crate::conformance::stage::{App, Stage};

/// Where the key files of Azure Arc lie on Linux, which is what was recorded.
pub const ARC_TOKEN_DIR: &str = "/var/opt/azcmagent/tokens";

/// An application of type `managed_identity`. Nobody is asked for anything.
pub(super) fn init(stage: &mut Stage<'_>, name: &str, recorded: &Map<String, Value>) -> Result<Outcome, Stop> {
    let Some(given) = recorded.get("managed_identity") else {
        return Err(Stop::malformed("a managed identity without identity"));
    };
    let identity = match identity(given) {
        // What the reference gets for a dictionary without id it keeps under a placeholder (G-31).
        Ok(identity) => (identity, given.get("Id").is_none()),
        Err(why) => return Ok(Outcome::Failed(Error::from(why).into())),
    };
    let mut settings = Settings { platform: "test".into(), ..Settings::reference() };
    let mut memory = (format!("of {name}"), false);
    for (key, value) in recorded {
        match (key.as_str(), stage.spelling.read(value)?) {
            ("type" | "managed_identity", _) | (_, Argument::None) => {}
            ("client_capabilities", list) => match list.texts() {
                Some(texts) => settings.client_capabilities = texts.into_iter().map(String::from).collect(),
                None => return Ok(Outcome::refused_by_type("client_capabilities that are not a list of texts")),
            },
            ("http_cache", Argument::Shared(name)) => memory = (format!("shared {name}"), true),
            _ => return Err(Stop::Unsupported(format!("the argument {key} of a managed identity"))),
        }
    }
    let client = match Client::managed_identity(settings) {
        Ok(client) => client,
        Err(error) => return Ok(Outcome::Failed(error.into())),
    };
    stage.new_memory(&memory.0, memory.1)?;
    stage.identities.insert(name.to_string(), identity);
    stage.add_app(name, App { client, memory: memory.0, callback: None, spec: Value::Null });
    Ok(Outcome::NONE)
}

/// Section 4.14.1 of the reference.
fn identity(given: &Value) -> Result<ManagedIdentity, Config> {
    let text = |name: &str| given.get(name).and_then(Value::as_str).unwrap_or_default();
    let id = text("Id").to_string();
    let identity = match text("ManagedIdentityIdType") {
        "SystemAssigned" => ManagedIdentity::SystemAssigned,
        "ClientId" => ManagedIdentity::ClientId(id),
        "ObjectId" => ManagedIdentity::ObjectId(id),
        "ResourceId" => ManagedIdentity::ResourceId(id),
        _ => return Err(Config::ManagedIdentity("there is no such kind")),
    };
    identity.check()?;
    Ok(identity)
}

pub(super) fn environment(stage: &Stage<'_>) -> ManagedIdentityEnvironment {
    let text = |name: &str| stage.env.get(name).cloned();
    ManagedIdentityEnvironment {
        identity_endpoint: text("IDENTITY_ENDPOINT"),
        identity_header: text("IDENTITY_HEADER").map(Secret::new),
        identity_server_thumbprint: text("IDENTITY_SERVER_THUMBPRINT"),
        imds_endpoint: text("IMDS_ENDPOINT"),
        msi_endpoint: text("MSI_ENDPOINT"),
        msi_secret: text("MSI_SECRET").map(Secret::new),
        azureps_host_environment: text("AZUREPS_HOST_ENVIRONMENT"),
        pod_identity_authority_host: text("AZURE_POD_IDENTITY_AUTHORITY_HOST"),
        arc_agent_installed: stage.arc_agent_installed,
        arc_token_dir: Some(ARC_TOKEN_DIR.into()),
    }
}

/// `acquire_token_for_client` of a managed identity.
pub(super) fn acquire(
    stage: &mut Stage<'_>,
    turn: &mut Turn<'_, '_, '_, '_>,
    (identity, placeholder): (ManagedIdentity, bool),
) -> Result<Outcome, Stop> {
    let (resource, challenge) = (turn.args.take_text("resource"), turn.args.take_text("claims_challenge"));
    let (Ok(Some(resource)), Ok(challenge)) = (resource, challenge) else {
        return Ok(Outcome::refused_by_type("resource and claims challenge must be texts"));
    };
    turn.args.finish()?;
    let request = ManagedIdentityRequest::new(identity, environment(stage), &resource);
    let request = request.claims_challenge(challenge.as_deref().unwrap_or_default());
    let request = if placeholder { request.placeholder() } else { request };
    let mut flow = match request.flow(&stage.app(turn.on)?.client) {
        Ok(flow) => flow,
        Err(error) => return Ok(Outcome::Failed(error.into())),
    };
    let dumps = get_managed_identity_source(&environment(stage)).as_str() == "MACHINE_LEARNING";
    let outcome = stage.run(turn.on, &mut flow, &mut turn.server).map(Outcome::of_managed_identity)?;
    Ok(match outcome {
        Outcome::Value(Value::Object(members)) if dumps => Outcome::Value(Value::Object(dumped(members))),
        other => other,
    })
}

/// Of this source the reference describes an error by what it has read, spelled as Python spells it; ours quotes the answer.
fn dumped(mut members: Map<String, Value>) -> Map<String, Value> {
    let description = members.get("error_description").and_then(Value::as_str);
    if let Some(text) = description.filter(|text| serde_json::from_str::<Map<String, Value>>(text).is_ok()) {
        members.insert("error_description".into(), json!(as_python(text)));
    }
    members
}

/// A JSON text as Python's `repr` spells what is in it, in its order, as far as the recordings need that.
fn as_python(json: &str) -> String {
    let mut spelled = String::new();
    let mut rest = json.trim_start();
    while let Some(first) = rest.chars().next() {
        let mut texts = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        let length = match (first, texts.next()) {
            ('"' | 't' | 'f' | 'n' | '-' | '0'..='9', Some(Ok(value))) => {
                spelled += &match value {
                    Value::Null => "None".into(),
                    Value::Bool(true) => "True".into(),
                    Value::Bool(false) => "False".into(),
                    Value::String(text) if text.contains('\'') && !text.contains('"') => format!("\"{text}\""),
                    Value::String(text) => {
                        format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n"))
                    }
                    number => number.to_string(),
                };
                texts.byte_offset()
            }
            _ => {
                spelled.push(first);
                spelled.extend(matches!(first, ',' | ':').then_some(' '));
                first.len_utf8()
            }
        };
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    spelled
}

/// Which source the environment means.
pub(super) fn source(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Result<Outcome, Stop> {
    turn.args.finish()?;
    Ok(Outcome::Value(json!(get_managed_identity_source(&environment(stage)).as_str())))
}

/// The system-assigned identity as a dictionary.
pub(super) fn system_assigned(_: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Result<Outcome, Stop> {
    turn.args.finish()?;
    Ok(Outcome::Value(dictionary(&ManagedIdentity::SystemAssigned)))
}

/// A user-assigned identity as a dictionary; it has exactly one id.
pub(super) fn user_assigned(_: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Result<Outcome, Stop> {
    let given: Vec<ManagedIdentity> = match ids(&mut turn.args) {
        Ok(given) => given,
        Err(outcome) => return Ok(outcome),
    };
    turn.args.finish()?;
    let why = Config::ManagedIdentity("a user-assigned identity has exactly one id");
    Ok(match &given[..] {
        [identity] => Outcome::Value(dictionary(identity)),
        _ => Outcome::Failed(Error::from(why).into()),
    })
}

fn ids(args: &mut Arguments) -> Result<Vec<ManagedIdentity>, Outcome> {
    let mut given = Vec::new();
    let kinds: [(&str, fn(String) -> ManagedIdentity); 3] = [
        ("client_id", ManagedIdentity::ClientId),
        ("resource_id", ManagedIdentity::ResourceId),
        ("object_id", ManagedIdentity::ObjectId),
    ];
    for (name, kind) in kinds {
        given.extend(args.take_text(name)?.filter(|id| !id.is_empty()).map(kind));
    }
    Ok(given)
}

fn dictionary(identity: &ManagedIdentity) -> Value {
    json!({ "ManagedIdentityIdType": identity.id_type(), "Id": identity.id() })
}
