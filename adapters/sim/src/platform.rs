//! The platform: what is registered, what is switched, and which room answers which path.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::chance::Chance;
use crate::directory::{Application, Resource, Tenant};
use crate::fault::{Fault, On, grant_type, is_grant};
use crate::federation::Federation;
use crate::material::{CLIENT_CERTIFICATE, InvalidKey};
use crate::message::{Request, Response, unescape};
use crate::realm::{CLOUDS, Realm, cloud_of, is_for_many};
use crate::refusal::Refusal;
use crate::session::Desk;
use crate::signing::SigningKeys;
use crate::user::User;

/// The tenant of [`Platform::contoso`].
pub const CONTOSO_TENANT: &str = "7e3a0b52-1d4f-4c8e-9b6a-2f5d8c1e4a70";
/// The application of [`Platform::contoso`].
pub const CONTOSO_CLIENT: &str = "c0ffee00-aaaa-4bbb-8ccc-123456789abc";
/// Its secret. **Public.**
pub const CONTOSO_SECRET: &str = "contoso-public-test-secret";

/// The public client of [`Platform::contoso`].
pub const CONTOSO_PUBLIC: &str = "c0ffee00-bbbb-4ccc-8ddd-123456789abc";
/// The user of [`Platform::contoso`].
pub const CONTOSO_USER: &str = "adele@contoso.onmicrosoft.com";
/// Its password. **Public.**
pub const CONTOSO_PASSWORD: &str = "contoso-public-test-password";
/// Its object id.
pub const CONTOSO_USER_ID: &str = "a0e1e000-1111-4222-8333-000000000001";

/// A simulated identity platform. It serves Entra's paths under every host name it is asked by.
#[derive(Debug)]
pub struct Platform {
    pub(crate) applications: Vec<Application>,
    pub(crate) resources: Vec<Resource>,
    pub(crate) claims_challenge: Option<String>,
    pub(crate) lifetime: u64,
    pub(crate) refresh_in: Option<u64>,
    pub(crate) client_info: bool,
    pub(crate) refuse_replays: bool,
    pub(crate) seen: BTreeMap<(String, String), u64>,
    pub(crate) keys: SigningKeys,
    pub(crate) chance: Chance,
    pub(crate) issued: u64,
    region: Option<String>,
    federation: Option<Federation>,
    pub(crate) desk: Desk,
    tenants: Vec<Tenant>,
    issuers: Vec<String>,
    hosts: Vec<String>,
    faults: Vec<Fault>,
    asked: Vec<On>,
    grants: Vec<String>,
}

impl Platform {
    /// Nobody is registered yet. The same seed and requests give the same answers.
    ///
    /// # Errors
    /// [`InvalidKey`] when the keys in this crate cannot be used, which its tests rule out.
    pub fn new(seed: u64) -> Result<Self, InvalidKey> {
        Ok(Self {
            applications: Vec::new(),
            resources: Vec::new(),
            claims_challenge: None,
            lifetime: 3599,
            refresh_in: None,
            client_info: false,
            refuse_replays: false,
            seen: BTreeMap::new(),
            keys: SigningKeys::new()?,
            chance: Chance::new(seed),
            issued: 0,
            region: None,
            federation: None,
            desk: Desk::new(),
            tenants: Vec::new(),
            issuers: Vec::new(),
            hosts: Vec::new(),
            faults: Vec::new(),
            asked: Vec::new(),
            grants: Vec::new(),
        })
    }

    /// The tenant [`CONTOSO_TENANT`] (`contoso.onmicrosoft.com`), in it the application [`CONTOSO_CLIENT`] with
    /// [`CONTOSO_SECRET`], [`CLIENT_CERTIFICATE`] and `https://app.contoso.example/signin`; the public client
    /// [`CONTOSO_PUBLIC`] on loopback; the user [`CONTOSO_USER`]; the resource `https://graph.microsoft.com` with
    /// `User.Read` and `Mail.Read`.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn contoso(seed: u64) -> Result<Self, InvalidKey> {
        let app = Application::new(CONTOSO_CLIENT).secret(CONTOSO_SECRET).certificate(CLIENT_CERTIFICATE)?;
        let public = ["http://localhost", "http://127.0.0.1", "http://[::1]"];
        let public = public.into_iter().fold(Application::new(CONTOSO_PUBLIC).public(), Application::redirect_uri);
        let graph = Resource::new("https://graph.microsoft.com").role("Directory.Read.All");
        let user = User::new(CONTOSO_TENANT, CONTOSO_USER_ID, CONTOSO_USER, CONTOSO_PASSWORD);
        Ok(Self::new(seed)?
            .tenant(Tenant::new(CONTOSO_TENANT).domain("contoso.onmicrosoft.com"))
            .application(app.redirect_uri("https://app.contoso.example/signin"))
            .application(public)
            .user(user.display_name("Adele Vance"))
            .resource(graph.scope("User.Read").scope("Mail.Read")))
    }

    /// Registers a tenant of Entra.
    #[must_use]
    pub fn tenant(mut self, tenant: Tenant) -> Self {
        self.tenants.push(tenant);
        self
    }

    /// Registers an issuer that is not Entra: metadata at `/{path}/.well-known/openid-configuration`. AD FS is always
    /// there, at `/adfs`.
    #[must_use]
    pub fn issuer(mut self, path: &str) -> Self {
        self.issuers.push(path.trim_matches('/').to_owned());
        self
    }

    /// Registers an application.
    #[must_use]
    pub fn application(mut self, application: Application) -> Self {
        self.applications.push(application);
        self
    }

    /// Registers a resource.
    #[must_use]
    pub fn resource(mut self, resource: Resource) -> Self {
        self.resources.push(resource);
        self
    }

    /// A host that instance discovery vouches for, beside Microsoft's and the one under which it is asked.
    #[must_use]
    pub fn known_host(mut self, host: &str) -> Self {
        self.hosts.push(host.to_owned());
        self
    }

    /// Answers as Azure's instance metadata service too, on a machine in this region: `/metadata/instance/compute`. It is
    /// for your HTTP client to send requests for 169.254.169.254 here.
    #[must_use]
    pub fn region(mut self, name: &str) -> Self {
        self.region = Some(name.to_owned());
        self
    }

    /// Users of this domain sign in at a federation server. They have to be users of the platform too, by the same name,
    /// since tokens are about those.
    #[must_use]
    pub fn federation(mut self, federation: Federation) -> Self {
        self.federation = Some(federation);
        self
    }

    /// Seconds that tokens count. Default: 3599, as at Entra.
    #[must_use]
    pub fn lifetime(mut self, seconds: u64) -> Self {
        self.lifetime = seconds;
        self
    }

    /// Sends `refresh_in` with these seconds.
    #[must_use]
    pub fn refresh_in(mut self, seconds: u64) -> Self {
        self.refresh_in = Some(seconds);
        self
    }

    /// Sends `client_info` to those who ask for it. Off by default: Entra names no user for an application's own token.
    #[must_use]
    pub fn client_info(mut self) -> Self {
        self.client_info = true;
        self
    }

    /// Refuses an assertion whose `jti` it has seen. Off by default, as at Entra: MSALs use one assertion several times.
    #[must_use]
    pub fn refuse_replays(mut self) -> Self {
        self.refuse_replays = true;
        self
    }

    /// From now on refuses token requests without `claims`, with this claims challenge; `None`: no longer.
    pub fn challenge_claims(&mut self, claims: Option<&str>) {
        self.claims_challenge = claims.map(str::to_owned);
    }

    /// From now on signs with another key. The key before it stays published until the next rotation.
    pub fn rotate_keys(&mut self) {
        self.keys.rotate();
    }

    /// Adds a fault. Of several that are for one request the one that was added first strikes.
    pub fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Everything goes right again.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// How many tokens were signed, those that a fault kept from arriving too.
    pub fn issued(&self) -> u64 {
        self.issued
    }

    /// How many requests of this kind came in; for [`On::Path`] none are counted.
    pub fn asked(&self, kind: &On) -> usize {
        match kind {
            On::Grant(name) => self.grants.iter().filter(|own| is_grant(name, own)).count(),
            kind => self.asked.iter().filter(|own| *kind == On::Any || *own == kind).count(),
        }
    }

    /// Answers a request. Does no I/O; a [`Delivery`](crate::Delivery) other than whole is for the transport to act out.
    pub fn answer(&mut self, request: &Request) -> Response {
        let route = self.route(request);
        let kind = route.as_ref().map_or(On::Any, Route::kind);
        self.asked.push(kind.clone());
        if kind == On::Token {
            self.grants.push(grant_type(request));
        }
        let fault =
            self.faults.iter_mut().find_map(|fault| fault.strikes(&kind, request).then(|| fault.what().clone()));
        self.faults.retain(|fault| !fault.is_over());
        match fault {
            None => self.right_answer(route, request),
            Some(what) if what.is_after_the_work() => what.spoil(self.right_answer(route, request)),
            Some(what) => what.spoil(Response::text(500, "text/plain", "")),
        }
    }

    fn right_answer(&mut self, route: Result<Route, Refusal>, request: &Request) -> Response {
        let entra = !matches!(&route, Ok(Route::Token(realm) | Route::Device(realm)) if realm.tenant().is_none());
        let answer = match route {
            Err(refusal) => Err(refusal),
            Ok(Route::Instance) => self.instance(request),
            Ok(Route::Metadata(realm)) => Ok(Response::json(200, &realm.metadata(&request.host))),
            Ok(Route::Keys) => Ok(Response::json(200, &self.keys.published())),
            Ok(Route::Region(region)) => Ok(Response::json(200, &json!({ "location": region }))),
            Ok(Route::Token(realm)) => self.token(&realm, request),
            Ok(Route::Authorize(realm)) => Ok(self.authorize(&realm, request)),
            Ok(Route::Device(realm)) => self.device(&realm, request),
            Ok(Route::Verification) => Ok(self.verification(request)),
            Ok(Route::Resource) => Ok(self.protected(request)),
            Ok(Route::UserRealm(name)) => Ok(Response::json(200, &self.user_realm(&name, &request.host))),
            Ok(Route::Federation) => self.federation_server(request),
        };
        match answer {
            Ok(response) => response,
            Err(refusal) if entra => refusal.entra(request, &mut self.chance),
            Err(refusal) => refusal.plain(),
        }
    }

    fn route(&self, request: &Request) -> Result<Route, Refusal> {
        let path: Vec<&str> = request.path().split('/').filter(|part| !part.is_empty()).collect();
        let get = request.method == "GET";
        let post = request.method == "POST";
        let joined = path.join("/");
        let below = |base: &String| joined.strip_prefix(base.as_str())?.strip_prefix('/').map(str::to_owned);
        if let Some((base, rest)) = self.issuers.iter().find_map(|base| Some((base, below(base)?))) {
            let realm = Realm::Issuer(base.clone());
            return match rest.as_str() {
                ".well-known/openid-configuration" if get => Ok(Route::Metadata(realm)),
                "jwks" if get => Ok(Route::Keys),
                "token" if post => Ok(Route::Token(realm)),
                "authorize" if get || post => Ok(Route::Authorize(realm)),
                "devicecode" if post => Ok(Route::Device(realm)),
                "device" if get || post => Ok(Route::Verification),
                _ => Err(Refusal::not_found()),
            };
        }
        match path.as_slice() {
            ["common", "userrealm", name] if get => Ok(Route::UserRealm(unescape(name))),
            ["adfs", "services", "trust", ..] => Ok(Route::Federation),
            ["common", "discovery", "instance"] if get => Ok(Route::Instance),
            // Without this header the service answers nobody: no page in a browser can make another send it.
            ["metadata", "instance", "compute"] if get && request.header("metadata") == Some("true") => {
                self.region.clone().map(Route::Region).ok_or(Refusal::not_found())
            }
            ["adfs", ".well-known", "openid-configuration"] if get => Ok(Route::Metadata(Realm::Adfs)),
            ["adfs", "discovery", "keys"] if get => Ok(Route::Keys),
            ["sansal-sim", "resource"] => Ok(Route::Resource),
            [_, "oauth2", "deviceauth"] if get || post => Ok(Route::Verification),
            ["adfs", "oauth2", "authorize"] if get || post => Ok(Route::Authorize(Realm::Adfs)),
            ["adfs", "oauth2", "devicecode"] if post => Ok(Route::Device(Realm::Adfs)),
            ["adfs", "oauth2", "token"] if post => Ok(Route::Token(Realm::Adfs)),
            [tenant, "v2.0", ".well-known", "openid-configuration"] if get => Ok(Route::Metadata(self.entra(tenant)?)),
            [tenant, "discovery", "v2.0", "keys"] if get => {
                self.entra(tenant)?;
                Ok(Route::Keys)
            }
            [tenant, "oauth2", "v2.0", "token"] if post => Ok(Route::Token(self.entra(tenant)?)),
            [tenant, "oauth2", "v2.0", "authorize"] if get || post => Ok(Route::Authorize(self.entra(tenant)?)),
            [tenant, "oauth2", "v2.0", "devicecode"] if post => Ok(Route::Device(self.entra(tenant)?)),
            _ => Err(Refusal::not_found()),
        }
    }

    fn user_realm(&self, name: &str, host: &str) -> Value {
        let federated = self.federation.as_ref().and_then(|federation| federation.realm(name, host));
        let known = if self.desk.user(name).is_ok() { "Managed" } else { "Unknown" };
        federated.unwrap_or_else(|| json!({ "ver": "1.0", "account_type": known }))
    }

    fn federation_server(&self, request: &Request) -> Result<Response, Refusal> {
        let federation = self.federation.as_ref().ok_or(Refusal::not_found())?;
        Ok(federation.answer(request, |user| self.saml_assertion(user, federation.saml(), request.now)))
    }

    fn entra(&self, name: &str) -> Result<Realm, Refusal> {
        if is_for_many(name) {
            return Ok(Realm::Entra(name.to_owned()));
        }
        let tenant = self.tenants.iter().find(|tenant| tenant.is_called(name));
        tenant.map(|tenant| Realm::Entra(tenant.id.clone())).ok_or_else(|| Refusal::unknown_tenant(name))
    }

    /// Microsoft's instance discovery, api-version 1.0 and 1.1.
    fn instance(&self, request: &Request) -> Result<Response, Refusal> {
        let query = request.query();
        let get = |name: &str| query.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
        let version = get("api-version").ok_or(Refusal::missing("api-version"))?;
        if !["1.0", "1.1"].contains(&version) {
            return Err(Refusal::malformed("The api-version is neither 1.0 nor 1.1."));
        }
        let address = get("authorization_endpoint").ok_or(Refusal::missing("authorization_endpoint"))?;
        let rest = address.strip_prefix("https://").ok_or(Refusal::unknown_instance())?;
        let (named, path) = rest.split_once('/').ok_or(Refusal::unknown_instance())?;
        let without_port = |host: &str| host.split(':').next().unwrap_or_default().to_ascii_lowercase();
        let host = without_port(named);
        // Clients leave the port out, so whoever asks about the host under which we are asked means us.
        let host = if host == without_port(&request.host) {
            request.host.clone()
        } else if !cloud_of(&host).is_empty() || self.hosts.contains(&host) {
            host
        } else {
            return Err(Refusal::unknown_instance());
        };
        let tenant = path.split('/').next().unwrap_or_default();
        let mut document = json!({
            "tenant_discovery_endpoint": format!("https://{host}/{tenant}/v2.0/.well-known/openid-configuration"),
            "api-version": version,
        });
        if let ("1.1", Some(members)) = (version, document.as_object_mut()) {
            members.insert("metadata".to_owned(), self.clouds());
        }
        Ok(Response::json(200, &document))
    }

    fn clouds(&self) -> Value {
        let own: Vec<&str> = self.hosts.iter().map(String::as_str).collect();
        let groups = CLOUDS.into_iter().chain([own.as_slice()]);
        let group = |hosts: &[&str]| {
            let first = hosts.first()?;
            Some(
                json!({ "preferred_network": first, "preferred_cache": hosts.get(1).unwrap_or(first), "aliases": hosts }),
            )
        };
        groups.filter_map(group).collect()
    }
}

/// Which room answers.
enum Route {
    Instance,
    Metadata(Realm),
    Keys,
    Region(String),
    Token(Realm),
    Authorize(Realm),
    Device(Realm),
    Verification,
    Resource,
    UserRealm(String),
    Federation,
}

impl Route {
    fn kind(&self) -> On {
        match self {
            Self::Instance => On::Instance,
            Self::Metadata(_) => On::Metadata,
            Self::Keys => On::Keys,
            Self::Region(_) => On::Region,
            Self::Token(_) => On::Token,
            Self::Authorize(_) => On::Authorize,
            Self::Device(_) => On::Device,
            Self::Verification => On::Any,
            Self::Resource => On::Resource,
            Self::UserRealm(_) => On::UserRealm,
            Self::Federation => On::Federation,
        }
    }
}
