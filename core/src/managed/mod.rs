//! Managed identities: tokens from the machine itself (section 4.14 of the reference). The second small machine.
//!
//! | file | what for |
//! |---|---|
//! | `identity` | which identity is meant |
//! | `environment` | what the host's variables say, and which source they mean |
//! | `acquire` | the machine: look up, ask, check, commit |
//! | `imds` … `cloud_shell` | one file a platform: its request, its answer |
//! | `answer` | what all answers have in common |

mod acquire;
mod answer;
mod app_service;
mod azure_arc;
mod cloud_shell;
mod environment;
mod identity;
mod imds;
mod machine_learning;
mod request;
mod service_fabric;
mod user;

pub use acquire::AcquireManagedIdentity;
pub use cloud_shell::resource_of as cloud_shell_resource;
pub use environment::{ManagedIdentityEnvironment, ManagedIdentitySource, get_managed_identity_source};
pub use identity::ManagedIdentity;
pub use request::ManagedIdentityRequest;
pub use user::{AUTHORITY_TYPE as CLOUD_SHELL_AUTHORITY_TYPE, AcquireCloudShell, CloudShellRequest};

/// Where tokens of managed identities lie in the cache: MSAL's `environment` for them. No host is asked under that name.
pub const ENVIRONMENT: &str = "localhost";
/// MSAL's `realm` for tokens of managed identities.
pub const REALM: &str = "managed_identity";
/// MSAL's placeholder for the `client_id` of the system-assigned identity.
pub const SYSTEM_ASSIGNED: &str = "SYSTEM_ASSIGNED_MANAGED_IDENTITY";
