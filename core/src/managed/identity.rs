//! Which identity of a machine is meant (section 4.14.1 of the reference).

use alloc::string::String;
use core::fmt;

use crate::error::Config;

/// An identity that Azure manages for a machine or service. The names are those of MSAL.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[doc(alias = "SystemAssignedManagedIdentity")]
#[doc(alias = "UserAssignedManagedIdentity")]
pub enum ManagedIdentity {
    /// The one that lives and dies with the machine.
    SystemAssigned,
    /// A user-assigned one, by its client (application) id.
    ClientId(String),
    /// A user-assigned one, by the object id of its service principal.
    ObjectId(String),
    /// A user-assigned one, by its Azure resource id, `/subscriptions/…/userAssignedIdentities/…`.
    ResourceId(String),
}

impl ManagedIdentity {
    /// The id of a user-assigned identity. It is MSAL's `client_id` in the cache, of whichever kind it is.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::SystemAssigned => None,
            Self::ClientId(id) | Self::ObjectId(id) | Self::ResourceId(id) => Some(id),
        }
    }

    /// MSAL's name of the kind (`ManagedIdentityIdType`).
    pub const fn id_type(&self) -> &'static str {
        match self {
            Self::SystemAssigned => "SystemAssigned",
            Self::ClientId(_) => "ClientId",
            Self::ObjectId(_) => "ObjectId",
            Self::ResourceId(_) => "ResourceId",
        }
    }

    /// A user-assigned identity has an id.
    ///
    /// # Errors
    /// [`Config::ManagedIdentity`] when it is empty.
    pub fn check(&self) -> Result<(), Config> {
        match self.id() {
            Some("") => Err(Config::ManagedIdentity("the id of the user-assigned identity is empty")),
            _ => Ok(()),
        }
    }

    /// The parameter that selects the identity, in the words of one platform.
    pub(super) fn selector(&self, names: Selector) -> Option<(&'static str, &str)> {
        match self {
            Self::SystemAssigned => None,
            Self::ClientId(id) => Some((names.client_id, id)),
            Self::ObjectId(id) => Some((names.object_id, id)),
            Self::ResourceId(id) => Some((names.resource_id, id)),
        }
    }
}

/// What the parameters of a platform are called.
#[derive(Clone, Copy)]
pub(super) struct Selector {
    pub(super) client_id: &'static str,
    pub(super) object_id: &'static str,
    pub(super) resource_id: &'static str,
}

/// The kind with the id; an id is not a secret.
impl fmt::Display for ManagedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id() {
            None => f.write_str("the system-assigned identity"),
            Some(id) => write!(f, "the user-assigned identity with {} {id}", self.id_type()),
        }
    }
}
