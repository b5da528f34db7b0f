//! What goes wrong on purpose: which requests, how often, and how.

use std::time::Duration;

use crate::message::{Delivery, Request, Response, form};

/// Something that goes wrong with the next requests of a kind.
///
/// ```
/// use sansal_sim::{Fault, On, What};
/// let busy = Fault::new(On::Token, What::Status { code: 429, retry_after: Some(2) }).times(3);
/// # let _ = busy;
/// ```
#[derive(Clone, Debug)]
pub struct Fault {
    on: On,
    left: u32,
    what: What,
}

/// Which requests a [`Fault`] is for.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum On {
    /// All.
    Any,
    /// Instance discovery.
    Instance,
    /// Provider metadata.
    Metadata,
    /// The JWK set.
    Keys,
    /// The region of the machine, at the instance metadata service.
    Region,
    /// Token requests.
    Token,
    /// Token requests with this `grant_type`: whole, or what stands behind its last colon (`device_code`).
    Grant(String),
    /// The authorization endpoint, its form too.
    Authorize,
    /// Device authorization requests, not the polls.
    Device,
    /// The protected resource.
    Resource,
    /// The realms of users.
    UserRealm,
    /// The federation server: its description, and sign-ins.
    Federation,
    /// Paths in which this text stands.
    Path(String),
}

/// What goes wrong.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// This status with an OAuth error, and `Retry-After` in seconds.
    Status {
        /// The status code.
        code: u16,
        /// Seconds for the header, where it is sent.
        retry_after: Option<u64>,
    },
    /// The right answer, late.
    Delay(Duration),
    /// The right answer, of which only half of the body arrives.
    CutBody,
    /// The right status and type, and a body that is no JSON.
    Garbage,
    /// The right answer with white space behind it, so that the body has this many bytes.
    Oversize(usize),
    /// 200 and a page for people, as captive portals send it.
    Html,
    /// The connection is reset before an answer.
    Reset,
    /// The connection stays open and silent.
    NoAnswer,
    /// The right answer as `text/plain`.
    WrongContentType,
    /// 302 to this address.
    Redirect(String),
    /// The right answer, a byte at a time with this time between two.
    SlowDrip(Duration),
    /// Exactly this.
    Answer(Response),
}

impl Fault {
    /// For the next such request.
    pub fn new(on: On, what: What) -> Self {
        Self { on, left: 1, what }
    }

    /// For this many requests.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.left = times;
        self
    }

    /// Until [`clear_faults`](crate::Platform::clear_faults).
    #[must_use]
    pub fn always(self) -> Self {
        self.times(u32::MAX)
    }

    /// Whether it is for this request; counts it if so.
    pub(crate) fn strikes(&mut self, kind: &On, request: &Request) -> bool {
        let meant = match &self.on {
            On::Any => true,
            On::Path(part) => request.path().contains(part.as_str()),
            On::Grant(name) => *kind == On::Token && is_grant(name, &grant_type(request)),
            on => on == kind,
        };
        if !meant || self.left == 0 {
            return false;
        }
        if self.left != u32::MAX {
            self.left = self.left.saturating_sub(1);
        }
        true
    }

    pub(crate) fn is_over(&self) -> bool {
        self.left == 0
    }

    pub(crate) fn what(&self) -> &What {
        &self.what
    }
}

/// The `grant_type` of a token request, nothing where there is none.
pub(crate) fn grant_type(request: &Request) -> String {
    let fields = form(request).unwrap_or_default();
    fields.into_iter().find(|(name, _)| name == "grant_type").map(|(_, value)| value).unwrap_or_default()
}

/// Whether a grant type is the one that is called so.
pub(crate) fn is_grant(name: &str, grant_type: &str) -> bool {
    grant_type == name || grant_type.rsplit(':').next() == Some(name)
}

impl What {
    /// Whether the platform does its work before this goes wrong, or never sees the request.
    pub(crate) fn is_after_the_work(&self) -> bool {
        !matches!(self, Self::Status { .. } | Self::Html | Self::Redirect(_) | Self::Answer(_))
    }

    /// What becomes of the right answer.
    pub(crate) fn spoil(&self, right: Response) -> Response {
        let delivered = |delivery| Response { delivery, ..right.clone() };
        match self {
            Self::Status { code, retry_after } => {
                let name = if *code < 500 { "temporarily_unavailable" } else { "server_error" };
                let document = serde_json::json!({ "error": name, "error_description": "a fault of sansal-sim" });
                let response = Response::json(*code, &document);
                match retry_after {
                    Some(seconds) => response.header("Retry-After", &seconds.to_string()),
                    None => response,
                }
            }
            Self::Delay(span) => delivered(Delivery::After(*span)),
            Self::CutBody => delivered(Delivery::Cut),
            Self::Garbage => Response { body: b"{\"access_token\":\"tru\x00".to_vec(), ..right },
            Self::Oversize(length) => {
                let mut body = right.body;
                body.resize((*length).max(body.len()), b' ');
                Response { body, ..right }
            }
            Self::Html => {
                Response::text(200, "text/html; charset=utf-8", "<!doctype html><title>Welcome to our network</title>")
            }
            Self::Reset => delivered(Delivery::Reset),
            Self::NoAnswer => delivered(Delivery::Never),
            Self::WrongContentType => {
                Response { headers: vec![("Content-Type".to_owned(), "text/plain".to_owned())], ..right }
            }
            Self::Redirect(to) => Response::text(302, "text/plain", "").header("Location", to),
            Self::SlowDrip(span) => delivered(Delivery::Drip(*span)),
            Self::Answer(response) => response.clone(),
        }
    }
}
