//! Cloud Shell (section 4.13 of the reference): `acquire_token_interactive(prompt="none")` inside of it.

use sansal::managed::{CloudShellRequest, ManagedIdentitySource, get_managed_identity_source};

use super::managed_identity::environment;
use super::{Turn, users};
use crate::conformance::arguments::Argument;
use crate::conformance::outcome::{Outcome, Stop};
use crate::conformance::stage::Stage;

/// Whether the recording was made in Cloud Shell.
pub(super) fn is_here(stage: &Stage<'_>) -> bool {
    get_managed_identity_source(&environment(stage)) == ManagedIdentitySource::CloudShell
}

/// The call once `prompt` is known to be `none`, with the arguments that mean anything there.
pub(super) fn acquire(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Result<Outcome, Stop> {
    let scopes = match users::scopes(turn) {
        Ok(scopes) => scopes,
        Err(outcome) => return Ok(outcome),
    };
    let mut request = match CloudShellRequest::new(&scopes) {
        Ok(request) => request,
        Err(error) => return Ok(Outcome::Failed(error.into())),
    };
    match turn.args.take("data") {
        Argument::None => {}
        Argument::Map(members) => {
            for (name, value) in &members {
                let Some(text) = value.as_str() else { return Ok(Outcome::refused_by_type("data are texts")) };
                request = request.data(name, text);
            }
        }
        _ => return Ok(Outcome::refused_by_type("data are texts by name")),
    }
    turn.args.finish()?;
    stage.run(turn.on, &mut request.flow(), &mut turn.server).map(Outcome::of_direct_token)
}
