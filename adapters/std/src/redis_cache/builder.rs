//! How a token store in Redis is set up.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sansal::entropy::Entropy;

use super::link::Link;
use super::place::{LONGEST, Places};
use super::{Counts, RedisCache, Shared};
use crate::data_key::DataKey;
use crate::random::SystemRandom;
use crate::setup::SetupError;

/// Collects what a [`RedisCache`] is made of.
pub struct RedisCacheBuilder {
    address: String,
    prefix: String,
    key: Option<DataKey>,
    keep: Duration,
    lease: Duration,
    timeout: Duration,
}

impl RedisCacheBuilder {
    pub(super) fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            prefix: "sansal".to_owned(),
            key: None,
            keep: Duration::from_secs(90 * 24 * 3600),
            lease: Duration::from_secs(30),
            timeout: Duration::from_secs(2),
        }
    }

    /// What all keys in Redis begin with. Default: `sansal`. Whoever uses another one shares nothing.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// Encrypts all values. The other hosts have to have the same key; what is there under another one, or none, is not touched.
    #[must_use]
    pub fn key(mut self, key: DataKey) -> Self {
        self.key = Some(key);
        self
    }

    /// How long entries without an end are kept after they were written: refresh tokens, accounts. Default: 90 days.
    #[must_use]
    pub fn keep(mut self, span: Duration) -> Self {
        self.keep = span;
        self
    }

    /// How long a host may take to get a token until another one tries. Default: 30 s.
    #[must_use]
    pub fn lease(mut self, span: Duration) -> Self {
        self.lease = span;
        self
    }

    /// Time for each answer of Redis. Default: 2 s.
    #[must_use]
    pub fn timeout(mut self, span: Duration) -> Self {
        self.timeout = span;
        self
    }

    /// Checks it all. Nothing is sent yet, and Redis need not be there.
    ///
    /// # Errors
    /// [`SetupError::Store`] when the address is none.
    pub fn build(self) -> Result<RedisCache, SetupError> {
        let client = redis::Client::open(self.address).map_err(|error| SetupError::Store(error.to_string()))?;
        let places = Places::new(self.key);
        let mut chance = [0; 32];
        SystemRandom.fill(&mut chance).map_err(sansal::Error::from)?;
        let mark = (format!("{}:k", self.prefix), places.mark(&chance));
        Ok(RedisCache(Arc::new(Shared {
            prefix: self.prefix,
            places,
            keep: self.keep.as_secs().max(1),
            lease: self.lease.clamp(Duration::from_millis(1), Duration::from_secs(LONGEST)).into(),
            state: Mutex::default(),
            counts: Counts::default(),
            link: Mutex::new(Link::new(client, self.timeout.max(Duration::from_millis(1)), mark)),
        })))
    }
}

impl fmt::Debug for RedisCacheBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCacheBuilder").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
