//! A device code flow between its two legs: what the user is shown, and what is asked for meanwhile (RFC 8628 s3.2).

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::call::Reply;
use crate::client::{Client, Scopes};
use crate::endpoint::Endpoint;
#[cfg(feature = "sealed")]
use crate::entropy::Entropy;
use crate::error::{Config, Error, Refusal, What};
use crate::exchange::refused;
use crate::flow::Ask;
use crate::json::{Members, Value, parse_object, texts};
use crate::limits::{MAX_DEVICE_CODE_LIFETIME, MAX_POLLING_INTERVAL, MAX_RESPONSE, MAX_USER_CODE};
use crate::metadata::json_rule;
#[cfg(feature = "sealed")]
use crate::sealed::{Saved, Sealer};
use crate::secret::Secret;
use crate::time::{Clock, Millis, UnixTime};
use crate::token::integer;

/// Seconds that a code lives when the server does not say (section 4.5 of the reference).
const LIFETIME: u64 = 1800;
/// Seconds between two questions when the server does not say, and what `slow_down` adds (RFC 8628 s3.2, s3.5).
const INTERVAL: u64 = 5;

/// Remembered while the user signs in elsewhere. Whoever has it gets the user's tokens: keep it [sealed](Self::seal). `Debug`
/// shows nothing of it.
#[derive(Clone)]
pub struct DeviceFlow {
    client_id: String,
    authority: String,
    correlation_id: String,
    scopes: Scopes,
    claims_challenge: Option<Secret>,
    members: Members,
    expires_in: u64,
    interval: u64,
    ends: Millis,
    next: Millis,
}

/// What an initiation was for.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    pub(crate) correlation_id: String,
    /// As they were sent.
    pub(crate) scopes: Scopes,
    pub(crate) claims_challenge: Option<Secret>,
}

impl DeviceFlow {
    /// From the answer of the device authorization endpoint (RFC 8628 s3.2; typed, G-27).
    ///
    /// # Errors
    /// [`Error::Refused`] and [`Error::Throttled`] are the server's; [`Error::BadResponse`] names what is missing or malformed.
    pub(crate) fn answered(client: &Client, begun: &Begun, reply: &Reply<'_>, now: Millis) -> Result<Self, Error> {
        let bad = |at| Error::BadResponse { what: What::DeviceAuthorization, at };
        let busy = reply.status == 429 || reply.status >= 500;
        let throttled = |refusal| Error::Throttled { status: reply.status, retry_after: reply.retry_after, refusal };
        let members = match parse_object(reply.body.expose(), MAX_RESPONSE) {
            Err(_) if busy => return Err(throttled(None)),
            Err(why) => return Err(bad(json_rule(why))),
            Ok(members) => members,
        };
        if members.contains("error") {
            let refusal = Refusal::new(reply.status, members, core::iter::empty()).of_grant(reply.retry_after);
            return Err(if busy { throttled(Some(refusal.into())) } else { refused(refusal) });
        }
        match reply.status {
            _ if busy => Err(throttled(None)),
            200..300 => Self::read(client, begun, members, now),
            _ => Err(bad("its HTTP status")),
        }
    }

    fn read(client: &Client, begun: &Begun, mut members: Members, now: Millis) -> Result<Self, Error> {
        let bad = |at| Error::BadResponse { what: What::DeviceAuthorization, at };
        let seconds = |name, default| match members.get(name) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => integer(value).and_then(|s| u64::try_from(s).ok()).ok_or_else(|| bad(name)),
        };
        let expires_in = seconds("expires_in", LIFETIME)?.min(MAX_DEVICE_CODE_LIFETIME);
        let interval = seconds("interval", INTERVAL)?.clamp(1, MAX_POLLING_INTERVAL);
        if members.text("device_code").is_none_or(str::is_empty) {
            return Err(bad("device_code"));
        }
        let user_code = members.text("user_code").unwrap_or_default();
        if user_code.is_empty()
            || user_code.len() > MAX_USER_CODE
            || user_code.chars().any(|c| is_obeyed(c) || is_mark(c))
        {
            return Err(bad("user_code"));
        }
        // What people are sent to is an address of the strict kind: `javascript:` and its like are none.
        for name in ["verification_uri", "verification_url", "verification_uri_complete"] {
            let address = members.get(name).map(|value| value.as_str().unwrap_or_default());
            if address.is_some_and(|address| Endpoint::parse(address).is_err()) {
                return Err(bad(name));
            }
        }
        let named = members.contains("verification_uri") || members.contains("verification_url");
        if !named && !client.settings().lenient_answers {
            return Err(bad("verification_uri"));
        }
        // A terminal would obey them.
        if let Some(message) = members.text("message").filter(|text| text.chars().any(is_obeyed)) {
            let clean: String = message.chars().filter(|c| *c == '\n' || !is_obeyed(*c)).collect();
            members.set("message", clean);
        }
        Ok(Self {
            client_id: client.client_id().to_string(),
            authority: client.authority().as_str().to_string(),
            correlation_id: begun.correlation_id.clone(),
            scopes: begun.scopes.clone(),
            claims_challenge: begun.claims_challenge.clone(),
            members,
            expires_in,
            interval,
            ends: now.after(Millis::from_secs(expires_in)),
            next: now,
        })
    }

    /// What the user types (RFC 8628 s3.3).
    pub fn user_code(&self) -> &str {
        self.members.text("user_code").unwrap_or_default()
    }

    /// Where the user types it: an https address. Empty in the reference's profile when the server names none.
    pub fn verification_uri(&self) -> &str {
        // The name that servers used before the RFC.
        let name = self.members.text("verification_uri").or(self.members.text("verification_url"));
        name.unwrap_or_default()
    }

    /// The address with the code in it, for a QR code.
    pub fn verification_uri_complete(&self) -> Option<&str> {
        self.members.text("verification_uri_complete")
    }

    /// The server's own sentence for the user, without control characters but line breaks.
    pub fn message(&self) -> Option<&str> {
        self.members.text("message")
    }

    /// Seconds that the code lived when it was issued.
    pub fn expires_in(&self) -> u64 {
        self.expires_in
    }

    /// Seconds until the code is worthless.
    pub fn left(&self, clock: Clock) -> u64 {
        self.ends.since(clock.mono).as_secs_ceil()
    }

    /// Seconds between two questions; what `slow_down` added stays in it (RFC 8628 s3.5).
    pub fn interval(&self) -> u64 {
        self.interval
    }

    /// The name of the call (`client-request-id`): the same for all of its requests.
    pub fn correlation_id(&self) -> &str {
        &self.correlation_id
    }

    /// The scopes that were asked for; they count where the token response does not name any (G-28).
    pub fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// What is asked about. Not for the user.
    pub fn device_code(&self) -> Secret {
        Secret::from(self.members.text("device_code").unwrap_or_default())
    }

    /// All members of the server's answer, unknown ones included.
    pub fn members(&self) -> &Members {
        &self.members
    }

    pub(crate) fn claims_challenge(&self) -> Option<&Secret> {
        self.claims_challenge.as_ref()
    }

    pub(crate) fn ends(&self) -> Millis {
        self.ends
    }

    /// The earliest moment for the next question.
    pub(crate) fn next(&self) -> Millis {
        self.next
    }

    pub(crate) fn ask_not_before(&mut self, due: Millis) {
        self.next = due;
    }

    /// `slow_down` (RFC 8628 s3.5).
    pub(crate) fn slow_down(&mut self) {
        self.interval = self.interval.saturating_add(INTERVAL).min(MAX_POLLING_INTERVAL);
    }

    pub(crate) fn notice(&self) -> Ask {
        Ask::ShowCode {
            user_code: self.user_code().to_string(),
            verification_uri: self.verification_uri().to_string(),
            verification_uri_complete: self.verification_uri_complete().map(ToString::to_string),
            message: self.message().map(ToString::to_string),
            expires_in: self.expires_in,
        }
    }

    /// Whether this client began it.
    ///
    /// # Errors
    /// [`Config::SavedFlow`] names what is another client's.
    pub(crate) fn check(&self, client: &Client) -> Result<(), Config> {
        match (self.client_id == client.client_id(), self.authority == client.authority().as_str()) {
            (false, _) => Err(Config::SavedFlow("client_id")),
            (_, false) => Err(Config::SavedFlow("authority")),
            _ => Ok(()),
        }
    }

    /// What must be kept, as data: secrets are in it. No endpoint is: those are the client's.
    pub fn to_members(&self, clock: Clock) -> Members {
        let mut members = Members::new();
        members.set("client_id", self.client_id.as_str());
        members.set("authority", self.authority.as_str());
        members.set("correlation_id", self.correlation_id.as_str());
        members.set("scope", texts(self.scopes.list()));
        if let Some(claims) = &self.claims_challenge {
            members.set("claims_challenge", claims.expose());
        }
        members.set("response", Value::Object(self.members.as_map().clone()));
        members.set("interval", self.interval);
        members.set("milliseconds_left", self.ends.since(clock.mono).0);
        members.set("milliseconds_to_wait", self.next.since(clock.mono).0);
        if let Some(now) = clock.wall {
            members.set("saved_at", now.0);
        }
        members
    }

    /// From what was kept, for this client: what is in `members` may come from an attacker unless it was sealed.
    ///
    /// The time that has passed since then is taken off by the date. A date that is unknown or jumped back takes nothing off; the
    /// code never gets more time than it had.
    ///
    /// # Errors
    /// [`Config::SavedFlow`] says what is missing, malformed or another client's.
    pub fn from_members(client: &Client, members: &Members, clock: Clock) -> Result<Self, Error> {
        let wrong = |name| Error::from(Config::SavedFlow(name));
        let text = |name: &'static str| members.text(name).filter(|text| !text.is_empty()).ok_or_else(|| wrong(name));
        let number = |name: &'static str| members.get(name).and_then(Value::as_u64).ok_or_else(|| wrong(name));
        for (name, own) in [("client_id", client.client_id()), ("authority", client.authority().as_str())] {
            if text(name)? != own {
                return Err(wrong(name));
            }
        }
        let Some(Value::Array(scopes)) = members.get("scope") else { return Err(wrong("scope")) };
        let scopes = scopes.iter().map(|scope| scope.as_str().ok_or_else(|| wrong("scope")));
        let correlation_id = text("correlation_id")?.to_string();
        if correlation_id.len() > MAX_USER_CODE || !correlation_id.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(wrong("correlation_id"));
        }
        let begun = Begun {
            correlation_id,
            scopes: Scopes::parse(&scopes.collect::<Result<Vec<_>, _>>()?).map_err(|_| wrong("scope"))?,
            claims_challenge: members.text("claims_challenge").map(Secret::from),
        };
        let Some(Value::Object(response)) = members.get("response") else { return Err(wrong("response")) };
        let flow = Self::read(client, &begun, response.clone().into(), clock.mono).map_err(|_| wrong("response"))?;
        let saved_at = members.get("saved_at").and_then(Value::as_u64).map(UnixTime);
        let gone = match (saved_at, clock.wall) {
            (Some(then), Some(now)) => Millis::from_secs(now.since(then)),
            _ => Millis(0),
        };
        let interval = number("interval")?.clamp(flow.interval, MAX_POLLING_INTERVAL);
        let left = Millis(number("milliseconds_left")?).min(Millis::from_secs(flow.expires_in)).since(gone);
        let wait = Millis(number("milliseconds_to_wait")?).min(Millis::from_secs(flow.expires_in)).since(gone);
        Ok(Self { interval, ends: clock.mono.after(left), next: clock.mono.after(wait), ..flow })
    }

    /// Seals the flow, so that another process can go on with it: after a restart, or at another instance of a service.
    ///
    /// # Errors
    /// [`Error::NoEntropy`]; [`Config::SavedFlow`] for another client's flow, or one that is too large.
    #[cfg(feature = "sealed")]
    pub fn seal(
        &self,
        sealer: &Sealer,
        client: &Client,
        clock: Clock,
        entropy: &mut dyn Entropy,
    ) -> Result<String, Error> {
        self.check(client)?;
        sealer.seal(Saved::DeviceFlow, client, &self.to_members(clock), entropy)
    }

    /// Opens what [`seal`](Self::seal) gave.
    ///
    /// # Errors
    /// [`Config::SavedFlow`] for anything but an unaltered flow of this client, sealed with this key.
    #[cfg(feature = "sealed")]
    pub fn restore(sealer: &Sealer, client: &Client, text: &str, clock: Clock) -> Result<Self, Error> {
        Self::from_members(client, &sealer.open(Saved::DeviceFlow, client, text)?, clock)
    }
}

/// Control characters, and those that turn the direction of what follows (Unicode Annex 9 s2), so that it reads as another text.
fn is_obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Marks of direction: sentences in Hebrew and Arabic have them, codes do not.
const fn is_mark(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}')
}

impl fmt::Debug for DeviceFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceFlow(..)")
    }
}
