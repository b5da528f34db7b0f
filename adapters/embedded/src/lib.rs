//! Tokens for firmware: drives any [`Flow`](sansal::Flow) over any `embedded-io` stream. `no_std`, no thread, no `unsafe`.
//!
//! ```text
//! your network stack, your TLS      Connect, BlockingConnect or PolledConnect: a stream for a Peer
//! your clock, your random numbers   Time, Entropy (RandCore for a TRNG of rand_core)
//! your display, your keys           Asks
//! your flash                        TokenStore
//!                                        |
//!                                     Driver      async; drive_blocking; Superloop::poll
//! ```
//!
//! The driver is written once, as futures. Streams that block ([`Blocking`]) never keep one waiting, and in a superloop each
//! [`poll`](Superloop::poll) looks whether a stream is ready ([`Polled`]); nothing is spawned, nothing needs an executor.
//!
//! With a network of one's own, here one that answers from two texts:
//!
//! ```
//! use sansal_embedded::sansal::client::Credential;
//! use sansal_embedded::sansal::entropy::{Entropy, NoEntropy};
//! use sansal_embedded::sansal::error::SendError;
//! use sansal_embedded::sansal::time::{Millis, UnixTime};
//! use sansal_embedded::sansal::{Client, ClientCredentials};
//! use sansal_embedded::{Blocking, BlockingConnect, Driver, Peer, Time};
//!
//! struct Timer; // Yours counts.
//! impl Time for Timer {
//!     fn mono(&self) -> Millis {
//!         Millis(0)
//!     }
//!     // Where no clock knows the date, leave this out: the `Date` of the first answers over TLS serves.
//!     fn wall(&self) -> Option<UnixTime> {
//!         Some(UnixTime(1_800_000_100))
//!     }
//! }
//!
//! struct Trng; // Yours is random; what implements the traits of `rand_core` fits in a `RandCore`.
//! impl Entropy for Trng {
//!     fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
//!         out.fill(4);
//!         Ok(())
//!     }
//! }
//!
//! struct Network; // Yours connects to `peer.host` and `peer.port`, and speaks TLS if `peer.secure`: see `sansal-embedded-tls`.
//! impl BlockingConnect for Network {
//!     type Stream = Script; // Anything with `Read` and `Write` of `embedded-io`.
//!
//!     fn connect(&mut self, peer: &Peer<'_>) -> Result<Script, SendError> {
//!         assert!(peer.host == "id.example" && peer.port == 443 && peer.secure);
//!         Ok(Script::new())
//!     }
//! }
//! # struct Script { left: Vec<&'static str>, now: &'static [u8] }
//! # impl Script {
//! #     fn new() -> Self {
//! #         let token = r#"{"token_type":"Bearer","access_token":"T","expires_in":3600}"#;
//! #         let metadata = r#"{"issuer":"https://id.example","authorization_endpoint":"https://id.example/a","token_endpoint":"https://id.example/t"}"#;
//! #         Self { left: vec![token, metadata], now: b"" }
//! #     }
//! # }
//! # impl embedded_io::ErrorType for Script { type Error = core::convert::Infallible; }
//! # impl embedded_io::Write for Script {
//! #     fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
//! #         if self.now.is_empty() {
//! #             let body = self.left.pop().unwrap();
//! #             self.now = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).leak().as_bytes();
//! #         }
//! #         Ok(bytes.len())
//! #     }
//! #     fn flush(&mut self) -> Result<(), Self::Error> { Ok(()) }
//! # }
//! # impl embedded_io::Read for Script {
//! #     fn read(&mut self, out: &mut [u8]) -> Result<usize, Self::Error> {
//! #         let count = out.len().min(self.now.len());
//! #         out[..count].copy_from_slice(&self.now[..count]);
//! #         self.now = &self.now[count..];
//! #         Ok(count)
//! #     }
//! # }
//!
//! let client = Client::builder("my-device").oidc_authority("https://id.example").credential(Credential::secret("s3cret")).build()?;
//! let mut buffer = [0; 8192];
//! let built = UnixTime(1_800_000_000); // No date is before the one when this firmware was built.
//! let mut driver = Driver::new(Blocking(Network), Timer, Trng, &mut buffer, built)?;
//! let token = driver.drive_blocking(&client, ClientCredentials::new(&["telemetry.write"])?.flow(&client)?)?;
//! assert_eq!(token.access_token(), "T");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Tokens on flash, over resets and power losses, are in [`flash`](mod@flash) (feature `flash`, on by default).
//!
//! HTTP/1.1 with its limits is in [`http1`], for whoever brings a driver of their own.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails"))]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod http1;

mod asks;
mod blocking;
mod connect;
mod dates;
mod driver;
mod entropy;
mod exchange;
#[cfg(feature = "flash")]
pub mod flash;
mod superloop;
mod time;
mod tokens;

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;

pub use asks::{Asks, DeviceCodePrompt, NoAsks};
pub use blocking::{Blocking, BlockingConnect, block_on};
pub use connect::{Connect, Peer};
pub use dates::{Dates, MAX_AHEAD};
pub use driver::Driver;
pub use entropy::RandCore;
pub use superloop::{Polled, PolledConnect, Superloop};
pub use time::Time;

pub use sansal;
pub use tokens::{NoTokenStore, Remembered, TokenStore};
