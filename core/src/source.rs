//! Where grants come from: each flow is a source; the pipeline does the rest.

mod code;
mod device;
#[cfg(feature = "wstrust")]
mod password;
mod ready;
mod refresh_tokens;

pub use code::{Browser, Code};
pub(crate) use device::Initiation;
pub use device::{DeviceCodeFlow, DevicePolling};
#[cfg(feature = "wstrust")]
pub use password::Password;
pub use ready::Ready;
pub use refresh_tokens::RefreshTokens;

use alloc::vec::Vec;
use core::fmt;

use crate::accept::Expected;
use crate::cache::{Entry, TokenChange};
use crate::client::Client;
use crate::error::Error;
use crate::flow::{Cx, Input, Step};
use crate::grant::Grant;
use crate::metadata::ProviderMetadata;
use crate::time::Millis;

/// Obtains the grant of one flow, asking the host whatever it needs.
pub trait Source {
    /// Whether this client can use the flow at all; called before anything else.
    ///
    /// # Errors
    /// [`Error::Config`] when it cannot.
    fn check(&self, client: &Client) -> Result<(), Error>;

    /// The acquisition begins; requests of the source must be answered by `deadline`.
    fn begins(&mut self, _deadline: Millis) {}

    /// The name of the call (`client-request-id`), where a request of the source has given it one.
    fn correlation_id(&self) -> Option<&str> {
        None
    }

    /// Whether the grant may go to an endpoint of the client's region: those of applications only.
    fn is_regional(&self) -> bool {
        false
    }

    /// Whether a token of the cache may be the answer. A flow that always signs somebody in leaves the look-up out of the program.
    fn is_looked_up(&self) -> bool {
        true
    }

    /// Whether its requests may have something by which their tokens are kept apart: an FMI path, claims of the client. A flow
    /// whose requests have not leaves that out of the program.
    fn is_extended(&self) -> bool {
        true
    }

    /// Whether somebody has to do something before there is a grant: that time is not part of the operation's budget, and
    /// the source bounds it itself.
    fn waits_for_a_person(&self) -> bool {
        false
    }

    /// One step towards the grant; the rules are those of [`Flow::step`](crate::flow::Flow::step).
    ///
    /// After [`refused`](Self::refused) said that there is more, it begins again with [`Input::Start`].
    ///
    /// # Errors
    /// Any [`Error`] ends the acquisition.
    fn obtain(&mut self, cx: &mut Cx<'_>, metadata: &ProviderMetadata, input: Input<'_>) -> Result<Step<Grant>, Error>;

    /// The server did not give a token for the last grant: is there another one?
    fn refused(&mut self, _cx: &Cx<'_>, _error: &Error) -> More {
        More::No
    }

    /// The server gave a token: what was kept for another attempt is not needed any more.
    fn granted(&mut self) {}

    /// What the answer must fit before anything of it is stored.
    fn expected(&self) -> Expected<'_> {
        Expected::default()
    }

    /// How the answer is written into the cache.
    fn recording(&self) -> Recording<'_> {
        Recording::default()
    }

    /// What else changes in the cache, however this ends: called once, at the end.
    fn leftovers(&mut self, _cx: &Cx<'_>) -> Vec<TokenChange> {
        Vec::new()
    }
}

/// Whether a source has another grant to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// Ask it again.
    Yes,
    /// The answer stands.
    No,
}

/// How an answer is written into the cache (section 5.6 of the reference).
#[derive(Clone, Copy, Default)]
pub struct Recording<'a> {
    /// The user's name, for answers that tell none.
    pub username: Option<&'a str>,
    /// The refresh token that was redeemed: a new one takes its place, and no account is created, so that one that is
    /// just being signed out does not come back.
    pub redeemed: Option<&'a Entry>,
}

/// User names are personal.
impl fmt::Debug for Recording<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recording(..)")
    }
}
