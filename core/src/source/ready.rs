//! A grant that is in hand from the start: client credentials, and everything else that asks nobody.

use crate::accept::{Expected, Nonce};
use crate::client::Client;
use crate::error::Error;
use crate::flow::{Cx, Input, Step};
use crate::grant::{Grant, GrantKind};
use crate::metadata::ProviderMetadata;
use crate::secret::Secret;
use crate::source::Source;

/// Gives its grant at once.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub struct Ready {
    grant: Option<Grant>,
    nonce: Option<Secret>,
}

impl Ready {
    pub(crate) fn new(grant: Grant) -> Self {
        Self { grant: Some(grant), nonce: None }
    }

    /// The ID token must have this nonce.
    pub(crate) fn expecting(self, nonce: Option<Secret>) -> Self {
        Self { nonce, ..self }
    }
}

impl Source for Ready {
    fn check(&self, _: &Client) -> Result<(), Error> {
        Ok(())
    }

    fn is_regional(&self) -> bool {
        matches!(self.grant.as_ref().map(|grant| &grant.kind), Some(GrantKind::ClientCredentials { .. }))
    }

    fn obtain(&mut self, _: &mut Cx<'_>, metadata: &ProviderMetadata, input: Input<'_>) -> Result<Step<Grant>, Error> {
        let (Some(grant), Input::Start) = (self.grant.take(), input) else { return Err(Error::OutOfTurn) };
        let routing = match &grant.kind {
            GrantKind::UserFic { user, .. } => Some(user.routing(&metadata.realm)),
            _ => None,
        };
        Ok(Step::Done(grant.routed(routing)))
    }

    fn expected(&self) -> Expected<'_> {
        Expected { nonce: self.nonce.as_ref().map(Nonce::Raw), max_age: None, home_account_id: None }
    }
}
