//! `acquire_token_for_client` and `remove_tokens_for_client` (section 4.1 of the reference).

use sansal::{ClientCredentials, RemoveTokensForClient};

use super::{Turn, managed_identity};
use crate::conformance::outcome::{Outcome, Stop};
use crate::conformance::stage::Stage;

/// A token for the application itself.
pub(super) fn acquire_token_for_client(
    stage: &mut Stage<'_>,
    turn: &mut Turn<'_, '_, '_, '_>,
) -> Result<Outcome, Stop> {
    if let Some(identity) = stage.identities.get(turn.on).cloned() {
        return managed_identity::acquire(stage, turn, identity);
    }
    let (request, asked) = match request(turn) {
        Ok(request) => request,
        Err(outcome) => return Ok(outcome),
    };
    turn.args.finish()?;
    let client = &stage.app(turn.on)?.client;
    let mut flow = match request.flow(client) {
        Ok(flow) => flow,
        Err(error) => return Ok(Outcome::Failed(error.into())),
    };
    let Asked { scopes, fmi_path, challenge, forwarded } = &asked;
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    let arguments = [("fmi_path", fmi_path), ("claims_challenge", challenge), ("forwarded_client_claims", forwarded)];
    stage.tape_flow("client_credentials", &arguments.map(|(name, value)| (name, value.as_deref())), &scopes);
    let result = stage.run(turn.on, &mut flow, &mut turn.server)?;
    if let Some(tape) = &mut stage.tape {
        tape.token(&result);
    }
    Ok(Outcome::of_token(result))
}

/// What is asked for, for the tape.
struct Asked {
    scopes: Vec<String>,
    fmi_path: Option<String>,
    challenge: Option<String>,
    forwarded: Option<String>,
}

/// The request, or what cannot be written in Rust.
fn request(turn: &mut Turn<'_, '_, '_, '_>) -> Result<(ClientCredentials, Asked), Outcome> {
    let scopes = turn.args.take("scopes");
    let scopes = scopes.texts().ok_or_else(|| Outcome::refused_by_type("scopes must be a list of texts"))?;
    // There is no such argument: a cached token is passed over by a claims challenge only.
    if turn.args.take("force_refresh").is_truthy() {
        return Err(Outcome::refused_by_type("there is no force_refresh for client credentials"));
    }
    let fmi_path = turn.args.take_text("fmi_path")?;
    let challenge = turn.args.take_text("claims_challenge")?;
    let forwarded = turn.args.take_text("forwarded_client_claims")?;
    let mut request = ClientCredentials::as_given(&scopes);
    if let Some(path) = &fmi_path {
        request = request.fmi_path(path);
    }
    if let Some(claims) = &challenge {
        request = request.claims_challenge(claims);
    }
    if let Some(claims) = &forwarded {
        request = request.forwarded_client_claims(claims);
    }
    let scopes = scopes.iter().map(ToString::to_string).collect();
    Ok((request, Asked { scopes, fmi_path, challenge, forwarded }))
}

/// Forgets the application's own tokens.
pub(super) fn remove_tokens_for_client(
    stage: &mut Stage<'_>,
    turn: &mut Turn<'_, '_, '_, '_>,
) -> Result<Outcome, Stop> {
    turn.args.finish()?;
    stage.app(turn.on)?;
    stage.tape_flow("remove_tokens_for_client", &[], &[]);
    Ok(match stage.run(turn.on, &mut RemoveTokensForClient::new(), &mut turn.server)? {
        Ok(Ok(())) => Outcome::NONE,
        Ok(Err(why)) => return Err(Stop::Different(why.to_string())),
        Err(error) => Outcome::Failed(error.into()),
    })
}
