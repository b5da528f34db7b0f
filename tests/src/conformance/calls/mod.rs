//! One function a call of the recordings, each of which does it with the core. A call that is not in the table is not
//! built yet, and its recordings are not supported.

mod authorization;
mod client_credentials;
mod cloud_shell;
mod device_code;
mod functions;
mod init;
mod managed_identity;
mod token_cache;
mod users;
mod username_password;

use std::collections::BTreeMap;

use super::arguments::Argument;
use super::bound::Reference;
use super::outcome::{Outcome, Stop};
use super::server::Server;
use super::stage::Stage;

/// A call of the recordings, done with the core.
pub type Call = fn(&mut Stage<'_>, &mut Turn<'_, '_, '_, '_>) -> Result<Outcome, Stop>;

const CALLS: &[(&str, Call)] = &[
    ("__init__", init::init),
    ("acquire_token_for_client", client_credentials::acquire_token_for_client),
    ("remove_tokens_for_client", client_credentials::remove_tokens_for_client),
    ("initiate_auth_code_flow", authorization::initiate),
    ("acquire_token_by_auth_code_flow", authorization::redeem),
    ("acquire_token_interactive", authorization::interactive),
    ("get_authorization_request_url", authorization::legacy_url),
    ("acquire_token_by_authorization_code", authorization::legacy_redeem),
    ("get_managed_identity_source", managed_identity::source),
    ("SystemAssignedManagedIdentity", managed_identity::system_assigned),
    ("UserAssignedManagedIdentity", managed_identity::user_assigned),
    ("acquire_token_silent", users::acquire_token_silent),
    ("acquire_token_silent_with_error", users::silent),
    ("get_accounts", users::get_accounts),
    ("remove_account", users::remove_account),
    ("acquire_token_on_behalf_of", users::on_behalf_of),
    ("acquire_token_by_user_federated_identity_credential", users::user_fic),
    ("acquire_token_by_refresh_token", users::refresh_token),
    ("acquire_token_by_username_password", username_password::acquire_token_by_username_password),
    ("PopAuthScheme", functions::pop_auth_scheme),
    ("is_pop_supported", functions::is_pop_supported),
    ("initiate_device_flow", device_code::initiate_device_flow),
    ("acquire_token_by_device_flow", device_code::acquire_token_by_device_flow),
    ("decode_part", functions::decode_part),
    ("decode_id_token", functions::decode_id_token),
    ("extract_certs", functions::extract_certs),
    ("token_cache.add", token_cache::add),
    ("token_cache.search", token_cache::search),
    ("token_cache.find", token_cache::search),
    ("token_cache.modify", token_cache::modify),
    ("token_cache.update_rt", token_cache::update_rt),
    ("token_cache.remove_rt", token_cache::remove_rt),
    ("token_cache.remove_at", token_cache::remove_at),
    ("token_cache.remove_idt", token_cache::remove_idt),
    ("token_cache.remove_account", token_cache::remove_account),
    ("token_cache.serialize", token_cache::serialize),
    ("token_cache.deserialize", token_cache::deserialize),
    ("token_cache.has_state_changed", token_cache::has_state_changed),
];

pub use managed_identity::ARC_TOKEN_DIR;
pub use token_cache::whole as whole_cache;

/// The function of a call, where it is built.
pub fn named(name: &str) -> Option<Call> {
    CALLS.iter().find(|(known, _)| *known == name).map(|(_, call)| *call)
}

/// One call: on which application, with what, and the servers it will meet.
#[derive(Debug)]
pub struct Turn<'a, 't, 'm, 'r> {
    /// Which application.
    pub on: &'a str,
    /// The name by which later calls refer to what this one returns.
    pub bind: Option<&'a str>,
    /// The arguments, read.
    pub args: Arguments,
    /// The servers.
    pub server: Server<'t, 'm, 'r>,
}

/// Arguments by name. Each is to be taken; one that is left over is not supported.
#[derive(Debug)]
pub struct Arguments(BTreeMap<String, Argument>);

impl Arguments {
    /// From what was read.
    pub fn new(arguments: BTreeMap<String, Argument>) -> Self {
        Self(arguments)
    }

    /// Takes an argument; one that was not passed is `None`.
    pub fn take(&mut self, name: &str) -> Argument {
        self.0.remove(name).unwrap_or(Argument::None)
    }

    /// Whether an argument is this text.
    pub fn is_text(&self, name: &str, text: &str) -> bool {
        matches!(self.0.get(name), Some(Argument::Text(own)) if own == text)
    }

    /// Whether an argument was not passed, or is `None`.
    pub fn is_none(&self, name: &str) -> bool {
        matches!(self.0.get(name), None | Some(Argument::None))
    }

    /// Whether an argument was passed.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Takes a text that may be absent. Anything else is not writable in Rust.
    pub fn take_text(&mut self, name: &str) -> Result<Option<String>, Outcome> {
        match self.take(name) {
            Argument::None => Ok(None),
            Argument::Text(text) => Ok(Some(text)),
            _ => Err(Outcome::refused_by_type(&format!("{name} must be a text"))),
        }
    }

    /// Takes a bound object. Anything else, the result of a failed call among it, is not writable in Rust.
    pub fn take_bound(&mut self, name: &str) -> Result<Reference, Outcome> {
        match self.take(name) {
            Argument::Bound(reference) => Ok(reference),
            _ => Err(Outcome::refused_by_type(&format!("{name} must be what an earlier call returned"))),
        }
    }

    /// Says that all arguments are taken.
    ///
    /// # Errors
    /// One is left: the call has it in the reference, but not here.
    pub fn finish(&self) -> Result<(), Stop> {
        match self.0.keys().next() {
            Some(name) => Err(Stop::Unsupported(format!("the argument {name}"))),
            None => Ok(()),
        }
    }
}
