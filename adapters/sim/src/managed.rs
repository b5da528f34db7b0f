//! The endpoints that give tokens of managed identities, as a machine in Azure sees them: pure, like
//! [`Platform`](crate::Platform); with the feature `server`, [`Server`] puts them on loopback.
//!
//! | path | who | what it wants to see |
//! |---|---|---|
//! | [`IMDS`] | metadata service of virtual machines (`api-version=2018-02-01`) | `Metadata: true` |
//! | [`IMDS`] | agent of Azure Arc (`api-version=2020-06-01`) | the same, and the content of a key file |
//! | [`APP_SERVICE`] | App Service | `X-IDENTITY-HEADER` |
//! | [`MACHINE_LEARNING`] | Machine Learning | `secret` |
//! | [`SERVICE_FABRIC`] | Service Fabric | `Secret` |
//! | [`CLOUD_SHELL`] | Cloud Shell, by `POST` | `Metadata: true` |

#[cfg(feature = "server")]
mod server;

use std::fmt;

use serde_json::{Value, json};

use crate::fault::{Fault, On};
use crate::message::{Request, Response, form};
#[cfg(feature = "server")]
pub use server::Server;

/// Path of the metadata service and of Azure Arc.
pub const IMDS: &str = "/metadata/identity/oauth2/token";
/// Path of App Service.
pub const APP_SERVICE: &str = "/msi/token";
/// Path of Machine Learning.
pub const MACHINE_LEARNING: &str = "/ml/token";
/// Path of Service Fabric.
pub const SERVICE_FABRIC: &str = "/sf/token";
/// Path of Cloud Shell.
pub const CLOUD_SHELL: &str = "/oauth2/token";
/// What the secret headers must hold. Public: for tests only.
pub const SECRET: &str = "s3cret-of-the-neighbour";
/// What the key file of Azure Arc must hold. Public: for tests only.
pub const ARC_KEY: &str = "s3cret-of-the-arc-agent";
/// Every token begins so.
pub const TOKEN: &str = "eyJ-simulated-managed-";

/// A user-assigned identity.
#[derive(Clone, Debug)]
pub struct UserAssigned {
    /// Its client (application) id.
    pub client_id: String,
    /// The object id of its service principal.
    pub object_id: String,
    /// Its resource id.
    pub resource_id: String,
}

/// All the endpoints together. They know the system-assigned identity and those that were added.
pub struct ManagedIdentities {
    user_assigned: Vec<UserAssigned>,
    lifetime: u64,
    /// The path that the challenge of Azure Arc names.
    arc_realm: String,
    faults: Vec<Fault>,
    requests: Vec<Request>,
    issued: u64,
}

impl ManagedIdentities {
    /// Tokens live a day; the key file of Azure Arc is `simulated.key`.
    pub fn new() -> Self {
        Self {
            user_assigned: Vec::new(),
            lifetime: 86_400,
            arc_realm: "/var/opt/azcmagent/tokens/simulated.key".to_owned(),
            faults: Vec::new(),
            requests: Vec::new(),
            issued: 0,
        }
    }

    /// Adds an identity.
    #[must_use]
    pub fn user_assigned(mut self, identity: UserAssigned) -> Self {
        self.user_assigned.push(identity);
        self
    }

    /// Seconds that tokens live.
    #[must_use]
    pub fn lifetime(mut self, seconds: u64) -> Self {
        self.lifetime = seconds;
        self
    }

    /// The path of the key file in the challenge of Azure Arc.
    #[must_use]
    pub fn arc_realm(mut self, path: &str) -> Self {
        path.clone_into(&mut self.arc_realm);
        self
    }

    /// Something goes wrong. Tokens are [`On::Token`], the first leg of Azure Arc too.
    pub fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Nothing goes wrong any more.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// Every request so far.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// How many tokens were given.
    pub fn issued(&self) -> u64 {
        self.issued
    }

    /// The answer to a request.
    pub fn answer(&mut self, request: &Request) -> Response {
        self.requests.push(request.clone());
        let what = self.faults.iter_mut().find_map(|fault| {
            let what = fault.what().clone();
            fault.strikes(&On::Token, request).then_some(what)
        });
        self.faults.retain(|fault| !fault.is_over());
        match what {
            Some(what) if !what.is_after_the_work() => what.spoil(Response::text(200, "text/plain", "")),
            Some(what) => what.spoil(self.work(request)),
            None => self.work(request),
        }
    }

    fn work(&mut self, request: &Request) -> Response {
        let query = request.query();
        let parameter = |name: &str| query.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        let version = parameter("api-version").unwrap_or_default();
        let header = |name: &str| request.header(name).unwrap_or_default();
        match (request.method.as_str(), request.path(), version) {
            ("GET", IMDS, "2018-02-01") if header("Metadata") != "true" => oauth(400, "invalid_request"),
            ("GET", IMDS, "2018-02-01") => match self.identity(&query) {
                Some(identity) => self.token(request, &query, identity.as_ref(), Lifetime::In),
                None => oauth(400, "invalid_request"),
            },
            ("GET", IMDS, "2020-06-01") if header("Authorization") == format!("Basic {ARC_KEY}") => {
                match self.identity(&query) {
                    Some(identity) => self.token(request, &query, identity.as_ref(), Lifetime::In),
                    None => oauth(404, "unknown_identity"),
                }
            }
            ("GET", IMDS, "2020-06-01") if header("Metadata") == "true" => Response::text(401, "text/plain", "")
                .header("WWW-Authenticate", &format!("Basic realm={}", self.arc_realm)),
            ("GET", APP_SERVICE, "2019-08-01") if header("X-IDENTITY-HEADER") == SECRET => {
                match self.identity(&query) {
                    Some(identity) => self.token(request, &query, identity.as_ref(), Lifetime::On),
                    None => plain(400, "No User Assigned or Delegated Managed Identity found"),
                }
            }
            ("GET", APP_SERVICE, _) => plain(401, "Unauthorized"),
            ("GET", MACHINE_LEARNING, "2017-09-01") if header("secret") == SECRET => match self.identity(&query) {
                Some(identity) => self.token(request, &query, identity.as_ref(), Lifetime::On),
                None => plain(400, "no such identity"),
            },
            ("GET", MACHINE_LEARNING, _) => plain(401, "Unauthorized"),
            ("GET", SERVICE_FABRIC, "2019-07-01-preview") if header("Secret") == SECRET => {
                self.token(request, &query, None, Lifetime::On)
            }
            ("GET", SERVICE_FABRIC, _) => fabric(400, "SecretHeaderNotFound"),
            ("POST", CLOUD_SHELL, _) if header("Metadata") == "true" => {
                let fields = form(request).unwrap_or_default();
                self.token(request, &fields, None, Lifetime::In)
            }
            ("POST", CLOUD_SHELL, _) => fabric(400, "BadRequest"),
            _ => oauth(404, "not_found"),
        }
    }

    /// The identity that is selected: none is the system-assigned one; `None` outside: an unknown one.
    fn identity(&self, query: &[(String, String)]) -> Option<Option<UserAssigned>> {
        let selects = |name: &str| matches!(name, "client_id" | "clientid" | "object_id" | "msi_res_id" | "mi_res_id");
        let Some((name, id)) = query.iter().find(|(name, _)| selects(name)) else { return Some(None) };
        let found = self.user_assigned.iter().find(|identity| match name.as_str() {
            "client_id" | "clientid" => identity.client_id == *id,
            "object_id" => identity.object_id == *id,
            _ => identity.resource_id == *id,
        });
        found.cloned().map(Some)
    }

    fn token(
        &mut self,
        request: &Request,
        parameters: &[(String, String)],
        identity: Option<&UserAssigned>,
        lifetime: Lifetime,
    ) -> Response {
        let Some((_, resource)) = parameters.iter().find(|(name, _)| name == "resource") else {
            return oauth(400, "invalid_request");
        };
        self.issued = self.issued.saturating_add(1);
        let mut token = json!({
            "access_token": format!("{TOKEN}{}", self.issued),
            "resource": resource,
            "token_type": "Bearer",
        });
        let (name, value) = match lifetime {
            Lifetime::In => ("expires_in", self.lifetime),
            Lifetime::On => ("expires_on", request.now.saturating_add(self.lifetime)),
        };
        set(&mut token, name, value.to_string());
        if let Some(identity) = identity {
            set(&mut token, "client_id", identity.client_id.clone());
            set(&mut token, "object_id", identity.object_id.clone());
            set(&mut token, "msi_res_id", identity.resource_id.clone());
        }
        Response::json(200, &token)
    }
}

impl Default for ManagedIdentities {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ManagedIdentities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagedIdentities").field("issued", &self.issued).finish_non_exhaustive()
    }
}

/// How a source says how long a token lives.
#[derive(Clone, Copy)]
enum Lifetime {
    In,
    On,
}

fn set(document: &mut Value, name: &str, value: String) {
    if let Value::Object(members) = document {
        members.insert(name.to_owned(), value.into());
    }
}

fn oauth(status: u16, error: &str) -> Response {
    Response::json(status, &json!({ "error": error, "error_description": "sansal-sim says no" }))
}

fn plain(status: u16, message: &str) -> Response {
    Response::json(status, &json!({ "statusCode": status, "message": message }))
}

fn fabric(status: u16, code: &str) -> Response {
    Response::json(status, &json!({ "error": { "code": code, "message": "sansal-sim says no" } }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_must_show_what() {
        let mut neighbours = ManagedIdentities::new();
        let cases: &[(&str, &str, &str, &str, u16)] = &[
            (IMDS, "2018-02-01", "Metadata", "true", 200),
            (IMDS, "2018-02-01", "X", "true", 400),
            (IMDS, "2020-06-01", "Metadata", "true", 401),
            (IMDS, "2020-06-01", "Authorization", "Basic s3cret-of-the-arc-agent", 200),
            (IMDS, "2020-06-01", "Authorization", "Basic other", 404),
            (APP_SERVICE, "2019-08-01", "X-IDENTITY-HEADER", SECRET, 200),
            (APP_SERVICE, "2019-08-01", "X-IDENTITY-HEADER", "other", 401),
            (MACHINE_LEARNING, "2017-09-01", "secret", SECRET, 200),
            (MACHINE_LEARNING, "2017-09-01", "secret", "", 401),
            (SERVICE_FABRIC, "2019-07-01-preview", "Secret", SECRET, 200),
            (SERVICE_FABRIC, "2019-07-01-preview", "Secret", "x", 400),
            (IMDS, "2099-01-01", "Metadata", "true", 404),
        ];
        for (path, version, name, value, status) in cases {
            let mut request = Request::get("h", &format!("{path}?api-version={version}&resource=r"), 1);
            request.headers.push(((*name).to_owned(), (*value).to_owned()));
            assert_eq!(neighbours.answer(&request).status, *status, "{path} {version} {name}");
        }
        let mut shell = Request::form("h", CLOUD_SHELL, &[("resource", "r")], 1);
        assert_eq!(neighbours.answer(&shell).status, 400);
        shell.headers.push(("Metadata".to_owned(), "true".to_owned()));
        assert_eq!(neighbours.answer(&shell).status, 200);
        assert_eq!((neighbours.issued(), neighbours.requests().len()), (6, cases.len() + 2));
    }
}
