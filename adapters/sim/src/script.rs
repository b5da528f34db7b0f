//! What tests do to users and their sign-ins: register, approve, deny, revoke, and play the browser.

use std::fmt;

use crate::message::{Request, Response, decode};
use crate::page::unescape;
use crate::platform::Platform;
use crate::session::{Next, Revoke};
use crate::user::User;

/// Where the authorization endpoint sends a browser. `Debug` shows no code.
#[derive(Clone, PartialEq, Eq)]
pub struct Redirected {
    /// The redirect URI, without the answer.
    pub redirect_uri: String,
    /// The answer: `code` or `error`, `state`, `iss`.
    pub parameters: Vec<(String, String)>,
}

impl Redirected {
    /// The first parameter of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// From a 302 or a form that posts itself; nothing for a page.
    pub fn of(response: &Response) -> Option<Self> {
        if response.status == 302 {
            let location = response.headers.iter().find(|(name, _)| name == "Location")?;
            let (redirect_uri, query) = location.1.split_once('?')?;
            return Some(Self { redirect_uri: redirect_uri.to_owned(), parameters: decode(query) });
        }
        let body = std::str::from_utf8(&response.body).ok()?;
        let action = body.split_once(" action=\"")?.1.split('"').next()?;
        let input = |part: &str| {
            let (name, rest) = part.split_once("\" value=\"")?;
            Some((unescape(name), unescape(rest.split('"').next()?)))
        };
        let parameters = body.split("<input type=\"hidden\" name=\"").skip(1).filter_map(input).collect();
        Some(Self { redirect_uri: unescape(action), parameters })
    }
}

impl fmt::Debug for Redirected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.parameters.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Redirected").field("redirect_uri", &self.redirect_uri).field("parameters", &names).finish()
    }
}

impl Platform {
    /// Registers a user.
    #[must_use]
    pub fn user(mut self, user: User) -> Self {
        self.desk.users.push(user);
        self
    }

    /// Puts another in the place of the user of that name: disabled now, with another password.
    pub fn change_user(&mut self, user: User) {
        self.desk.users.retain(|own| !own.is_called(&user.upn));
        self.desk.users.push(user);
    }

    /// Every use of a refresh token makes a new one count and the old one not; who uses the old one again ends both.
    /// Off by default, as at Entra.
    #[must_use]
    pub fn rotate_refresh_tokens(mut self) -> Self {
        self.desk.rotates = true;
        self
    }

    /// Seconds that an authorization code counts. Default: 600.
    #[must_use]
    pub fn code_lifetime(mut self, seconds: u64) -> Self {
        self.desk.code_lifetime = seconds;
        self
    }

    /// Seconds that a device code counts, and between two polls. Default: 900 and 5.
    #[must_use]
    pub fn device_times(mut self, lifetime: u64, interval: u64) -> Self {
        (self.desk.device_lifetime, self.desk.device_interval) = (lifetime, interval);
        self
    }

    /// The next right request to the authorization endpoint signs this user in, by name or object id, without a page.
    pub fn approve_next(&mut self, user: &str) {
        self.desk.next.push_back(Next::Approve(user.to_owned()));
    }

    /// The next right request to the authorization endpoint gets this error: `access_denied`.
    pub fn deny_next(&mut self, error: &str) {
        self.desk.next.push_back(Next::Deny(error.to_owned()));
    }

    /// Ends the refresh tokens that this user has got so far, at all clients.
    pub fn revoke(&mut self, user: &str, how: &Revoke) {
        let Ok(user) = self.desk.user(user).map(|user| user.object_id.clone()) else { return };
        let own = self.desk.refresh.values_mut().filter(|token| token.session.user == user);
        own.for_each(|token| token.revoked = Some(how.clone()));
    }

    /// Opens this address as the user's browser would, and signs in.
    ///
    /// # Errors
    /// What the browser shows, when it is not sent back.
    pub fn sign_in(&mut self, url: &str, user: &str, now: u64) -> Result<Redirected, Response> {
        let rest = url.strip_prefix("https://").unwrap_or(url);
        let (host, target) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        self.desk.next.push_front(Next::Approve(user.to_owned()));
        let waiting = self.desk.next.len();
        let response = self.answer(&Request::get(host, target, now));
        if self.desk.next.len() == waiting {
            // Refused before anybody could sign in: the script is for this request only.
            self.desk.next.pop_front();
        }
        Redirected::of(&response).ok_or(response)
    }
}
