//! From constructor arguments of MSAL to a client of the core.

use std::collections::BTreeMap;
use std::path::Path;

use sansal::cert::RsaKey;
use sansal::client::{Client, ClientBuilder, Credential, InstanceDiscovery, Region, RegionName, Settings, Signer};
use sansal::error::Error;
use sansal::json::Members;
use sansal::{Endpoint, Secret};
use sansal_std::{Pfx, X5c};
use serde_json::{Map, Value, json};

use super::arguments::Argument;
use super::outcome::{Failure, Outcome, Stop};
use super::stage::{Callback, Stage};
use super::tape;

/// An application as it is to be built.
#[derive(Debug)]
pub struct Plan {
    client_id: String,
    authority: Option<String>,
    oidc_authority: Option<String>,
    settings: Settings,
    client_claims: Option<Members>,
    /// Whether it can ask for tokens of its own.
    pub confidential: bool,
    /// The memory it uses, and whether others use it too.
    pub memory: (String, bool),
    /// How it proves itself, or why it cannot: that comes out after discovery, as in the reference.
    pub credential: Result<(Credential, Option<Callback>), Outcome>,
    /// As a tape describes it, or why none can.
    pub spec: Value,
}

/// A plan, or what the constructor comes to before it talks to anybody.
pub type Planned = Result<Plan, Outcome>;

impl Plan {
    /// Reads the constructor arguments of an application.
    ///
    /// # Errors
    /// They break the format, or need what is not built.
    pub fn read(name: &str, recorded: &Map<String, Value>, stage: &Stage<'_>) -> Result<Planned, Stop> {
        let mut given = BTreeMap::new();
        for (key, value) in recorded {
            given.insert(key.as_str(), stage.spelling.read(value)?);
        }
        let mut take = |key: &str| given.remove(key).unwrap_or(Argument::None);
        let unsupported = |what: &str| Err(Stop::Unsupported(what.to_string()));
        let refused = |what: &str| Ok(Err(Outcome::refused_by_type(what)));

        let public = match take("type").text() {
            Some("public") => true,
            Some("confidential" | "client") => false,
            Some(other) => return unsupported(&format!("applications of type {other}")),
            None => return Err(Stop::malformed("an application without type")),
        };
        let Argument::Text(client_id) = take("client_id") else { return refused("a client id that is not a text") };
        let credential = take("client_credential");
        let region = match take("azure_region") {
            Argument::None => Region::Unset,
            Argument::Bool(true) => Region::Detect,
            Argument::Bool(false) => Region::Never,
            Argument::Text(name) => match RegionName::parse(&name) {
                Ok(name) => Region::Named(name),
                Err(why) => return Ok(Err(Outcome::Failed(Error::from(why).into()))),
            },
            _ => return refused("a region that is neither a text nor a flag"),
        };
        let exclude_scopes = match take("exclude_scopes") {
            Argument::None => Vec::new(),
            list => match list.texts() {
                Some(texts) => texts.into_iter().map(String::from).collect(),
                None => return refused("exclude_scopes that are not a list of texts"),
            },
        };
        if public && credential != Argument::None {
            return refused("a credential for a public client");
        }
        let variable = |name: &str| stage.env.get(name).cloned().unwrap_or_default();
        let mut settings = Settings {
            platform: "test".into(),
            region,
            region_name: variable("REGION_NAME"),
            force_region: stage.env.get("MSAL_FORCE_REGION").cloned(),
            exclude_scopes,
            ..Settings::reference()
        };
        match take("instance_discovery") {
            Argument::None | Argument::Bool(true) => {}
            Argument::Bool(false) => settings.instance_discovery = InstanceDiscovery::Off,
            Argument::Text(address) => match Endpoint::parse(&address) {
                Ok(endpoint) => settings.instance_discovery = InstanceDiscovery::Custom(endpoint),
                Err(_) => return refused("an address for instance discovery that is none"),
            },
            _ => return refused("instance_discovery"),
        }
        match take("validate_authority") {
            Argument::None => {}
            Argument::Bool(flag) => settings.validate_authority = flag,
            _ => return refused("validate_authority that is not a flag"),
        }
        match take("client_capabilities") {
            Argument::None => {}
            list => match list.texts() {
                Some(texts) => settings.client_capabilities = texts.into_iter().map(String::from).collect(),
                None => return refused("client_capabilities that are not a list of texts"),
            },
        }
        for (key, setting) in [("app_name", &mut settings.app_name), ("app_version", &mut settings.app_version)] {
            match take(key) {
                Argument::None => {}
                Argument::Text(text) => *setting = text,
                _ => return refused("an application's name or version that is not a text"),
            }
        }
        if let Argument::Bool(flag) = take("enable_pii_log") {
            settings.enable_pii_log = flag;
        }
        let client_claims = match take("client_claims") {
            Argument::None => None,
            Argument::Map(claims) => Some(Members::from(claims)),
            _ => return refused("client_claims that are not an object"),
        };
        let authority = match take("authority") {
            Argument::Text(text) => Some(text).filter(|text| !text.is_empty()),
            Argument::AuthorityBuilder(parts) => Some(built_authority(&parts)?),
            Argument::None => None,
            _ => return refused("an authority that is not a text"),
        };
        let oidc_authority = match take("oidc_authority") {
            Argument::Text(text) => Some(text).filter(|text| !text.is_empty()),
            Argument::None => None,
            _ => return refused("an OIDC authority that is not a text"),
        };
        let memory = match take("http_cache") {
            Argument::None => (format!("of {name}"), false),
            Argument::Shared(name) => (format!("shared {name}"), true),
            _ => return unsupported("an http_cache of the application's own"),
        };
        let spec = tape::credential(&credential, |value| stage.spelling.read(value)).map(|credential| {
            json!({
                "client_id": client_id, "authority": authority, "oidc_authority": oidc_authority, "credential": credential,
                "client_capabilities": settings.client_capabilities, "client_claims": client_claims.as_ref().map(Members::as_map),
            })
        });
        let spec = spec.unwrap_or_else(|why| json!({ "cannot": why }));
        let credential = read_credential(&credential, stage)?;
        if let Some(key) = given.keys().next() {
            return unsupported(&format!("the argument {key} of an application"));
        }
        let confidential = !public;
        Ok(Ok(Self {
            client_id,
            authority,
            oidc_authority,
            settings,
            client_claims,
            confidential,
            memory,
            credential,
            spec,
        }))
    }

    fn builder(&self) -> ClientBuilder {
        let mut builder = Client::builder(&self.client_id).settings(self.settings.clone());
        if let Some(authority) = &self.authority {
            builder = builder.authority(authority);
        }
        if let Some(issuer) = &self.oidc_authority {
            builder = builder.oidc_authority(issuer);
        }
        builder
    }

    /// The application without its credential: enough to find its authority. That there is one can be seen.
    ///
    /// # Errors
    /// The settings do not fit.
    pub fn probe(&self) -> Result<Client, Error> {
        let credential = match &self.credential {
            Ok((Credential::None, _)) => Credential::None,
            _ => Credential::AssertionCallback,
        };
        self.builder().credential(credential).build()
    }

    /// [`probe`](Self::probe), as a tape describes it.
    pub fn probe_spec(&self) -> Value {
        let kind = if matches!(self.credential, Ok((Credential::None, _))) { "none" } else { "callback" };
        let mut spec = self.spec.clone();
        if let Some(members) = spec.as_object_mut() {
            members.insert("credential".into(), json!({ "kind": kind }));
            members.remove("client_claims");
        }
        spec
    }

    /// The application as a whole.
    ///
    /// # Errors
    /// The settings do not fit.
    pub fn client(&self, credential: Credential) -> Result<Client, Error> {
        let mut builder = self.builder().credential(credential);
        if let Some(claims) = &self.client_claims {
            builder = builder.client_claims(claims.clone());
        }
        builder.build()
    }
}

/// The text of an `AuthorityBuilder` (section 2.1 of the reference).
fn built_authority(parts: &Map<String, Value>) -> Result<String, Stop> {
    let part = |name: &str| {
        parts
            .get(name)
            .and_then(Value::as_str)
            .ok_or_else(|| Stop::malformed(format!("$authority_builder without {name}")))
    };
    Ok(format!("https://{}/{}", part("instance")?.trim_end_matches('/'), part("tenant")?.trim_matches('/')))
}

type ReadCredential = Result<(Credential, Option<Callback>), Outcome>;

/// Section 1.4 of the reference.
fn read_credential(given: &Argument, stage: &Stage<'_>) -> Result<ReadCredential, Stop> {
    let refused = |what: &str| Ok(Err(Outcome::refused_by_type(what)));
    let members = match given {
        Argument::None => return Ok(Ok((Credential::None, None))),
        Argument::Text(secret) => return Ok(Ok((Credential::secret(secret.as_str()), None))),
        Argument::Map(members) => members,
        _ => return refused("a credential that is neither a text nor a dictionary"),
    };
    let read = |name: &str| members.get(name).map_or(Ok(Argument::None), |value| stage.spelling.read(value));
    match read("client_assertion")? {
        assertion if !assertion.is_truthy() => {}
        Argument::Callable(script) => return Ok(Ok((Credential::AssertionCallback, Some(read_callback(&script)?)))),
        assertion => {
            return match text_or_bytes(&assertion) {
                Some(text) => Ok(Ok((Credential::Assertion(text), None))),
                None => refused("an assertion that is not a text"),
            };
        }
    }
    let (pfx, key) = (read("private_key_pfx_path")?, read("private_key")?);
    if !pfx.is_truthy() && !key.is_truthy() {
        return refused("a dictionary that is no credential");
    }
    let passphrase = read("passphrase")?;
    let passphrase = match (passphrase.is_truthy(), text_or_bytes(&passphrase)) {
        (false, _) => None,
        (true, Some(passphrase)) => Some(passphrase),
        (true, None) => return refused("a passphrase that is not a text"),
    };
    if pfx.is_truthy() {
        let Argument::Path(path) = pfx else {
            return Err(Stop::Unsupported("a PFX file that is not in certs/".into()));
        };
        let x5c = match read("public_certificate")? {
            Argument::Bool(true) => X5c::Leaf,
            Argument::Text(text) if !text.is_empty() => X5c::Text(text),
            _ => X5c::None,
        };
        return Ok(open_pfx(&path, passphrase.as_ref(), &x5c).map(|c| (c, None)).map_err(Outcome::Failed));
    }
    // `True` stands for the certificate in a PFX file; beside a key it says nothing.
    let certificate = Some(read("public_certificate")?).filter(|given| *given != Argument::Bool(true));
    let (thumbprint, certificate) = (read("thumbprint")?, certificate.unwrap_or(Argument::None));
    let Some(key) = text_or_bytes(&key) else { return refused("a private key that is not a text") };
    for text in [&thumbprint, &certificate] {
        if text.is_truthy() && text.text().is_none() {
            return refused("a thumbprint or certificate that is not a text");
        }
    }
    match Credential::certificate(key.expose().as_bytes(), passphrase.as_ref(), thumbprint.text(), certificate.text()) {
        Ok(credential) => Ok(Ok((credential, None))),
        Err(error) => Ok(Err(Outcome::Failed(error.into()))),
    }
}

/// Section 7.3 of the reference, with the adapter's reader and the core's own signatures.
fn open_pfx(path: &Path, passphrase: Option<&Secret>, x5c: &X5c) -> Result<Credential, Failure> {
    let bytes = std::fs::read(path).map_err(|why| Failure::file(&why))?;
    let pfx = Pfx::parse(&bytes, passphrase)?;
    let key = RsaKey::new(pfx.private_key()?)?;
    Ok(Credential::Key(Box::new(pfx.credential(Signer::Software(Box::new(key)), x5c)?)))
}

fn text_or_bytes(given: &Argument) -> Option<Secret> {
    match given {
        Argument::Text(text) => Some(Secret::from(text.as_str())),
        Argument::Bytes(bytes) => std::str::from_utf8(bytes).ok().map(Secret::from),
        _ => None,
    }
}

fn read_callback(script: &Map<String, Value>) -> Result<Callback, Stop> {
    let bad = |what: &str| Stop::malformed(format!("$callable: {what}"));
    let mut callback = Callback { returns: Vec::new(), accepts_context: false, keep: None, kept: None };
    for (name, value) in script {
        match (name.as_str(), value) {
            ("returns", Value::Array(texts)) => {
                let text = |text: &Value| text.as_str().map(String::from).ok_or_else(|| bad("returns no text"));
                callback.returns = texts.iter().map(text).collect::<Result<_, _>>()?;
            }
            ("accepts_context", Value::Bool(flag)) => callback.accepts_context = *flag,
            // AutoRefresher is a wrapper around the application's own function; in Rust it stays on that side.
            ("auto_refresh", Value::Number(seconds)) => {
                callback.keep = Some(seconds.as_u64().ok_or_else(|| bad("auto_refresh"))?);
            }
            (other, _) => return Err(bad(other)),
        }
    }
    if callback.returns.is_empty() { Err(bad("it returns nothing")) } else { Ok(callback) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::exceptions::allows;
    use crate::conformance::report::test_certs;

    #[test]
    fn files_that_are_not_there() {
        let missing = test_certs().join("no-such-file.pfx");
        let failure = open_pfx(&missing, None, &X5c::None).unwrap_err();
        assert!(allows(&failure.kind, "FileNotFoundError") && !failure.transport, "{failure:?}");
        assert!(open_pfx(&test_certs().join("rsa2048.unencrypted.pfx"), None, &X5c::None).is_ok());
    }
}
