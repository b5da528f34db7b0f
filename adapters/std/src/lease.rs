//! The right to ask a server for a token, among processes that share a store: one of them asks, the others find its token.

use std::fmt;

use sansal::time::Millis;

/// What a [`Persistence`](crate::Persistence) says to somebody who wants to ask a server for a token.
#[non_exhaustive]
#[derive(Debug)]
pub enum Lease {
    /// Nobody keeps count: there are no leases here, or the store that has them is away.
    Free,
    /// It is theirs until this is dropped.
    Granted(Granted),
    /// Somebody else is asking: look into the store again after this long.
    Busy(Millis),
}

/// A lease that is given back when it is dropped, or ends by itself when its process does.
pub struct Granted(Option<Box<dyn FnOnce() + Send>>);

impl Granted {
    /// With what gives it back.
    pub fn new(give_back: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(give_back)))
    }
}

impl Drop for Granted {
    fn drop(&mut self) {
        if let Some(give_back) = self.0.take() {
            give_back();
        }
    }
}

impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Granted(..)")
    }
}
