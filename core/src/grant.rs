//! Authorization grants as data (RFC 6749 s1.3): what a flow has in hand when it comes to the token endpoint.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::binding::Binding;
use crate::client::Scopes;
use crate::secret::Secret;

/// What is redeemed at the token endpoint. Only [`exchange`](crate::exchange) turns it into a request.
#[derive(Clone)]
pub struct Grant {
    /// What is redeemed.
    pub kind: GrantKind,
    /// What for. For a user these are the [decorated](Scopes::decorated) ones.
    pub scopes: Scopes,
    /// The `claims` parameter, merged.
    pub claims: Option<Secret>,
    /// `X-AnchorMailbox`: lets Microsoft's front ends choose the right region for a user (section 1.11 of the reference).
    pub routing: Option<Secret>,
    /// What the token shall be bound to.
    pub binding: Option<Binding>,
}

/// The kinds of grant.
#[non_exhaustive]
#[derive(Clone)]
pub enum GrantKind {
    /// The application on its own behalf (RFC 6749 s4.4).
    ClientCredentials {
        /// Microsoft's federated managed identity path.
        fmi_path: Option<String>,
    },
    /// A code that the browser brought (RFC 6749 s4.1.3).
    AuthorizationCode {
        /// The code.
        code: Secret,
        /// The redirect address of the authorization request; empty where that had none.
        redirect_uri: String,
        /// The proof key for it (RFC 7636 s4.5).
        code_verifier: Option<Secret>,
    },
    /// A device code that somebody may have approved (RFC 8628 s3.4).
    DeviceCode {
        /// The code.
        device_code: Secret,
    },
    /// A refresh token (RFC 6749 s6).
    RefreshToken {
        /// The token.
        refresh_token: Secret,
    },
    /// A user's name and password (RFC 6749 s4.3).
    Password {
        /// The user.
        username: Secret,
        /// The password.
        password: Secret,
    },
    /// A SAML assertion, in base64url (RFC 7522 s2.1).
    Saml {
        /// The version of SAML.
        version: SamlVersion,
        /// The assertion.
        assertion: Secret,
    },
    /// An access token that a user's client sent to this application (RFC 7523 s2.1, `on_behalf_of` is Microsoft's).
    OnBehalfOf {
        /// The token.
        assertion: Secret,
    },
    /// A federated identity credential of a user, Microsoft's `user_fic`.
    UserFic {
        /// The credential, a JWT.
        assertion: Secret,
        /// Which user.
        user: UserId,
    },
}

/// The version of a SAML assertion; each has a grant type of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SamlVersion {
    /// SAML 1.1, Microsoft's own grant type.
    V1_1,
    /// SAML 2.0 (RFC 7522).
    V2_0,
}

/// A user, named in one of two ways.
#[derive(Clone)]
pub enum UserId {
    /// By user principal name.
    Username(Secret),
    /// By object id.
    ObjectId(Secret),
}

impl Grant {
    /// A grant that carries no routing hint.
    pub fn new(kind: GrantKind, scopes: Scopes, claims: Option<Secret>) -> Self {
        Self { kind, scopes, claims, routing: None, binding: None }
    }

    /// With a routing hint.
    #[must_use]
    pub fn routed(mut self, routing: Option<Secret>) -> Self {
        self.routing = routing;
        self
    }

    /// For a token that is bound to a key.
    #[must_use]
    pub fn bound(mut self, binding: Option<Binding>) -> Self {
        self.binding = binding;
        self
    }

    /// `grant_type`
    pub const fn grant_type(&self) -> &'static str {
        match self.kind {
            GrantKind::ClientCredentials { .. } => "client_credentials",
            GrantKind::AuthorizationCode { .. } => "authorization_code",
            GrantKind::DeviceCode { .. } => "urn:ietf:params:oauth:grant-type:device_code",
            GrantKind::RefreshToken { .. } => "refresh_token",
            GrantKind::Password { .. } => "password",
            GrantKind::Saml { version: SamlVersion::V1_1, .. } => "urn:ietf:params:oauth:grant-type:saml1_1-bearer",
            GrantKind::Saml { version: SamlVersion::V2_0, .. } => "urn:ietf:params:oauth:grant-type:saml2-bearer",
            GrantKind::OnBehalfOf { .. } => "urn:ietf:params:oauth:grant-type:jwt-bearer",
            GrantKind::UserFic { .. } => "user_fic",
        }
    }

    /// Whether it is the application that gets a token, and not a user.
    pub const fn is_of_application(&self) -> bool {
        matches!(self.kind, GrantKind::ClientCredentials { .. })
    }

    /// The federated managed identity path, which the makers of assertions are told.
    pub fn fmi_path(&self) -> Option<&str> {
        match &self.kind {
            GrantKind::ClientCredentials { fmi_path } => fmi_path.as_deref(),
            _ => None,
        }
    }

    /// The grant's own parameters; empty ones are not sent.
    pub fn parameters(&self) -> Vec<(&'static str, &str)> {
        let mut fields = match &self.kind {
            GrantKind::ClientCredentials { fmi_path } => {
                Vec::from([("fmi_path", fmi_path.as_deref().unwrap_or_default())])
            }
            GrantKind::AuthorizationCode { code, redirect_uri, code_verifier } => Vec::from([
                ("code", code.expose()),
                ("redirect_uri", redirect_uri.as_str()),
                ("code_verifier", code_verifier.as_ref().map(Secret::expose).unwrap_or_default()),
            ]),
            // `code` is for servers that came before the RFC (section 4.5 of the reference).
            GrantKind::DeviceCode { device_code } => {
                Vec::from([("device_code", device_code.expose()), ("code", device_code.expose())])
            }
            GrantKind::RefreshToken { refresh_token } => Vec::from([("refresh_token", refresh_token.expose())]),
            GrantKind::Password { username, password } => {
                Vec::from([("username", username.expose()), ("password", password.expose())])
            }
            GrantKind::Saml { assertion, .. } => Vec::from([("assertion", assertion.expose())]),
            GrantKind::OnBehalfOf { assertion } => {
                Vec::from([("assertion", assertion.expose()), ("requested_token_use", "on_behalf_of")])
            }
            GrantKind::UserFic { assertion, user } => {
                let user = match user {
                    UserId::Username(name) => ("username", name.expose()),
                    UserId::ObjectId(id) => ("user_id", id.expose()),
                };
                Vec::from([("user_federated_identity_credential", assertion.expose()), user])
            }
        };
        // The scopes of a device code stand in the request that began it.
        if !matches!(self.kind, GrantKind::DeviceCode { .. }) {
            fields.push(("scope", self.scopes.as_str()));
        }
        if let Some(binding) = &self.binding {
            fields.extend(binding.parameters());
        }
        fields.push(("claims", self.claims.as_ref().map(Secret::expose).unwrap_or_default()));
        fields
    }

    /// Every secret of the grant, so that a server that echoes one can be silenced.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let [first, second] = match &self.kind {
            GrantKind::ClientCredentials { .. } => [None, None],
            GrantKind::AuthorizationCode { code, code_verifier, .. } => [Some(code), code_verifier.as_ref()],
            GrantKind::DeviceCode { device_code } => [Some(device_code), None],
            GrantKind::RefreshToken { refresh_token } => [Some(refresh_token), None],
            GrantKind::Password { password, .. } => [Some(password), None],
            GrantKind::Saml { assertion, .. }
            | GrantKind::OnBehalfOf { assertion }
            | GrantKind::UserFic { assertion, .. } => [Some(assertion), None],
        };
        first.into_iter().chain(second)
    }
}

impl UserId {
    /// The routing hint for this user in this tenant.
    pub fn routing(&self, tenant: &str) -> Secret {
        match self {
            Self::Username(name) => Secret::new(format!("upn:{}", name.expose())),
            Self::ObjectId(id) => Secret::new(format!("Oid:{}@{tenant}", id.expose())),
        }
    }
}

/// The routing hint for a home account id, `uid.utid`.
pub(crate) fn routing_of(home_account_id: &str) -> Secret {
    Secret::new(format!("Oid:{}", home_account_id.replace('.', "@")))
}

/// The kind alone: what is redeemed is secret.
impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Grant({})", self.grant_type())
    }
}

impl fmt::Debug for GrantKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GrantKind(..)")
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserId(..)")
    }
}
