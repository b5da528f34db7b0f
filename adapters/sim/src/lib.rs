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
//! # What it checks
//!
//! | what | refused with |
//! |---|---|
//! | the tenant exists | AADSTS90002 |
//! | a form, each parameter once, all that are needed | 90023, 900144 |
//! | the grant is client credentials | 70003 |
//! | the application exists in the tenant | 700016 |
//! | one credential, not two | 7000218, 90023 |
//! | the secret | 7000215; 7000222 when it has ended |
//! | the assertion: form, RS256 or PS256 | 50027 |
//! | its certificate (`x5t`, `x5t#S256`, `x5c`), registered itself or by [subject and issuer](Application::subject_and_issuer), and signature | 700027 |
//! | `iss` and `sub`; `aud`; `exp`, `nbf`, `iat` within five minutes | 700021; 700023; 700024 |
//! | `jti` not seen before, if [`refuse_replays`](Platform::refuse_replays) | 50027 |
//! | the scope: one resource and `/.default`; the resource exists | 70011; 500011 |
//! | claims, if [`challenge_claims`](Platform::challenge_claims) | 53003 with `claims` |
//!
//! Numbers are Microsoft's, texts are not. AD FS and other issuers refuse with the members of RFC 6749 s5.2 alone.
//! Signatures are verified by `ring` and `webpki`; nothing of `sansal` is used, so that its tests prove something.
#![forbid(unsafe_code)]

mod assertion;
mod chance;
mod directory;
mod fault;
mod material;
mod message;
mod platform;
mod realm;
mod refusal;
#[cfg(feature = "server")]
mod server;
mod signing;
mod token;

pub use directory::{Application, Resource, Tenant};
pub use fault::{Fault, On, What};
pub use material::{CLIENT_CERTIFICATE, CLIENT_KEY, InvalidKey};
pub use message::{Delivery, Request, Response};
pub use platform::{CONTOSO_CLIENT, CONTOSO_SECRET, CONTOSO_TENANT, Platform};
#[cfg(feature = "server")]
pub use server::Server;
