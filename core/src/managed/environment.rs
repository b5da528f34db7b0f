//! What a host's variables and files say about managed identities, and which source they mean (section 4.14.2 of the reference).

use alloc::string::String;
use core::fmt;

use crate::secret::Secret;

/// What the adapter found around it. A variable that is set counts even when it is empty, as in the reference.
///
/// ```
/// use sansal::managed::{ManagedIdentityEnvironment, ManagedIdentitySource, get_managed_identity_source};
/// let environment = ManagedIdentityEnvironment {
///     identity_endpoint: Some("http://127.0.0.1:41741/msi/token".into()),
///     identity_header: Some("s3cret".into()),
///     ..Default::default()
/// };
/// assert_eq!(get_managed_identity_source(&environment), ManagedIdentitySource::AppService);
/// ```
#[derive(Clone, Default)]
pub struct ManagedIdentityEnvironment {
    /// `IDENTITY_ENDPOINT`
    pub identity_endpoint: Option<String>,
    /// `IDENTITY_HEADER`: proves that the request comes from inside.
    pub identity_header: Option<Secret>,
    /// `IDENTITY_SERVER_THUMBPRINT`: SHA-1 of the certificate of Service Fabric's endpoint.
    pub identity_server_thumbprint: Option<String>,
    /// `IMDS_ENDPOINT`
    pub imds_endpoint: Option<String>,
    /// `MSI_ENDPOINT`
    pub msi_endpoint: Option<String>,
    /// `MSI_SECRET`: proves that the request comes from inside.
    pub msi_secret: Option<Secret>,
    /// `AZUREPS_HOST_ENVIRONMENT`
    pub azureps_host_environment: Option<String>,
    /// `AZURE_POD_IDENTITY_AUTHORITY_HOST`: stands in for the metadata service of VMs.
    pub pod_identity_authority_host: Option<String>,
    /// Whether the agent of Azure Arc is there: `/opt/azcmagent/bin/himds`, or
    /// `%ProgramFiles%\AzureConnectedMachineAgent\himds.exe` on Windows.
    pub arc_agent_installed: bool,
    /// The folder of Arc's key files: `/var/opt/azcmagent/tokens` on Linux,
    /// `%ProgramData%\AzureConnectedMachineAgent\Tokens` on Windows; `None` where Arc does not exist.
    pub arc_token_dir: Option<String>,
}

/// Who gives tokens of managed identities to this host.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ManagedIdentitySource {
    /// Service Fabric: an endpoint whose certificate is pinned.
    ServiceFabric,
    /// App Service, Functions, Container Apps, Automation.
    AppService,
    /// Azure Machine Learning.
    MachineLearning,
    /// The agent of Azure Arc, which wants to see that we may read its files.
    AzureArc,
    /// Cloud Shell, which gives tokens of the user.
    CloudShell,
    /// The metadata service (IMDS) of virtual machines; what is assumed when nothing else is said.
    DefaultToVm,
}

/// The source that the environment means. The first that fits, in the order of the reference.
pub fn get_managed_identity_source(environment: &ManagedIdentityEnvironment) -> ManagedIdentitySource {
    let e = environment;
    match (&e.identity_endpoint, &e.identity_header) {
        (Some(_), Some(_)) if e.identity_server_thumbprint.is_some() => return ManagedIdentitySource::ServiceFabric,
        (Some(_), Some(_)) => return ManagedIdentitySource::AppService,
        _ => {}
    }
    if e.msi_endpoint.is_some() && e.msi_secret.is_some() {
        return ManagedIdentitySource::MachineLearning;
    }
    let is_arc = match (&e.identity_endpoint, &e.imds_endpoint) {
        (Some(endpoint), Some(_)) => !endpoint.is_empty(),
        _ => e.arc_agent_installed,
    };
    if is_arc {
        return ManagedIdentitySource::AzureArc;
    }
    match &e.azureps_host_environment {
        Some(text) if text.starts_with("cloud-shell") => ManagedIdentitySource::CloudShell,
        _ => ManagedIdentitySource::DefaultToVm,
    }
}

impl ManagedIdentitySource {
    /// MSAL's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServiceFabric => "SERVICE_FABRIC",
            Self::AppService => "APP_SERVICE",
            Self::MachineLearning => "MACHINE_LEARNING",
            Self::AzureArc => "AZURE_ARC",
            Self::CloudShell => "CLOUD_SHELL",
            Self::DefaultToVm => "DEFAULT_TO_VM",
        }
    }
}

impl fmt::Display for ManagedIdentitySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ServiceFabric => "Service Fabric",
            Self::AppService => "App Service",
            Self::MachineLearning => "Machine Learning",
            Self::AzureArc => "Azure Arc",
            Self::CloudShell => "Cloud Shell",
            Self::DefaultToVm => "the metadata service of virtual machines",
        })
    }
}

/// Shows which source it is; endpoints may have anything in their queries.
impl fmt::Debug for ManagedIdentityEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ManagedIdentityEnvironment({})", get_managed_identity_source(self).as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ManagedIdentitySource as S;

    #[test]
    fn sources() {
        // Section 4.14.2 of the reference: the variables that are set, whether Arc's agent is there, the source.
        let cases: &[(&[(&str, &str)], bool, S)] = &[
            (&[], false, S::DefaultToVm),
            (&[], true, S::AzureArc),
            (&[("IDENTITY_ENDPOINT", "e")], false, S::DefaultToVm),
            (&[("IDENTITY_ENDPOINT", "e")], true, S::AzureArc),
            (&[("IDENTITY_ENDPOINT", ""), ("IDENTITY_HEADER", "")], false, S::AppService),
            (&[("IDENTITY_ENDPOINT", "e"), ("IDENTITY_HEADER", "h"), ("MSI_SECRET", "s")], true, S::AppService),
            (&[("IDENTITY_ENDPOINT", "e"), ("IDENTITY_HEADER", "h"), ("THUMBPRINT", "")], false, S::ServiceFabric),
            (&[("IDENTITY_HEADER", "h"), ("THUMBPRINT", "t")], false, S::DefaultToVm),
            (&[("MSI_ENDPOINT", "e"), ("MSI_SECRET", "s")], true, S::MachineLearning),
            (&[("MSI_ENDPOINT", "e")], false, S::DefaultToVm),
            (&[("IDENTITY_ENDPOINT", "e"), ("IMDS_ENDPOINT", "i")], false, S::AzureArc),
            (&[("IDENTITY_ENDPOINT", ""), ("IMDS_ENDPOINT", "i")], true, S::DefaultToVm),
            (&[("IMDS_ENDPOINT", "i")], true, S::AzureArc),
            (&[("AZUREPS", "cloud-shell/1.0")], false, S::CloudShell),
            (&[("AZUREPS", "cloud-shell/1.0")], true, S::AzureArc),
            (&[("AZUREPS", "my-cloud-shell")], false, S::DefaultToVm),
            (&[("AZUREPS", "cloud-shell"), ("MSI_ENDPOINT", "e"), ("MSI_SECRET", "")], false, S::MachineLearning),
        ];
        for (variables, agent, expected) in cases {
            let text = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| String::from(*v));
            let environment = ManagedIdentityEnvironment {
                identity_endpoint: text("IDENTITY_ENDPOINT"),
                identity_header: text("IDENTITY_HEADER").map(Secret::new),
                identity_server_thumbprint: text("THUMBPRINT"),
                imds_endpoint: text("IMDS_ENDPOINT"),
                msi_endpoint: text("MSI_ENDPOINT"),
                msi_secret: text("MSI_SECRET").map(Secret::new),
                azureps_host_environment: text("AZUREPS"),
                arc_agent_installed: *agent,
                ..Default::default()
            };
            assert_eq!(get_managed_identity_source(&environment), *expected, "{variables:?} {agent}");
        }
    }
}
