//! The values of `prompt` and `response_mode`.

use core::fmt;

/// What the server shows the user (OpenID Connect Core s3.1.2.1; `create` is Initiating User Registration 1.0).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// Nothing: fail with `login_required` or `interaction_required` rather than ask.
    None,
    /// The sign-in, even if there is a session.
    Login,
    /// The consent, even if it was given.
    Consent,
    /// A choice of accounts.
    SelectAccount,
    /// The registration of a new user.
    Create,
}

impl Prompt {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::None, Self::Login, Self::Consent, Self::SelectAccount, Self::Create];

    /// The value on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Login => "login",
            Self::Consent => "consent",
            Self::SelectAccount => "select_account",
            Self::Create => "create",
        }
    }

    /// From the value on the wire.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|prompt| prompt.as_str() == text)
    }
}

impl fmt::Display for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the browser brings the answer back (OAuth 2.0 Multiple Response Types s2.1; Form Post Response Mode).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseMode {
    /// In the body of a POST: the code is in no history and in no log.
    FormPost,
    /// In the query of the redirect address.
    Query,
}

impl ResponseMode {
    /// The value on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FormPost => "form_post",
            Self::Query => "query",
        }
    }
}

impl fmt::Display for ResponseMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
