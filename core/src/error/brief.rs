//! What errors say without the feature `sentences`: of what kind they are, in the server's words where there are any. Their variants
//! tell the rest.

use core::fmt;

use super::shown::Shown;
use super::{
    AskError, CertError, CommitError, Config, Error, Fault, IdTokenError, JwtError, Refusal, SendError, TokenError,
    What,
};

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, detail) = match self {
            Self::Refused(_) => ("refused", ""),
            Self::Fault(fault) => ("fault", fault.code()),
            Self::InteractionRequired { .. } => ("interaction required", ""),
            Self::Throttled { .. } => ("throttled", ""),
            Self::Unreachable { why, .. } => ("unreachable", word(*why)),
            Self::BadResponse { at, .. } => ("bad response", *at),
            Self::Config(_) => ("configuration", ""),
            Self::IdToken(_) => ("ID token", ""),
            Self::Token(_) => ("token", ""),
            Self::Unanswered { ask, .. } => ("unanswered", *ask),
            Self::Expired { what, .. } => ("expired", *what),
            Self::NoEntropy => ("no entropy", ""),
            Self::OutOfTurn => ("out of turn", ""),
        };
        f.write_str(kind)?;
        for more in [detail, self.refusal().map_or("", Refusal::error)] {
            if !more.is_empty() {
                f.write_str(": ")?;
                Shown(more).fmt(f)?;
            }
        }
        Ok(())
    }
}

fn word(why: SendError) -> &'static str {
    match why {
        SendError::NotSent => "not sent",
        SendError::NoAnswer => "no answer",
        SendError::TooLarge => "too large",
        SendError::Tls(_) => "TLS",
        SendError::Cancelled => "cancelled",
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(*self))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// One word for all of a type.
macro_rules! one_word {
    ($($error:ty: $word:literal,)*) => {
        $(impl fmt::Display for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($word)
            }
        })*
    };
}

one_word! {
    What: "answer",
    Config: "configuration",
    CertError: "key or certificate",
    JwtError: "JWT",
    IdTokenError: "ID token",
    TokenError: "token",
    AskError: "unanswered",
    CommitError: "not stored",
}
