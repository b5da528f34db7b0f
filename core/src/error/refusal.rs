//! An OAuth error response, RFC 6749 s5.2, with what Microsoft's servers add to it.

use alloc::vec::Vec;
use core::fmt;

use super::shown::Shown;
use crate::json::{Members, Value};
use crate::secret::Secret;

/// A shorter secret would be found in any text by chance.
const SHORTEST_SECRET: usize = 8;

/// The server's own words. Every member it sent is kept; `Debug` and `Display` show only those that are words about
/// the error.
#[derive(Clone)]
pub struct Refusal {
    status: u16,
    members: Members,
    /// Whether it comes from an endpoint whose suberrors MSAL classifies.
    is_classified: bool,
    retry_after: Option<u64>,
}

impl Refusal {
    /// From the parsed body of an answer with an `error` member. Should the server echo a secret we sent, it is cut out.
    pub(crate) fn new<'a>(status: u16, mut members: Members, sent: impl Iterator<Item = &'a Secret>) -> Self {
        for secret in sent.filter(|secret| secret.expose().len() >= SHORTEST_SECRET) {
            members.cut_out(secret.expose());
        }
        Self { status, members, is_classified: false, retry_after: None }
    }

    /// With what `Retry-After` said.
    #[cfg(feature = "managed")]
    pub(crate) fn patient(mut self, retry_after: Option<u64>) -> Self {
        self.retry_after = retry_after;
        self
    }

    /// From an endpoint that grants, with what `Retry-After` said: suberrors have a [`classification`](Self::classification).
    pub(crate) fn of_grant(mut self, retry_after: Option<u64>) -> Self {
        (self.is_classified, self.retry_after) = (true, retry_after);
        self
    }

    /// The HTTP status of the answer.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// `error`, RFC 6749 s5.2: `invalid_client`, `invalid_grant` …; empty if the server sent something else than a text.
    pub fn error(&self) -> &str {
        self.members.text("error").unwrap_or_default()
    }

    /// `error_description`: a text for developers. Entra's begins with an AADSTS number.
    pub fn error_description(&self) -> Option<&str> {
        self.members.text("error_description")
    }

    /// `error_codes`: AADSTS numbers, Microsoft's own.
    pub fn error_codes(&self) -> Vec<u64> {
        match self.members.get("error_codes") {
            Some(Value::Array(codes)) => codes.iter().filter_map(Value::as_u64).collect(),
            _ => Vec::new(),
        }
    }

    /// `suberror`, Microsoft's own: `basic_action`, `bad_token`, `consent_required` …
    pub fn suberror(&self) -> Option<&str> {
        self.members.text("suberror")
    }

    /// What a `suberror` means for a user interface, as MSAL's `classification` (section 4.11.1 of the reference); empty for those
    /// that mean nothing to it.
    pub fn classification(&self) -> Option<&str> {
        const NO_MEANING: [&str; 5] = [
            "bad_token",
            "token_expired",
            "protection_policy_required",
            "client_mismatch",
            "device_authentication_failed",
        ];
        let suberror = self.suberror().filter(|suberror| self.is_classified && !suberror.is_empty())?;
        Some(if NO_MEANING.contains(&suberror) { "" } else { suberror })
    }

    /// `claims`: a claims request that the next interactive request must carry.
    pub fn claims(&self) -> Option<&str> {
        self.members.text("claims")
    }

    /// `correlation_id`: what to tell Microsoft's support.
    pub fn correlation_id(&self) -> Option<&str> {
        self.members.text("correlation_id")
    }

    /// `trace_id`, Microsoft's own.
    pub fn trace_id(&self) -> Option<&str> {
        self.members.text("trace_id")
    }

    /// `error_uri`: a page about the error.
    pub fn error_uri(&self) -> Option<&str> {
        self.members.text("error_uri")
    }

    /// Seconds that the server wants to be left alone (`Retry-After`), or that this answer of its is still remembered for.
    pub fn retry_after(&self) -> Option<u64> {
        self.retry_after
    }

    /// All members of the answer, unknown ones included. What a server puts here may be secret.
    pub fn members(&self) -> &Members {
        &self.members
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(self.error()).fmt(f)?;
        if let Some(description) = self.error_description() {
            f.write_str(": ")?;
            // One line: Entra puts trace id, correlation id and time on lines of their own.
            Shown(description.lines().next().unwrap_or_default().trim_end()).fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal")
            .field("status", &self.status)
            .field("error", &self.error())
            .field("error_description", &self.error_description())
            .field("error_codes", &self.error_codes())
            .field("suberror", &self.suberror())
            .field("correlation_id", &self.correlation_id())
            .finish_non_exhaustive()
    }
}
