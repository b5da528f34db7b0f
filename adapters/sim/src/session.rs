//! What the platform remembers of users: sign-ins, codes, refresh tokens, browsers, and what tests have scripted.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use crate::realm::Realm;
use crate::refusal::Refusal;
use crate::user::User;

/// One sign-in of a user at a client.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// The user's object id at home.
    pub(crate) user: String,
    pub(crate) client_id: String,
    /// The service that signs; never `common`.
    pub(crate) realm: Realm,
    /// As it was asked for.
    pub(crate) scope: String,
    pub(crate) nonce: Option<String>,
    pub(crate) auth_time: u64,
    /// `max_age` was there, so the ID token says when (OpenID Connect Core s3.1.2.1).
    pub(crate) tells_auth_time: bool,
    /// With the second factor.
    pub(crate) strong: bool,
    pub(crate) claims: Option<String>,
}

/// An authorization code.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) session: Session,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: Option<String>,
    pub(crate) end: u64,
    /// The refresh tokens that came of it, once it was redeemed.
    pub(crate) chain: Option<u64>,
}

/// A refresh token.
#[derive(Clone, Debug)]
pub(crate) struct Refresh {
    pub(crate) session: Session,
    /// All that came one from the other.
    pub(crate) chain: u64,
    pub(crate) spent: bool,
    pub(crate) revoked: Option<Revoke>,
}

/// A device that waits (RFC 8628).
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) user_code: String,
    pub(crate) client_id: String,
    pub(crate) realm: Realm,
    pub(crate) scope: String,
    pub(crate) claims: Option<String>,
    pub(crate) end: u64,
    pub(crate) interval: u64,
    pub(crate) polled: Option<u64>,
    pub(crate) state: DeviceState,
}

/// What the user has made of it.
#[derive(Clone, Debug)]
pub(crate) enum DeviceState {
    Waiting,
    /// By this user (object id).
    Approved(String),
    Declined,
    Redeemed,
}

/// How refresh tokens end.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoke {
    /// `invalid_grant`, `bad_token`.
    BadToken,
    /// `invalid_grant`, `token_expired`.
    TokenExpired,
    /// `interaction_required` with these claims.
    Interaction {
        /// The claims challenge, JSON.
        claims: String,
    },
}

impl Revoke {
    pub(crate) fn refusal(&self) -> Refusal {
        match self {
            Self::BadToken => Refusal::revoked().suberror("bad_token"),
            Self::TokenExpired => Refusal::stale_refresh_token().suberror("token_expired"),
            Self::Interaction { claims } => Refusal::second_factor(claims),
        }
    }
}

/// What the next request to the authorization endpoint gets instead of a page.
#[derive(Clone, Debug)]
pub(crate) enum Next {
    Approve(String),
    Deny(String),
}

/// All of it. `Debug` counts: codes, cookies and refresh tokens are keys here.
pub(crate) struct Desk {
    pub(crate) users: Vec<User>,
    pub(crate) next: VecDeque<Next>,
    pub(crate) codes: BTreeMap<String, Code>,
    pub(crate) refresh: BTreeMap<String, Refresh>,
    pub(crate) devices: BTreeMap<String, Device>,
    /// Cookie to user (object id) and time of the sign-in.
    pub(crate) browsers: BTreeMap<String, (String, u64)>,
    /// User (object id) and client.
    pub(crate) consents: BTreeSet<(String, String)>,
    pub(crate) chains: u64,
    pub(crate) rotates: bool,
    pub(crate) code_lifetime: u64,
    pub(crate) device_lifetime: u64,
    pub(crate) device_interval: u64,
    /// What the protected resource demands.
    pub(crate) demanded: Option<String>,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { users, codes, refresh, devices, browsers, .. } = self;
        f.debug_struct("Desk")
            .field("users", users)
            .field("codes", &codes.len())
            .field("refresh", &refresh.len())
            .field("devices", &devices.len())
            .field("browsers", &browsers.len())
            .finish_non_exhaustive()
    }
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self {
            users: Vec::new(),
            next: VecDeque::new(),
            codes: BTreeMap::new(),
            refresh: BTreeMap::new(),
            devices: BTreeMap::new(),
            browsers: BTreeMap::new(),
            consents: BTreeSet::new(),
            chains: 0,
            rotates: false,
            code_lifetime: 600,
            device_lifetime: 900,
            device_interval: 5,
            demanded: None,
        }
    }

    /// By name or object id.
    pub(crate) fn user(&self, name: &str) -> Result<&User, Refusal> {
        self.users.iter().find(|user| user.is_called(name)).ok_or_else(Refusal::unknown_user)
    }

    /// Whether this user must still be asked.
    pub(crate) fn wants_consent(&self, user: &User, client_id: &str) -> bool {
        user.consent && !self.consents.contains(&(user.object_id.clone(), client_id.to_owned()))
    }

    pub(crate) fn consent(&mut self, user: &str, client_id: &str) {
        self.consents.insert((user.to_owned(), client_id.to_owned()));
    }

    pub(crate) fn revoke_chain(&mut self, chain: u64) {
        let of_it = self.refresh.values_mut().filter(|token| token.chain == chain);
        of_it.for_each(|token| token.revoked = Some(Revoke::BadToken));
    }
}
