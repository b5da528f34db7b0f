//! What to do about an error, in one word.

use super::{Error, SendError};

/// What a caller can do about an [`Error`].
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy<'a> {
    /// Call again, unchanged: after so many seconds if the server named a time, else with waits that grow.
    Retry {
        /// Seconds.
        after: Option<u64>,
    },
    /// A person has to sign in, with these claims in the request if there are any.
    Interact {
        /// The claims request, to be passed on unchanged.
        claims: Option<&'a str>,
    },
    /// The call, the settings or the registration is wrong: for a developer.
    Reconfigure,
    /// Nothing that the caller does will help: the person said no, the server or the host of the machine is at fault.
    GiveUp,
}

impl Error {
    /// What to do about it: call again (and when), let a person sign in (and with which claims), mend the configuration, or
    /// tell the user.
    ///
    /// ```
    /// use sansal::error::{Config, Error, Remedy};
    /// assert_eq!(Error::from(Config::ClientId).remedy(), Remedy::Reconfigure);
    /// let nobody = Error::InteractionRequired { claims: None, refusal: None };
    /// assert_eq!(nobody.remedy(), Remedy::Interact { claims: None });
    /// ```
    pub fn remedy(&self) -> Remedy<'_> {
        match self {
            Self::InteractionRequired { claims, .. } => Remedy::Interact { claims: claims.as_deref() },
            Self::Throttled { retry_after, .. } => Remedy::Retry { after: *retry_after },
            Self::Unreachable { why: SendError::Cancelled, .. } => Remedy::GiveUp,
            Self::Unreachable { why, .. } if why.is_transient() => Remedy::Retry { after: None },
            // TLS that does not trust the server, an answer that is too large.
            Self::Unreachable { .. } => Remedy::Reconfigure,
            Self::Refused(refusal) => match refusal.error() {
                // RFC 6749 s4.1.2.1; the browser brings these.
                "server_error" | "temporarily_unavailable" => Remedy::Retry { after: refusal.retry_after() },
                // RFC 8628 s3.5: nobody has answered yet.
                "authorization_pending" | "slow_down" => Remedy::Retry { after: refusal.retry_after() },
                // The refresh token, code or password counts no more (RFC 6749 s5.2), or another person is wanted.
                "invalid_grant" | "expired_token" | "account_selection_required" => {
                    Remedy::Interact { claims: refusal.claims() }
                }
                "access_denied" | "authorization_declined" => Remedy::GiveUp,
                _ => Remedy::Reconfigure,
            },
            Self::Expired { .. } | Self::Fault(_) => Remedy::Interact { claims: None },
            Self::Config(_) => Remedy::Reconfigure,
            Self::Token(_) | Self::IdToken(_) | Self::BadResponse { .. } | Self::Unanswered { .. } => Remedy::GiveUp,
            Self::NoEntropy | Self::OutOfTurn => Remedy::GiveUp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{AskError, Config, Refusal, TlsReason};
    use crate::json::Members;
    use alloc::boxed::Box;
    use alloc::string::ToString;

    fn refused(error: &str) -> Error {
        let mut members = Members::new();
        members.set("error", error);
        members.set("claims", "{}");
        Error::Refused(Box::new(Refusal::new(400, members, core::iter::empty())))
    }

    #[test]
    fn each_error_says_what_to_do() {
        let unreachable = |why| Error::Unreachable { host: "h".to_string(), why };
        let cases = [
            (refused("invalid_grant"), Remedy::Interact { claims: Some("{}") }),
            (refused("server_error"), Remedy::Retry { after: None }),
            (refused("authorization_pending"), Remedy::Retry { after: None }),
            (refused("slow_down"), Remedy::Retry { after: None }),
            (refused("access_denied"), Remedy::GiveUp),
            (refused("invalid_client"), Remedy::Reconfigure),
            (refused("invalid_scope"), Remedy::Reconfigure),
            (Error::Throttled { status: 429, retry_after: Some(7), refusal: None }, Remedy::Retry { after: Some(7) }),
            (Error::Throttled { status: 503, retry_after: None, refusal: None }, Remedy::Retry { after: None }),
            (unreachable(SendError::NotSent), Remedy::Retry { after: None }),
            (unreachable(SendError::NoAnswer), Remedy::Retry { after: None }),
            (unreachable(SendError::Cancelled), Remedy::GiveUp),
            (unreachable(SendError::Tls(TlsReason::Other)), Remedy::Reconfigure),
            (Error::Unanswered { ask: "browser", why: AskError::TimedOut }, Remedy::GiveUp),
            (Config::ClockUnknown.into(), Remedy::Reconfigure),
        ];
        for (error, expected) in &cases {
            assert_eq!(error.remedy(), *expected, "{error}");
        }
    }
}
