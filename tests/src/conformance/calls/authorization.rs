//! Sign-in at a browser: authorization code in two legs, interactive, and the legacy pair (sections 4.2 to 4.4 of the reference).

use sansal::authorization_code::{AuthorizationCode, LegacyAuthorizationRequest};
use sansal::client::Client;
use sansal::error::Error;
use sansal::json::Members;
use sansal::{AuthCodeFlow, AuthorizationRequest, AuthorizationResponse, Prompt, ResponseMode};
use serde_json::{Map, Value, json};

use super::{Turn, cloud_shell, users};
use crate::conformance::arguments::Argument;
use crate::conformance::outcome::{Outcome, Stop};
use crate::conformance::stage::Stage;

/// The texts among the arguments that a request may have.
struct Texts {
    redirect_uri: Option<String>,
    state: Option<String>,
    login_hint: Option<String>,
    domain_hint: Option<String>,
    claims_challenge: Option<String>,
    prompt: Option<Prompt>,
}

impl Texts {
    fn take(turn: &mut Turn<'_, '_, '_, '_>) -> Result<Self, Outcome> {
        let prompt = match turn.args.take_text("prompt")? {
            None => None,
            Some(text) => {
                Some(Prompt::parse(&text).ok_or_else(|| Outcome::refused_by_type("there is no such prompt"))?)
            }
        };
        Ok(Self {
            redirect_uri: turn.args.take_text("redirect_uri")?,
            state: turn.args.take_text("state")?,
            login_hint: turn.args.take_text("login_hint")?,
            domain_hint: turn.args.take_text("domain_hint")?,
            claims_challenge: turn.args.take_text("claims_challenge")?,
            prompt,
        })
    }
}

/// The request, with what all callers can say about it.
fn request(turn: &mut Turn<'_, '_, '_, '_>, redirect_uri: Option<&str>) -> Result<AuthorizationRequest, Outcome> {
    let texts = Texts::take(turn)?;
    let max_age = turn.args.take("max_age");
    let scopes = users::scopes(turn)?;
    let redirect_uri = redirect_uri.or(texts.redirect_uri.as_deref()).unwrap_or_default();
    let mut request =
        AuthorizationRequest::new(&scopes, redirect_uri).map_err(|why| Outcome::Failed(Error::into(why)))?;
    if let Some(state) = &texts.state {
        request = request.state(state);
    }
    if let Some(hint) = &texts.login_hint {
        request = request.login_hint(hint);
    }
    if let Some(hint) = &texts.domain_hint {
        request = request.domain_hint(hint);
    }
    if let Some(claims) = &texts.claims_challenge {
        request = request.claims_challenge(claims);
    }
    if let Some(prompt) = texts.prompt {
        request = request.prompt(&[prompt]);
    }
    if let Argument::Number(seconds) = max_age {
        request = request.max_age(seconds.as_u64().ok_or_else(|| Outcome::refused_by_type("max_age counts seconds"))?);
    }
    Ok(request)
}

/// `initiate_auth_code_flow`; the map of the reference is put together from what the flow tells.
pub(super) fn initiate(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Result<Outcome, Stop> {
    let taken = (|| {
        let mode = match turn.args.take_text("response_mode")?.as_deref() {
            None => None,
            Some("form_post") => Some(ResponseMode::FormPost),
            Some("query") => Some(ResponseMode::Query),
            Some(_) => return Err(Outcome::refused_by_type("there is no such response mode")),
        };
        Ok(request(turn, None)?.response_mode(mode))
    })();
    let request = match taken {
        Ok(request) => request,
        Err(outcome) => return Ok(outcome),
    };
    turn.args.finish()?;
    Ok(match stage.run(turn.on, &mut request.initiate(), &mut turn.server)? {
        Ok(flow) => Outcome::Value(flow_result(&flow)),
        Err(error) => Outcome::Failed(error.into()),
    })
}

fn flow_result(flow: &AuthCodeFlow) -> Value {
    let mut members = flow.to_members().as_map().clone();
    members.remove("client_id");
    members.remove("authority");
    members.insert("auth_uri".into(), json!(flow.auth_uri().to_string()));
    if flow.redirect_uri().is_empty() {
        members.insert("redirect_uri".into(), Value::Null);
    }
    members.entry("claims_challenge").or_insert(Value::Null);
    Value::Object(members)
}

/// `acquire_token_by_auth_code_flow`.
pub(super) fn redeem(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Result<Outcome, Stop> {
    let kept = match turn.args.take("auth_code_flow") {
        Argument::Bound(reference) => {
            // The reference takes the challenge out of the caller's map: a caller of ours who wants that does it.
            if !reference.is_changed {
                let mut members = reference.members.clone();
                members.remove("claims_challenge");
                turn.server.matching.bind(&reference.name, Value::Object(members));
            }
            reference.members
        }
        Argument::Map(members) => members,
        _ => return Ok(Outcome::refused_by_type("a flow is needed")),
    };
    let Argument::Map(brought) = turn.args.take("auth_response") else {
        return Ok(Outcome::refused_by_type("a response is needed"));
    };
    let fewer = match turn.args.has("scopes") {
        false => None,
        true => match users::scopes(turn) {
            // To the reference an empty list is none.
            Ok(scopes) => Some(scopes).filter(|scopes| !scopes.is_empty()),
            Err(outcome) => return Ok(outcome),
        },
    };
    let binding = match users::binding(turn) {
        Ok(binding) => binding,
        Err(outcome) => return Ok(outcome),
    };
    users::run(stage, turn, |client| {
        let flow = binding.iter().fold(restored(client, kept)?, AuthCodeFlow::bound);
        let flow = match &fewer {
            Some(scopes) => flow.for_scopes(client, scopes)?,
            None => flow,
        };
        flow.redeem(client, response(&brought)?)
    })
}

fn restored(client: &Client, mut kept: Map<String, Value>) -> Result<AuthCodeFlow, Error> {
    kept.remove("auth_uri");
    let redirect_uri = kept.get("redirect_uri").and_then(Value::as_str).unwrap_or_default().to_string();
    // The map of the reference does not say whose it is.
    let mut members = Members::from(kept);
    members.set("client_id", client.client_id());
    members.set("authority", client.authority().as_str());
    AuthCodeFlow::from_members(client, &redirect_uri, &members)
}

fn response(brought: &Map<String, Value>) -> Result<AuthorizationResponse, Error> {
    AuthorizationResponse::from_parameters(
        brought.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))),
    )
}

/// `acquire_token_interactive`.
pub(super) fn interactive(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Result<Outcome, Stop> {
    if turn.args.is_text("prompt", "none") && cloud_shell::is_here(stage) {
        turn.args.take("prompt");
        return cloud_shell::acquire(stage, turn);
    }
    let port = match turn.args.take("port") {
        Argument::Number(port) => port.as_u64().unwrap_or_default(),
        // Any that is free.
        _ => 8400,
    };
    turn.args.take("browser");
    // How long the browser is waited for is the host's own affair; here it comes back at once, or never.
    turn.args.take("timeout");
    let extra = match turn.args.take("extra_scopes_to_consent") {
        Argument::None => Vec::new(),
        extra => match extra.texts() {
            Some(texts) => texts.into_iter().map(String::from).collect(),
            None => return Ok(Outcome::refused_by_type("scopes must be texts, one by one")),
        },
    };
    let binding = match users::binding(turn) {
        Ok(binding) => binding,
        Err(outcome) => return Ok(outcome),
    };
    let redirect_uri = format!("http://localhost:{port}");
    let request = match request(turn, Some(&redirect_uri)) {
        Ok(request) => request,
        Err(outcome) => return Ok(outcome),
    };
    let request = match request.extra_scopes_to_consent(&extra) {
        Ok(request) => request,
        Err(error) => return Ok(Outcome::Failed(error.into())),
    };
    let request = binding.iter().fold(request, AuthorizationRequest::bound);
    users::run(stage, turn, |client| request.interactive(client))
}

/// `get_authorization_request_url`.
pub(super) fn legacy_url(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Result<Outcome, Stop> {
    let taken = (|| {
        let texts = Texts::take(turn)?;
        let others =
            (turn.args.take_text("authority")?, turn.args.take_text("response_type")?, turn.args.take_text("nonce")?);
        let scopes = users::scopes(turn)?;
        Ok((texts, others, scopes))
    })();
    let (texts, (authority, response_type, nonce), scopes) = match taken {
        Ok(taken) => taken,
        Err(outcome) => return Ok(outcome),
    };
    turn.args.finish()?;
    let mut request = match LegacyAuthorizationRequest::new(&scopes) {
        Ok(request) => request,
        Err(error) => return Ok(Outcome::Failed(error.into())),
    };
    type Setter = fn(LegacyAuthorizationRequest, &str) -> LegacyAuthorizationRequest;
    let fields: [(&Option<String>, Setter); 7] = [
        (&texts.redirect_uri, LegacyAuthorizationRequest::redirect_uri),
        (&texts.state, LegacyAuthorizationRequest::state),
        (&texts.login_hint, LegacyAuthorizationRequest::login_hint),
        (&texts.domain_hint, LegacyAuthorizationRequest::domain_hint),
        (&texts.claims_challenge, LegacyAuthorizationRequest::claims_challenge),
        (&response_type, LegacyAuthorizationRequest::response_type),
        (&nonce, LegacyAuthorizationRequest::nonce),
    ];
    for (value, set) in fields {
        if let Some(value) = value {
            request = set(request, value);
        }
    }
    if let Some(prompt) = texts.prompt {
        request = request.prompt(prompt);
    }
    let result = match authority {
        None => stage.run(turn.on, &mut request.url(), &mut turn.server)?,
        Some(authority) => stage.run_elsewhere(turn.on, &authority, &mut request.url(), &mut turn.server)?,
    };
    Ok(match result {
        Ok(url) => Outcome::Value(json!(url.to_string())),
        Err(error) => Outcome::Failed(error.into()),
    })
}

/// `acquire_token_by_authorization_code`.
pub(super) fn legacy_redeem(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Result<Outcome, Stop> {
    let taken = (|| {
        let code = turn.args.take_text("code")?.unwrap_or_default();
        let others = (turn.args.take_text("redirect_uri")?, turn.args.take_text("nonce")?);
        let claims = (turn.args.take_text("claims_challenge")?, turn.args.take_text("forwarded_client_claims")?);
        Ok((code, others, claims, (users::scopes(turn)?, users::binding(turn)?)))
    })();
    let (code, (redirect_uri, nonce), (challenge, forwarded), (scopes, binding)) = match taken {
        Ok(taken) => taken,
        Err(outcome) => return Ok(outcome),
    };
    users::run(stage, turn, |client| {
        let request = AuthorizationCode::new(&code, &scopes)?;
        let mut request = binding.iter().fold(request, AuthorizationCode::bound);
        type Setter = fn(AuthorizationCode, &str) -> AuthorizationCode;
        let fields: [(&Option<String>, Setter); 4] = [
            (&redirect_uri, AuthorizationCode::redirect_uri),
            (&nonce, AuthorizationCode::nonce),
            (&challenge, AuthorizationCode::claims_challenge),
            (&forwarded, AuthorizationCode::forwarded_client_claims),
        ];
        for (value, set) in fields {
            if let Some(value) = value {
                request = set(request, value);
            }
        }
        request.flow(client)
    })
}
