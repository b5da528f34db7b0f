//! Sign-in and tokens for the Microsoft identity platform and any OpenID Connect provider, as pure state machines.
//!
//! This crate opens no socket, reads no clock, file, variable or random source. A [`Flow`] says what it needs, one
//! [`Step`](flow::Step) at a time; a host does it and passes the [`Input`](flow::Input) back. Hosts that exist:
//! `sansal-std` (blocking), `sansal-tokio`, `sansal-embedded`, and whatever you write: the contract is one page, [`flow`].
//!
//! A whole host, whose server is two answers that stand here:
//!
//! ```
//! use sansal::client::Credential;
//! use sansal::entropy::{Entropy, NoEntropy};
//! use sansal::error::AskError;
//! use sansal::flow::{Answer, Clock, Cx, Flow, Input, Millis, Response, Step};
//! use sansal::time::UnixTime;
//! use sansal::{Client, ClientCredentials, Store};
//!
//! struct Dice; // Yours is the system's random source.
//! impl Entropy for Dice {
//!     fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
//!         out.fill(4);
//!         Ok(())
//!     }
//! }
//!
//! let client = Client::builder("my-app").oidc_authority("https://id.example").credential(Credential::secret("s3cret")).build()?;
//! let mut store = Store::new(&mut Dice)?;
//! let mut flow = ClientCredentials::new(&["orders.read"])?.flow(&client)?;
//! let mut answers = [
//!     r#"{"issuer":"https://id.example","authorization_endpoint":"https://id.example/a","token_endpoint":"https://id.example/t"}"#,
//!     r#"{"token_type":"Bearer","access_token":"T","expires_in":3600}"#,
//! ]
//! .into_iter();
//! let (mut asked, mut input) = (Vec::new(), Input::Start);
//! let token = loop {
//!     let clock = Clock { mono: Millis(0), wall: Some(UnixTime(1_800_000_000)) };
//!     input = match flow.step(&mut Cx { client: &client, store: &store, clock, entropy: &mut Dice }, input)? {
//!         Step::Send(request) => {
//!             asked.push(format!("{} {}", request.method, request.endpoint));
//!             Input::Response(Response { status: 200, headers: &[], body: answers.next().unwrap_or("").as_bytes() })
//!         }
//!         Step::Wait(_) => Input::Woke,
//!         Step::Ask(_) => Input::Answer(Answer::Failed(AskError::NotSupported)),
//!         Step::Load(_) => Input::Loaded,
//!         Step::Commit(changes) => {
//!             store.apply(changes);
//!             Input::Committed(Ok(()))
//!         }
//!         Step::Done(token) => break token,
//!     };
//! };
//! assert_eq!(token.access_token(), "T");
//! assert_eq!(asked, ["GET https://id.example/.well-known/openid-configuration", "POST https://id.example/t"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | room | what for |
//! |---|---|
//! | [`flow`] | the contract between machine and host: read first |
//! | [`client`] | an application: id, authority, credential, settings |
//! | [`client_credentials`] | tokens for the application itself |
//! | [`authorization`], [`authorization_code`], [`interactive`] | a user signs in at a browser |
//! | [`device_code`] | a user signs in at another device |
//! | [`silent`], [`accounts`] | tokens for a signed-in user, and who that is |
//! | [`on_behalf_of`], [`user_fic`], [`refresh_token`] | tokens for a user, from what the application already has |
//! | [`managed`] | tokens of the machine it runs on, and of Cloud Shell |
//! | [`store`], [`cache`] | what is remembered, in MSAL's schema |
//! | [`error`] | what can go wrong and what to do about it |
//! | [`pop`], [`prove`] | proof of possession: signed HTTP requests and DPoP |
//! | [`key`], [`held_key`] | keys that the host holds |
//! | [`validate`] | tokens of others: what a resource server needs |
//! | [`jose`], `cert` | JWTs, JWKs, certificates and keys |
//! | [`http`], [`endpoint`] | requests and responses as data |
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `serde_json` | yes | JSON values are those of that crate; without it of a small reader for devices |
//! | `sentences` | yes | errors say in a sentence what is wrong and what to do; without it of what kind they are |
//! | `clouds` | yes | authorities of Microsoft's clouds by their kinds; without it an authority is named by its issuer |
//! | `throttling` | yes | error answers are remembered, and the server left alone |
//! | `telemetry` | yes | Microsoft's telemetry headers |
//! | `index` | yes | look-ups that do not grow with the token cache |
//! | `floats` | yes | numbers with a fraction that stay the same to the last digit |
//! | `managed` | yes | tokens of the machine it runs on, and of Cloud Shell |
//! | `pop` | yes | tokens bound to a key or a certificate |
//! | `assertions` | yes | client assertions signed with a key |
//! | `validate` | yes | signatures of tokens, by the keys of their issuer |
//! | `url` | yes | authorities as people type them |
//! | `rsa` | yes | signing in software |
//! | `es256` | yes | keys for proofs of possession, made and used in software |
//! | `cert` | yes | PEM, X.509, private keys |
//! | `x509` | yes | names in certificates as texts, and certificates read whole |
//! | `encrypted-keys` | yes | private keys with a passphrase |
//! | `wstrust` | yes | users by name and password, managed or federated (WS-Trust) |
//! | `sealed` | yes | flows saved between their legs, encrypted |
//! | `fuzzing` | no | the bodies of the fuzz targets |
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails"))]

extern crate alloc;
#[cfg(test)]
extern crate std;

// In layers: each module names only what stands before it. `tests/` holds the list.
pub mod limits;
mod text;
pub mod secret;
pub mod time;
pub mod entropy;
pub mod base64;
#[cfg_attr(not(feature = "validate"), allow(dead_code, reason = "only tokens are read so strictly"))]
pub mod json;
pub mod key;
pub mod error;

pub mod endpoint;
pub mod http;
#[cfg(feature = "wstrust")]
mod xml;
pub mod jose;
pub mod cert;
pub mod pop;
pub mod client;
pub mod metadata;
pub mod token;
pub mod cache;
pub mod binding;
pub mod grant;
#[cfg(feature = "wstrust")]
pub mod wstrust;
pub mod account;
pub mod issued;
pub mod telemetry;
pub mod keys;
pub mod store;
#[cfg(feature = "sealed")]
pub mod sealed;

pub mod flow;
#[cfg(feature = "pop")]
pub mod prove;
#[cfg(feature = "pop")]
pub mod held_key;
mod wanted;

mod call;
pub mod discover;
#[cfg(feature = "clouds")]
pub mod region;
pub mod exchange;
pub mod accept;
#[cfg(feature = "validate")]
pub mod validate;
pub mod authorization;
pub mod device_flow;
pub mod source;
pub mod acquire;
mod asked;
pub mod client_credentials;
#[cfg(feature = "managed")]
pub mod managed;
pub mod on_behalf_of;
pub mod user_fic;
pub mod refresh_token;
pub mod silent;
pub mod accounts;
pub mod authorization_code;
pub mod interactive;
pub mod device_code;
#[cfg(feature = "wstrust")]
pub mod username_password;

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;

pub use account::Account;
pub use accounts::{GetAccounts, RemoveAccount};
pub use authorization::{AuthCodeFlow, AuthorizationRequest, AuthorizationResponse, Prompt, ResponseMode};
pub use binding::{Binding, PopAuthScheme};
pub use client::Client;
pub use client_credentials::{ClientCredentials, RemoveTokensForClient};
pub use device_code::{DeviceCode, InitiateDeviceFlow, PollOptions};
pub use device_flow::DeviceFlow;
pub use endpoint::Endpoint;
pub use error::Error;
pub use flow::Flow;
#[cfg(feature = "pop")]
pub use held_key::HeldKey;
pub use issued::{Token, TokenSource};
#[cfg(feature = "managed")]
pub use managed::{ManagedIdentity, ManagedIdentityRequest};
pub use on_behalf_of::OnBehalfOf;
#[cfg(feature = "pop")]
pub use prove::Prove;
pub use refresh_token::RefreshTokenImport;
pub use secret::Secret;
pub use silent::Silent;
pub use store::Store;
pub use user_fic::UserFederatedIdentityCredential;
#[cfg(feature = "wstrust")]
pub use username_password::UsernamePassword;
#[cfg(feature = "validate")]
pub use validate::{TokenValidation, ValidateToken};
