//! A grant that is in hand from the start: client credentials, and everything else that asks nobody.

use crate::client::Client;
use crate::error::Error;
use crate::flow::{Cx, Input, Step};
use crate::grant::{Grant, GrantKind};
use crate::metadata::ProviderMetadata;
use crate::source::Source;

/// Gives its grant at once.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub struct Ready(Option<Grant>);

impl Ready {
    pub(crate) fn new(grant: Grant) -> Self {
        Self(Some(grant))
    }
}

impl Source for Ready {
    fn check(&self, _: &Client) -> Result<(), Error> {
        Ok(())
    }

    fn is_regional(&self) -> bool {
        matches!(self.0.as_ref().map(|grant| &grant.kind), Some(GrantKind::ClientCredentials { .. }))
    }

    fn obtain(&mut self, _: &mut Cx<'_>, _: &ProviderMetadata, input: Input<'_>) -> Result<Step<Grant>, Error> {
        match (self.0.take(), input) {
            (Some(grant), Input::Start) => Ok(Step::Done(grant)),
            _ => Err(Error::OutOfTurn),
        }
    }
}
