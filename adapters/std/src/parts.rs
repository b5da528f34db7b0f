//! An application in parts, checked: for hosts that drive the same machines another way, like `sansal-tokio`.

use std::fmt;
use std::sync::Arc;

use sansal::Store;
use sansal::client::Client;

use crate::application::Own;
use crate::asks::Asks;
use crate::clock::Time;
use crate::common::Opened;
use crate::metrics::Metrics;
use crate::persistence::Persistence;
use crate::setup::SetupError;
use crate::ureq_client::Transport;

/// What a builder of this crate has collected, in place of a blocking client.
#[non_exhaustive]
pub struct Parts {
    /// The application as the core sees it.
    pub client: Client,
    /// Signs and makes assertions with its credential.
    pub asks: Arc<dyn Asks + Send + Sync>,
    /// The tokens it begins with.
    pub store: Store,
    /// The clock, if it is not the system's.
    pub time: Option<Arc<dyn Time>>,
    /// Where tokens are kept too.
    pub persistence: Option<Arc<dyn Persistence>>,
    /// Is told what happens.
    pub metrics: Option<Arc<dyn Metrics>>,
    /// How requests are to travel.
    pub transport: Transport,
}

impl Parts {
    /// # Errors
    /// [`SetupError::Contradiction`] when a blocking HTTP client was given.
    pub(crate) fn new(client: Client, opened: Opened, own: Own) -> Result<Self, SetupError> {
        Self::with(client, opened, Arc::new(own))
    }

    pub(crate) fn with(client: Client, opened: Opened, asks: Arc<dyn Asks + Send + Sync>) -> Result<Self, SetupError> {
        if opened.http.is_some() {
            return Err(SetupError::Contradiction("a blocking HTTP client cannot be handed on to another host"));
        }
        let transport = opened.ureq.transport()?;
        let Opened { store, time, persistence, metrics, .. } = opened;
        Ok(Self { client, asks, store, time, persistence, metrics, transport })
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("client", &self.client)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}
