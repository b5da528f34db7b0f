//! How a failure ends the program: one line on standard error, and a code that scripts can tell apart.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use sansal_std::sansal::error::{CertError, Refusal, SendError, TlsReason};
use sansal_std::{EnvironmentError, Error, SetupError};

use crate::output::one_line;

/// A line that says what to do, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    line: String,
    code: u8,
}

impl Failure {
    /// The command or the configuration is wrong.
    pub(crate) fn usage(line: impl Display) -> Self {
        Self { line: line.to_string(), code: 2 }
    }

    /// This machine failed.
    pub(crate) fn local(line: impl Display) -> Self {
        Self { line: line.to_string(), code: 6 }
    }

    /// A person has to sign in.
    pub(crate) fn person(line: impl Display) -> Self {
        Self { line: line.to_string(), code: 7 }
    }

    /// Writes the line. A closed standard error changes nothing.
    pub(crate) fn report(&self) -> ExitCode {
        let _ = writeln!(io::stderr(), "sansal: {}", one_line(&self.line));
        ExitCode::from(self.code)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Refused(_) | Error::Fault(_) | Error::IdToken(_) | Error::Token(_) => 1,
            Error::Config(_) => 2,
            Error::Unreachable { .. } => 3,
            Error::Throttled { .. } => 4,
            Error::BadResponse { .. } => 5,
            Error::InteractionRequired { .. } | Error::Expired { .. } => 7,
            _ => 6,
        };
        // What servers call a person's no (RFC 6749 s4.1.2.1, RFC 8628 s3.5; the second is Entra's).
        match error.refusal().map(Refusal::error) {
            Some("access_denied" | "authorization_declined") => {
                Self { line: format!("the sign-in was declined: {error}"), code }
            }
            _ if matches!(&error, Error::Unreachable { why: SendError::Tls(TlsReason::UnknownIssuer), .. }) => {
                Self { line: format!("{error} (--ca FILE)"), code }
            }
            _ => Self { line: error.to_string(), code },
        }
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::InFile { why: CertError::PassphraseMissing, .. } => {
                Self::usage(format_args!("{error} (--passphrase-file or --passphrase-env)"))
            }
            SetupError::Client(error) => error.into(),
            SetupError::Environment(error) => error.into(),
            SetupError::File { .. } => Self::local(error),
            other => Self::usage(other),
        }
    }
}

impl From<EnvironmentError> for Failure {
    fn from(error: EnvironmentError) -> Self {
        match error {
            EnvironmentError::Missing("AZURE_CLIENT_ID") => Self::usage(format_args!("give --client-id, or {error}")),
            EnvironmentError::Missing(which) if which.contains("AZURE_TENANT_ID") => {
                Self::usage(format_args!("give --tenant, --authority or --issuer, or {error}"))
            }
            _ => Self::usage(error),
        }
    }
}
