//! The contract between machine and host: one question at a time. **Read this first.**
//!
//! ```text
//!            step(Input::Start)
//! host ─────────────────────────▶ machine
//!      ◀───────────────────────── Step: what it needs now
//!            step(the Input that answers it)
//!      ─────────────────────────▶
//!                 … until Done or Err; then the machine is spent
//! ```
//!
//! | the machine asks | the host answers |
//! |---|---|
//! | [`Step::Send`] | [`Input::Response`] or [`Input::Failed`] |
//! | [`Step::Wait`] | [`Input::Woke`]; too early is fine, the rest of the wait comes back |
//! | [`Step::Ask`] | [`Input::Answer`] |
//! | [`Step::Load`] | [`Input::Loaded`] |
//! | [`Step::Commit`] | [`Input::Committed`] |
//! | [`Step::Done`] | nothing: the machine is spent |
//!
//! Any other input is [`Error::OutOfTurn`], and ends the machine like every other error.
//!
//! The world is read-only to a machine: it sees [`Client`] and [`Store`] by reference and lets what it wants
//! written leave as [`Changes`]. A host applies them with [`Store::apply`] and persists them *before* it answers.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

pub use crate::error::{AskError, CommitError, Error, SendError};
pub use crate::http::{Request, Response, ResponseHeader};
pub use crate::store::{Changes, Partition, Store};
pub use crate::time::{Clock, Millis};

use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::entropy::Entropy;
use crate::key::{Algorithm, KeyName, KeyProtection};

/// A sign-in in progress: asks one question at a time and keeps only its own data.
///
/// Same inputs, same steps, always; the work in one step is bounded; nothing a server or a host passes in makes it panic.
pub trait Flow {
    /// What comes out in the end.
    type Output;

    /// Takes the answer to the last step ([`Input::Start`] at first) and says what is needed next.
    ///
    /// # Errors
    /// Any [`Error`] ends the machine; every later step is [`Error::OutOfTurn`].
    fn step(&mut self, cx: &mut Cx<'_>, input: Input<'_>) -> Result<Step<Self::Output>, Error>;
}

/// Lets a host drive a machine that the caller looks into afterwards.
impl<F: Flow + ?Sized> Flow for &mut F {
    type Output = F::Output;

    fn step(&mut self, cx: &mut Cx<'_>, input: Input<'_>) -> Result<Step<Self::Output>, Error> {
        (**self).step(cx, input)
    }
}

/// What a machine needs now.
#[must_use = "a machine waits for the answer to its step"]
#[derive(Debug)]
pub enum Step<T> {
    /// Send this request and bring its response.
    Send(Request),
    /// Come back after this long.
    Wait(Millis),
    /// Ask somebody who is not an HTTP server: a person, a file, a key.
    Ask(Ask),
    /// Bring this part of a store that lies elsewhere into [`Cx::store`]. In-memory hosts answer at once.
    Load(Partition),
    /// Apply these changes to the store and persist them, then answer.
    Commit(Changes),
    /// The result. The machine is spent.
    Done(T),
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// Begin.
    Start,
    /// The response to the request.
    Response(Response<'a>),
    /// No response to the request.
    Failed(SendError),
    /// Time has passed.
    Woke,
    /// The answer to an [`Ask`].
    Answer(Answer<'a>),
    /// The partition is in the store now, or there is none.
    Loaded,
    /// The changes are applied and persisted, or not.
    Committed(Result<(), CommitError>),
}

/// A question to somebody who is not an HTTP server. Each can be answered with [`Answer::Failed`].
#[non_exhaustive]
#[derive(Clone)]
pub enum Ask {
    /// Open this address in the user's browser and bring what comes back to `redirect_uri`: [`Answer::Redirected`].
    OpenBrowser {
        /// The authorization request (RFC 6749 s4.1.1).
        url: Endpoint,
        /// Where the browser will come back to.
        redirect_uri: String,
    },
    /// Show a code to the user (RFC 8628 s3.3). A notice: [`Answer::Shown`] at once.
    ShowCode {
        /// What to type.
        user_code: String,
        /// Where to type it.
        verification_uri: String,
        /// The address with the code in it, for a QR code.
        verification_uri_complete: Option<String>,
        /// The server's own sentence.
        message: Option<String>,
        /// Seconds until the code is worthless.
        expires_in: u64,
    },
    /// Read a file: [`Answer::File`].
    ReadFile {
        /// The one folder it may lie in.
        dir: String,
        /// Its name, without any folder.
        name: String,
        /// Bytes it may have at the most.
        max_len: usize,
    },
    /// Sign with a key that the host holds: [`Answer::Signature`].
    Sign {
        /// Which key.
        key: KeyName,
        /// How.
        alg: Algorithm,
        /// What: the message itself, since some providers cannot sign a digest.
        message: Vec<u8>,
    },
    /// Bring the public half of a key that the host holds: [`Answer::PublicKey`].
    PublicKey {
        /// Which key.
        key: KeyName,
    },
    /// Make a new key pair and keep its private half: [`Answer::Generated`].
    GenerateKey {
        /// What it will sign with.
        alg: Algorithm,
    },
    /// Call the application for a client assertion (RFC 7521 s4.2): [`Answer::Assertion`]. Asked for each token request.
    Assertion {
        /// The client that is to be asserted.
        client_id: String,
        /// The audience.
        token_endpoint: String,
        /// Microsoft's federated managed identity path, when the request has one.
        fmi_path: Option<String>,
    },
}

/// The answer to an [`Ask`].
#[non_exhaustive]
#[derive(Clone)]
pub enum Answer<'a> {
    /// The user sees it.
    Shown,
    /// The parameters with which the browser came back, form-encoded.
    Redirected(&'a str),
    /// The file's content.
    File(&'a [u8]),
    /// A signature as JOSE wants it (RFC 7518 s3): for ES256 r and s, not DER.
    Signature(&'a [u8]),
    /// A public key.
    PublicKey {
        /// As a JWK (RFC 7517).
        jwk: &'a str,
        /// How the host protects the private half.
        protection: KeyProtection,
    },
    /// The name of the new key.
    Generated(KeyName),
    /// A client assertion.
    Assertion(&'a str),
    /// It cannot be answered.
    Failed(AskError),
}

/// The world as one step sees it.
pub struct Cx<'a> {
    /// The application.
    pub client: &'a Client,
    /// Tokens and memory, read-only.
    pub store: &'a Store,
    /// What time it is.
    pub clock: Clock,
    /// Random bytes.
    pub entropy: &'a mut dyn Entropy,
}

/// Inside one machine: the result of a part that may have to ask the host first. What comes after `else` is done only then:
/// it puts back what the next step needs.
macro_rules! ready {
    ($step:expr, else $put_back:expr) => {
        match $step {
            $crate::flow::Step::Done(done) => done,
            asked => {
                $put_back;
                return asked.not_done();
            }
        }
    };
    ($step:expr) => {
        match $step {
            $crate::flow::Step::Done(done) => done,
            $crate::flow::Step::Send(request) => return Ok($crate::flow::Step::Send(request)),
            $crate::flow::Step::Wait(span) => return Ok($crate::flow::Step::Wait(span)),
            $crate::flow::Step::Ask(ask) => return Ok($crate::flow::Step::Ask(ask)),
            $crate::flow::Step::Load(partition) => return Ok($crate::flow::Step::Load(partition)),
            $crate::flow::Step::Commit(changes) => return Ok($crate::flow::Step::Commit(changes)),
        }
    };
}
pub(crate) use ready;

impl<T> Step<T> {
    /// The same question of a machine with another result. Not for [`Step::Done`], which is no question.
    pub(crate) fn not_done<U>(self) -> Result<Step<U>, Error> {
        ready!(self);
        Err(Error::OutOfTurn)
    }
}

impl Ask {
    /// What is asked for, as it stands in [`Error::Unanswered`].
    pub const fn subject(&self) -> &'static str {
        match self {
            Self::OpenBrowser { .. } => "browser",
            Self::ShowCode { .. } => "display",
            Self::ReadFile { .. } => "file",
            Self::Sign { .. } => "signature",
            Self::PublicKey { .. } => "public key",
            Self::GenerateKey { .. } => "new key",
            Self::Assertion { .. } => "client assertion",
        }
    }
}

/// Shows what is asked for; addresses, codes and messages are personal or secret.
impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sign { key, alg, .. } => write!(f, "Sign({key}, {})", alg.as_str()),
            Self::PublicKey { key } => write!(f, "PublicKey({key})"),
            Self::GenerateKey { alg } => write!(f, "GenerateKey({})", alg.as_str()),
            other => write!(f, "Ask({})", other.subject()),
        }
    }
}

impl fmt::Debug for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(why) => write!(f, "Failed({why:?})"),
            Self::Shown => f.write_str("Shown"),
            Self::Generated(name) => write!(f, "Generated({name})"),
            _ => f.write_str("Answer(..)"),
        }
    }
}

impl fmt::Debug for Cx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cx").field("clock", &self.clock).finish_non_exhaustive()
    }
}
