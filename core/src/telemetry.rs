//! Microsoft's telemetry headers: what the server learns about earlier calls of this client (section 1.10 of the reference).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::http::HeaderValue;

/// Room for failures in the header; more are dropped.
const MAX_LAST: usize = 350;

/// Which function was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// A refresh token of the cache is redeemed.
    Silent,
    /// A refresh token from elsewhere is redeemed.
    RefreshToken,
    /// A person signs in at this machine's browser.
    Interactive,
    /// A user name and a password.
    UsernamePassword,
    /// On-behalf-of.
    OnBehalfOf,
    /// Device code.
    DeviceCode,
    /// Client credentials.
    TokenForClient,
    /// An authorization code.
    AuthorizationCode,
    /// A user's federated identity credential.
    UserFic,
}

impl Api {
    /// The number that Microsoft's servers know it by.
    pub const fn id(self) -> u16 {
        match self {
            Self::Silent => 84,
            Self::RefreshToken => 85,
            Self::Interactive => 169,
            Self::UsernamePassword => 301,
            Self::OnBehalfOf => 523,
            Self::DeviceCode => 622,
            Self::TokenForClient => 730,
            Self::AuthorizationCode => 832,
            Self::UserFic => 950,
        }
    }
}

/// Why a request goes out although there is a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheRefresh {
    /// There is no cache in this flow.
    NotSilent,
    /// The caller asked for a new token.
    Forced,
    /// Nothing was cached.
    NoToken,
    /// It was expired, or nearly.
    Expired,
    /// `refresh_in` has passed.
    Aging,
}

impl CacheRefresh {
    /// The number that Microsoft's servers know it by.
    pub const fn code(self) -> u8 {
        match self {
            Self::NotSilent => 0,
            Self::Forced => 1,
            Self::NoToken => 2,
            Self::Expired => 3,
            Self::Aging => 4,
        }
    }
}

/// What earlier calls came to, since the last success at the server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Telemetry {
    hits: u64,
    failures: Vec<Failure>,
}

#[derive(Clone, Debug)]
struct Failure {
    api: Api,
    correlation_id: String,
    error: String,
}

/// What became of one call.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// Served from the cache.
    Hits(u64),
    /// The server gave a token.
    Succeeded,
    /// The server gave an OAuth error.
    Failed { api: Api, correlation_id: String, error: String },
}

impl Telemetry {
    pub(crate) fn record(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Hits(count) => self.hits = self.hits.saturating_add(count),
            Outcome::Succeeded => *self = Self::default(),
            Outcome::Failed { api, correlation_id, error } => {
                let size = |c: &str, e: &str| format!(",{},{c},{e}", api.id()).len();
                let used = self.failures.iter().map(|f| size(&f.correlation_id, &f.error)).sum::<usize>();
                if used.saturating_add(size(&correlation_id, &error)) < MAX_LAST {
                    self.failures.push(Failure { api, correlation_id, error });
                }
            }
        }
    }
}

/// The value of `x-client-current-telemetry`.
pub(crate) fn current(api: Api, reason: CacheRefresh) -> String {
    format!("4|{},{}|", api.id(), reason.code())
}

/// The value of `x-client-last-telemetry`.
pub(crate) fn last(telemetry: Option<&Telemetry>) -> HeaderValue {
    let Some(telemetry) = telemetry.filter(|telemetry| telemetry.hits > 0 || !telemetry.failures.is_empty()) else {
        return HeaderValue::Fixed("4|0|||");
    };
    let join = |of: &dyn Fn(&Failure) -> String| telemetry.failures.iter().map(of).collect::<Vec<_>>().join(",");
    let failed = join(&|f| format!("{},{}", f.api.id(), f.correlation_id));
    let errors = join(&|f| header_text(&f.error));
    HeaderValue::from(format!("4|{}|{failed}|{errors}|", telemetry.hits))
}

/// A server's error code as it may stand in a header of ours: no separators, no control characters.
fn header_text(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() && !matches!(c, '|' | ',')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worked_sequence_of_the_reference() {
        let failed = |id: &str, error: &str| Outcome::Failed {
            api: Api::TokenForClient,
            correlation_id: id.into(),
            error: error.into(),
        };
        let mut telemetry = Telemetry::default();
        assert_eq!(last(None).expose(), "4|0|||");
        for outcome in [Outcome::Hits(1), failed("id_1", "e1"), failed("id_2", "e2")] {
            telemetry.record(outcome);
        }
        assert_eq!(last(Some(&telemetry)).expose(), "4|1|730,id_1,730,id_2|e1,e2|");
        telemetry.record(failed("id_3", &"x".repeat(400)));
        assert_eq!(last(Some(&telemetry)).expose(), "4|1|730,id_1,730,id_2|e1,e2|");
        telemetry.record(Outcome::Succeeded);
        assert_eq!(last(Some(&telemetry)).expose(), "4|0|||");
        telemetry.record(failed("id", "a\r\nX-Evil: 1|,"));
        assert_eq!(last(Some(&telemetry)).expose(), "4|0|730,id|aX-Evil:1|");
        assert_eq!(current(Api::TokenForClient, CacheRefresh::NoToken), "4|730,2|");
    }
}
