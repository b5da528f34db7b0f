//! Where grants come from: each flow is a source; the pipeline does the rest.

mod ready;

pub use ready::Ready;

use crate::client::Client;
use crate::error::Error;
use crate::flow::{Cx, Input, Step};
use crate::grant::Grant;
use crate::metadata::ProviderMetadata;

/// Obtains the grant of one flow, asking the host whatever it needs.
pub trait Source {
    /// Whether this client can use the flow at all; called before anything else.
    ///
    /// # Errors
    /// [`Error::Config`] when it cannot.
    fn check(&self, client: &Client) -> Result<(), Error>;

    /// Whether the grant may go to an endpoint of the client's region: those of applications only.
    fn is_regional(&self) -> bool {
        false
    }

    /// One step towards the grant; the rules are those of [`Flow::step`](crate::flow::Flow::step).
    ///
    /// # Errors
    /// Any [`Error`] ends the acquisition.
    fn obtain(&mut self, cx: &mut Cx<'_>, metadata: &ProviderMetadata, input: Input<'_>) -> Result<Step<Grant>, Error>;
}
