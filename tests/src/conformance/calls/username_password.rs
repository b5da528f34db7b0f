//! `acquire_token_by_username_password` (sections 4.8 and 4.9 of the reference).

use sansal::UsernamePassword;

use super::{Turn, users};
use crate::conformance::outcome::{Outcome, Stop};
use crate::conformance::stage::Stage;

/// A token for a user whose name and password the application has.
pub(super) fn acquire_token_by_username_password(
    stage: &mut Stage<'_>,
    turn: &mut Turn<'_, '_, '_, '_>,
) -> Result<Outcome, Stop> {
    let request = match request(turn) {
        Ok(request) => request,
        Err(outcome) => return Ok(outcome),
    };
    turn.args.finish()?;
    let client = &stage.app(turn.on)?.client;
    let mut flow = match request.flow(client) {
        Ok(flow) => flow,
        Err(error) => return Ok(Outcome::Failed(error.into())),
    };
    stage.run(turn.on, &mut flow, &mut turn.server).map(Outcome::of_direct_token)
}

/// The request, or what cannot be written in Rust.
fn request(turn: &mut Turn<'_, '_, '_, '_>) -> Result<UsernamePassword, Outcome> {
    let scopes = users::scopes(turn)?;
    let binding = users::binding(turn)?;
    let username = turn.args.take_text("username")?.unwrap_or_default();
    let password = turn.args.take_text("password")?.unwrap_or_default();
    let challenge = turn.args.take_text("claims_challenge")?;
    let request = UsernamePassword::new(&username, &password, &scopes);
    let request = request.map_err(|error| Outcome::Failed(error.into()))?;
    let request = binding.iter().fold(request, UsernamePassword::bound);
    Ok(match &challenge {
        Some(claims) => request.claims_challenge(claims),
        None => request,
    })
}
