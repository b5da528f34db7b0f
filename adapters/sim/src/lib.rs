//! A simulated identity platform: for testing applications that get tokens from Entra, AD FS or any OpenID Connect provider.
//!
//! [`Platform::answer`] is a pure function from a [`Request`] to a [`Response`]: no socket, no clock, and for one seed
//! always the same answers. With the feature `server` (on by default) [`Server`] puts it behind TLS on
//! 127.0.0.1. It checks what a real platform checks, signs real JWTs (RS256), and fails on command.
//!
//! **Keys, certificate and secret in this crate are public. Nothing outside of tests may trust them.**
//!
//! # Testing your own application
//!
//! ```
//! # #[cfg(feature = "server")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use sansal_sim::{Application, Fault, On, Platform, Resource, Server, Tenant, What};
//!
//! let platform = Platform::new(1)?
//!     .tenant(Tenant::new("11111111-2222-4333-8444-555555555555").domain("contoso.onmicrosoft.com"))
//!     .application(Application::new("my-app").secret("s3cret"))
//!     .resource(Resource::new("https://api.contoso.example").role("Orders.Read"));
//! let server = Server::start(platform)?;
//!
//! // Give these to your application, with instance discovery switched off or at `server.instance_discovery()`:
//! let (authority, roots) = (server.authority("contoso.onmicrosoft.com"), server.ca_pem());
//! # let _ = (authority, roots);
//!
//! // Then see what it does when the platform is busy, when an answer gets lost, when keys change.
//! server.platform().fault(Fault::new(On::Token, What::Status { code: 429, retry_after: Some(2) }));
//! server.platform().fault(Fault::new(On::Token, What::CutBody));
//! server.platform().rotate_keys();
//! // … run your application …
//! assert_eq!(server.platform().asked(&On::Token), 0);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "server"))]
//! # fn main() {}
//! ```
//!
//! `cargo run -p sansal-sim --example serve` runs one until Ctrl-C, for applications in other languages.
//!
//! [`managed`] simulates the endpoints that give tokens of managed identities.
//!
//! Without sockets, in a unit test:
//!
//! ```
//! use sansal_sim::{CONTOSO_CLIENT, CONTOSO_SECRET, Platform, Request};
//!
//! let mut platform = Platform::contoso(1)?;
//! let fields = [
//!     ("grant_type", "client_credentials"),
//!     ("client_id", CONTOSO_CLIENT),
//!     ("client_secret", CONTOSO_SECRET),
//!     ("scope", "https://graph.microsoft.com/.default"),
//! ];
//! let target = "/contoso.onmicrosoft.com/oauth2/v2.0/token";
//! let answer = platform.answer(&Request::form("login.microsoftonline.com", target, &fields, 1_800_000_000));
//! assert_eq!(answer.status, 200);
//! # Ok::<(), sansal_sim::InvalidKey>(())
//! ```
//!
//! # Testing sign-ins
//!
//! Users are registered like applications. Give [`Platform::sign_in`] the address that your application opens in a
//! browser; or let the application open it, after [`Platform::approve_next`], or in a real browser, which gets a page
//! with a form. Devices wait for [`Platform::approve_device`].
//!
//! ```
//! use sansal_sim::{CONTOSO_PUBLIC, CONTOSO_TENANT, CONTOSO_USER, Fault, On, Platform, Request, Revoke, User, What};
//!
//! let guest = User::new(CONTOSO_TENANT, "b0b0b0b0-0000-4000-8000-000000000002", "bob@contoso.onmicrosoft.com", "pw");
//! let mut platform = Platform::contoso(1)?.user(guest.second_factor_required()).rotate_refresh_tokens();
//! let url = format!(
//!     "https://login.microsoftonline.com/common/oauth2/v2.0/authorize?client_id={CONTOSO_PUBLIC}&response_type=code\
//!      &redirect_uri=http%3A%2F%2Flocalhost%3A8400&scope=openid%20User.Read&state=abc\
//!      &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
//! );
//! let back = platform.sign_in(&url, CONTOSO_USER, 1_800_000_000).map_err(|page| format!("{page:?}"))?;
//! assert_eq!((back.redirect_uri.as_str(), back.get("state")), ("http://localhost:8400", Some("abc")));
//!
//! let fields = [
//!     ("grant_type", "authorization_code"),
//!     ("client_id", CONTOSO_PUBLIC),
//!     ("code", back.get("code").unwrap_or_default()),
//!     ("redirect_uri", "http://localhost:8400"),
//!     ("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
//! ];
//! let request = Request::form("login.microsoftonline.com", "/common/oauth2/v2.0/token", &fields, 1_800_000_000);
//! assert_eq!(platform.answer(&request).status, 200);
//! // A code counts once.
//! assert_eq!(platform.answer(&request).status, 400);
//!
//! // Then see what the application does when the user must sign in again, says no, or the platform is busy.
//! platform.revoke(CONTOSO_USER, &Revoke::TokenExpired);
//! platform.deny_next("access_denied");
//! platform.fault(Fault::new(On::Grant("refresh_token".to_owned()), What::Status { code: 503, retry_after: None }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `/sansal-sim/resource` is a small API that takes tokens of the platform, and after [`Platform::demand_claims`] only
//! those with the right claims (`WWW-Authenticate` with `insufficient_claims`).
//!
//! # What it checks
//!
//! | what | refused with |
//! |---|---|
//! | the tenant exists | AADSTS90002 |
//! | a form, each parameter once, all that are needed | 90023, 900144 |
//! | the grant is one that is known | 70003 |
//! | the application exists in the tenant | 700016 |
//! | one credential, not two | 7000218, 90023 |
//! | the secret | 7000215; 7000222 when it has ended |
//! | the assertion: form, RS256 or PS256 | 50027 |
//! | its certificate (`x5t`, `x5t#S256`, `x5c`), registered itself or by [subject and issuer](Application::subject_and_issuer), and signature | 700027 |
//! | `iss` and `sub`; `aud`; `exp`, `nbf`, `iat` within five minutes | 700021; 700023; 700024 |
//! | `jti` not seen before, if [`refuse_replays`](Platform::refuse_replays) | 50027 |
//! | the scope: one resource and `/.default`; the resource exists | 70011; 500011 |
//! | claims, if [`challenge_claims`](Platform::challenge_claims) | 53003 with `claims` |
//! | the redirect URI (any port on loopback); PKCE with S256 for public clients | 50011; 9002325 |
//! | `response_type`, `response_mode`, `prompt`, `max_age`, `claims` | 700051, 90023 |
//! | a code: its client, once, in time, redirect URI, verifier | 70000, 54005, 70008, 500112, 501481 |
//! | a refresh token: client or family; revoked, expired, used before | 70000 `client_mismatch`; 50173, 700082 |
//! | a public client shows no credential | 700025 |
//! | user and password; disabled; password expired | 50034, 50126; 50057; 50055 |
//! | second factor; consent | 50076 with `claims`; 65001 |
//! | a device code: known, approved, not too often, in time, once | 70018, 70016, 70020, 54005 |
//! | on behalf of: signature, `aud`, `exp`, of a user | 50013, 500131, 500133, 7000114 |
//! | a federated credential: signature, audience, its application | 50013, 700231 |
//! | a SAML assertion ([`Platform::saml_assertion`]): signature, version, time | 50008, 500089 |
//! | user scopes: one resource, known to it | 28000, 70011 |
//!
//! Numbers are Microsoft's, texts are not. AD FS and other issuers refuse with the members of RFC 6749 s5.2 alone.
//! Signatures are verified by `ring` and `webpki`; nothing of `sansal` is used, so that its tests prove something.
#![forbid(unsafe_code)]

mod assertion;
mod authorize;
mod chance;
mod device;
mod directory;
mod fault;
mod federation;
mod grants;
mod issue;
pub mod managed;
mod material;
mod message;
mod page;
mod platform;
mod protected;
mod realm;
mod refusal;
mod saml;
mod script;
#[cfg(feature = "server")]
mod server;
mod session;
mod signing;
mod token;
mod user;

pub use directory::{Application, Resource, Tenant};
pub use fault::{Fault, On, What};
pub use federation::{Federation, TrustVersion};
pub use material::{CLIENT_CERTIFICATE, CLIENT_KEY, InvalidKey};
pub use message::{Delivery, Request, Response};
pub use platform::{
    CONTOSO_CLIENT, CONTOSO_PASSWORD, CONTOSO_PUBLIC, CONTOSO_SECRET, CONTOSO_TENANT, CONTOSO_USER, CONTOSO_USER_ID,
    Platform,
};
pub use saml::SamlVersion;
pub use script::Redirected;
#[cfg(feature = "server")]
pub use server::Server;
pub use session::Revoke;
pub use user::User;
