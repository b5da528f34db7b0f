//! Which application, at which authority, over which network: the arguments that commands share.

use std::io;
use std::path::PathBuf;

use clap::{ArgAction, Args};
use sansal_std::sansal::client::{InstanceDiscovery, aliases, is_well_known};
use sansal_std::sansal::json;
use sansal_std::sansal::limits::MAX_CLAIMS;
use sansal_std::{Environment, PublicClient, PublicClientBuilder};
use tracing_subscriber::filter::LevelFilter;

use crate::failure::Failure;
use crate::known::Known;

/// Applies [`Application`] and [`Network`] to a builder of any client.
macro_rules! configured {
    ($builder:expr, $application:expr, $network:expr) => {{
        let mut builder =
            $builder.instance_discovery($crate::application::discovery($application.no_instance_discovery));
        for path in &$network.ca {
            builder = builder.extra_roots($crate::input::bytes(path)?.expose());
        }
        for host in &$application.allow_host {
            builder = builder.allow_host(host);
        }
        if $network.no_proxy {
            builder = builder.proxy(sansal_std::ProxyChoice::None);
        }
        if let Some(seconds) = $network.timeout {
            builder = builder.attempt_timeout(std::time::Duration::from_secs(seconds));
        }
        builder
    }};
}
pub(crate) use configured;

/// Where `--tenant` is looked for unless `AZURE_AUTHORITY_HOST` says otherwise.
const PUBLIC_CLOUD: &str = "https://login.microsoftonline.com";

/// Who asks, and whom.
#[derive(Args)]
pub(crate) struct Application {
    /// The authority, https://HOST/TENANT.
    #[arg(long, value_name = "URL", conflicts_with = "issuer")]
    pub(crate) authority: Option<String>,
    /// The issuer of any OpenID Connect provider, in place of an authority.
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// The tenant, an id or a domain: at Microsoft's public cloud, or at AZURE_AUTHORITY_HOST.
    #[arg(long, value_name = "TENANT", conflicts_with_all = ["authority", "issuer"])]
    pub(crate) tenant: Option<String>,
    /// The application (client) id.
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// A host that requests may leave for, should the provider's metadata name it.
    #[arg(long, value_name = "HOST")]
    pub(crate) allow_host: Vec<String>,
    /// Do not ask Microsoft about the authority's host: for clouds of one's own.
    #[arg(long)]
    pub(crate) no_instance_discovery: bool,
}

/// How requests leave.
#[derive(Args)]
pub(crate) struct Network {
    /// A PEM file with certificates to trust beside the system's.
    #[arg(long, value_name = "FILE", help_heading = "Network")]
    pub(crate) ca: Vec<PathBuf>,
    /// Use no proxy, whatever the environment says.
    #[arg(long, help_heading = "Network")]
    pub(crate) no_proxy: bool,
    /// Seconds that one request may take.
    #[arg(long, value_name = "SECONDS", help_heading = "Network", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: Option<u64>,
}

/// What is said while it happens, and how.
#[derive(Args)]
pub(crate) struct Talk {
    /// Print JSON on standard output, and nothing else there.
    #[arg(long)]
    pub(crate) json: bool,
    /// Say on standard error what is done; twice: with the names of application and tenant. Never secrets.
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
}

impl Talk {
    /// Begins to say what is done, if that is wanted.
    pub(crate) fn begin(&self) {
        if self.verbose > 0 {
            tracing_subscriber::fmt()
                .with_max_level(LevelFilter::DEBUG)
                .with_writer(io::stderr)
                .with_ansi(false)
                .init();
        }
    }

    /// Whether names may be said.
    pub(crate) fn names(&self) -> bool {
        self.verbose > 1
    }
}

/// An authority as it was asked for.
pub(crate) enum Chosen {
    Authority(String),
    Issuer(String),
}

impl Application {
    /// By the arguments; else by the variables; else none.
    pub(crate) fn authority(&self, environment: &Environment) -> Result<Option<Chosen>, Failure> {
        Ok(match (&self.authority, &self.issuer, &self.tenant) {
            (Some(authority), ..) => Some(Chosen::Authority(authority.clone())),
            (_, Some(issuer), _) => Some(Chosen::Issuer(issuer.clone())),
            (_, _, Some(tenant)) => {
                let host = environment.authority_host.clone();
                let named = Environment { tenant_id: Some(tenant.clone()), authority_host: host, ..Default::default() };
                Some(Chosen::Authority(named.authority()?))
            }
            _ if environment.authority.is_some() || environment.tenant_id.is_some() => {
                Some(Chosen::Authority(environment.authority()?))
            }
            _ => None,
        })
    }

    /// By the argument; else by the variable; else the one whose users are signed in, where there is only one.
    pub(crate) fn client_id(&self, environment: &Environment, known: &Known) -> Result<String, Failure> {
        match (self.client_id.as_ref().or(environment.client_id.as_ref()), known.client_ids()) {
            (Some(id), _) => Ok(id.clone()),
            (None, [only]) => Ok(only.clone()),
            (None, []) => Err(Failure::usage("which application? give --client-id, or set AZURE_CLIENT_ID")),
            (None, several) => Err(Failure::usage(format_args!(
                "which application? users are signed in at {}; give --client-id, or set AZURE_CLIENT_ID",
                several.join(", ")
            ))),
        }
    }

    /// What an application on the user's machine is made of. What is known goes with it.
    pub(crate) fn public(
        &self,
        client_id: &str,
        authority: &Chosen,
        network: &Network,
        talk: &Talk,
        known: Known,
    ) -> Result<PublicClientBuilder, Failure> {
        let builder = PublicClient::builder(client_id).enable_pii_log(talk.names());
        let builder = configured!(builder, self, network);
        let builder: PublicClientBuilder = match authority {
            Chosen::Authority(authority) => builder.authority(authority),
            Chosen::Issuer(issuer) => builder.oidc_authority(issuer),
        };
        Ok(known.persisted(builder))
    }
}

impl Chosen {
    /// Where users are who belong to many tenants.
    pub(crate) fn common() -> Self {
        Self::Authority(format!("{PUBLIC_CLOUD}/common"))
    }

    /// The host, in lower case and without its port, as it stands in token caches.
    pub(crate) fn host(&self) -> String {
        let (Self::Authority(address) | Self::Issuer(address)) = self;
        let rest = address.split_once("://").map_or(address.as_str(), |(_, rest)| rest);
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = match host.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => host,
        };
        host.to_ascii_lowercase()
    }

    /// Whether an account that lies under this host belongs here.
    pub(crate) fn is_home_of(&self, environment: &str) -> bool {
        let own = self.host();
        own.eq_ignore_ascii_case(environment)
            || aliases(&own).iter().any(|other| other.eq_ignore_ascii_case(environment))
    }

    /// Whether it stands for every tenant at once.
    pub(crate) fn is_for_many(&self) -> bool {
        let Self::Authority(address) = self else { return false };
        let tenant = address.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        is_well_known(&self.host()) && ["common", "organizations", "consumers"].contains(&tenant)
    }
}

/// A claims request (OpenID Connect Core s5.5), as it is.
pub(crate) fn claims(text: &str) -> Result<String, String> {
    match json::parse_object(text.as_bytes(), MAX_CLAIMS) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("a claims challenge is a JSON object".to_owned()),
    }
}

/// The address of Microsoft's instance discovery is asked, or nobody.
pub(crate) fn discovery(off: bool) -> InstanceDiscovery {
    if off { InstanceDiscovery::Off } else { InstanceDiscovery::On }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes() {
        let cases = [
            ("https://login.microsoftonline.com/common", "login.microsoftonline.com", true),
            ("https://login.microsoftonline.com/common", "login.windows.net", true),
            ("https://login.microsoftonline.com/common", "login.microsoftonline.us", false),
            ("https://LOCALHOST:4000/t", "localhost", true),
            ("localhost/t", "localhost", true),
            ("https://[::1]:4/t", "[::1]", true),
        ];
        for (authority, environment, expected) in cases {
            let chosen = Chosen::Authority(authority.to_owned());
            assert_eq!(chosen.is_home_of(environment), expected, "{authority} {environment}");
        }
        for (authority, expected) in [
            ("https://login.microsoftonline.com/common/", true),
            ("https://login.microsoftonline.com/contoso", false),
            ("https://localhost/common", false),
        ] {
            assert_eq!(Chosen::Authority(authority.to_owned()).is_for_many(), expected, "{authority}");
        }
    }
}
