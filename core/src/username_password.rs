//! User name and password (RFC 6749 s4.3; sections 4.8 and 4.9 of the reference), for users whom Entra knows and for those whose
//! organisation has a federation server.

use crate::acquire::Acquire;
use crate::asked::{Asked, takes_binding, takes_claims_challenge};
use crate::client::{Client, Scopes};
use crate::error::{Config, Error};
use crate::keys::{AcquireKey, ProcessKey};
use crate::secret::Secret;
use crate::source::Password;
use crate::telemetry::Api;
use crate::wanted::Wanted;

/// A token for a user whose name and password the application has.
///
/// Only for what cannot be done otherwise: the application sees the password, nothing but the password is checked, and
/// Microsoft refuses it where more is asked of a user. Users of a federated domain need
/// [`Settings::allow_federation`](crate::client::Settings::allow_federation), since their password goes to another server.
///
/// ```
/// use sansal::{Client, UsernamePassword};
/// let client = Client::builder("my-app").authority("https://login.microsoftonline.com/organizations").build()?;
/// let flow = UsernamePassword::new("ada@contoso.com", "s3cret", &["User.Read"])?.flow(&client)?;
/// # let _ = flow;
/// # Ok::<(), sansal::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct UsernamePassword {
    asked: Asked,
    username: Secret,
    password: Secret,
}

impl UsernamePassword {
    /// For these scopes.
    ///
    /// # Errors
    /// [`Error::Config`] when a scope is malformed or reserved, or the name or the password is empty.
    pub fn new<S: AsRef<str>>(username: &str, password: &str, scopes: &[S]) -> Result<Self, Error> {
        for (name, text) in [("user name", username), ("password", password)] {
            if text.is_empty() {
                return Err(Config::Missing(name).into());
            }
        }
        let asked = Asked::new(Scopes::of_user(scopes)?);
        Ok(Self { asked, username: Secret::from(username), password: Secret::from(password) })
    }

    takes_claims_challenge!();
    takes_binding!();

    /// The machine that gets the token.
    ///
    /// # Errors
    /// [`Error::Config`] when a claims request is not a JSON object.
    pub fn flow(&self, client: &Client) -> Result<Acquire<Password>, Error> {
        let mut wanted = Wanted::direct(Api::UsernamePassword, self.asked.scopes.clone());
        wanted.binding = self.asked.binding(client);
        let claims = self.asked.claims(client)?;
        let (username, password) = (self.username.clone(), self.password.clone());
        Ok(Acquire::new(wanted, Password::new(username, password, self.asked.decorated(client), claims)))
    }

    /// Identifies this acquisition among all of this process: two with the same key may share one answer.
    pub fn key(&self, client: &Client, process: &ProcessKey) -> AcquireKey {
        let own = [self.username.expose(), self.password.expose()];
        self.asked.key("username_password", client, process, own.map(|text| Some(text.as_bytes())))
    }
}
