//! A daemon whose certificate is replaced while it runs, and tokens go on.
//!
//! The server knows the application by the *subject name and issuer* of its certificate, not by its thumbprint: assertions
//! bring the certificate along (`x5c`), so whoever renews it only has to replace the file. The daemon looks at the file
//! before each token; a file that cannot be read yet, half written perhaps, is left alone until the next time.
//!
//! usage: `certificate_rotation [CLIENT_ID TENANT FILE]`, the file in PEM with key, certificate and its issuers. Without
//! arguments it shows a rotation against `sansal-sim`, in a second.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs, process, thread, time::Duration};

use ring::digest::{Digest, SHA256, digest};
use sansal_std::{CertificateCredential, ConfidentialClient, ConfidentialClientBuilder, Secret};

const SCOPES: &[&str] = &["https://graph.microsoft.com/.default"];

/// A client that has the certificate which is in a file now.
struct Rotating<S> {
    file: PathBuf,
    seen: Digest,
    setup: S,
    client: ConfidentialClient,
}

impl<S: Fn() -> Result<ConfidentialClientBuilder, Box<dyn Error>>> Rotating<S> {
    fn new(file: &Path, setup: S) -> Result<Self, Box<dyn Error>> {
        let (bytes, seen) = read(file)?;
        let client = setup()?.certificate(CertificateCredential::pem(bytes.expose().as_bytes())).build()?;
        Ok(Self { file: file.to_owned(), seen, setup, client })
    }

    fn client(&mut self) -> &ConfidentialClient {
        if let Err(why) = self.look() {
            eprintln!("{}: {why}; going on with the certificate before it", self.file.display());
        }
        &self.client
    }

    fn look(&mut self) -> Result<(), Box<dyn Error>> {
        let (bytes, seen) = read(&self.file)?;
        if seen.as_ref() != self.seen.as_ref() {
            let certificate = CertificateCredential::pem(bytes.expose().as_bytes());
            // Tokens that were got with the old certificate are as good as before.
            let tokens = self.client.with_token_cache(Clone::clone);
            self.client = (self.setup)()?.certificate(certificate).token_cache(tokens).build()?;
            self.seen = seen;
        }
        Ok(())
    }
}

fn read(file: &Path) -> Result<(Secret, Digest), Box<dyn Error>> {
    let text = Secret::from(fs::read_to_string(file)?);
    let seen = digest(&SHA256, text.expose().as_bytes());
    Ok((text, seen))
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [client_id, tenant, file] = arguments.as_slice() else {
        let folder = env::temp_dir().join(format!("sansal-rotation-{}", process::id()));
        fs::create_dir_all(&folder)?;
        let shown = simulated::rotation(&folder.join("daemon.pem"));
        fs::remove_dir_all(&folder)?;
        return shown.map(|lines| lines.iter().for_each(|line| println!("{line}")));
    };
    let authority = format!("https://login.microsoftonline.com/{tenant}");
    let setup = || Ok(ConfidentialClient::builder(client_id).authority(&authority));
    let mut daemon = Rotating::new(Path::new(file), setup)?;
    loop {
        match daemon.client().acquire_token_for_client(SCOPES) {
            Ok(token) => println!("{:?}, until {}", token.source(), token.expires_on().0),
            Err(error) => eprintln!("{error}"),
        }
        thread::sleep(Duration::from_secs(60));
    }
}

/// The same against a platform, a CA and a date that are played.
mod simulated {
    use std::error::Error;
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
    use sansal_sim::{Application, CLIENT_KEY, CONTOSO_CLIENT, CONTOSO_TENANT, Platform, Resource, Server, Tenant};
    use sansal_std::sansal::client::InstanceDiscovery;
    use sansal_std::sansal::time::{Clock, Millis, UnixTime};
    use sansal_std::{ConfidentialClient, ProxyChoice, SystemClock, Time};

    use super::{Rotating, SCOPES};

    const SUBJECT: &str = "daemon.contoso.example";
    const NEW_KEY: &str = include_str!("../../../tests/certs/rsa2048.key.pkcs8.pem");
    /// 2027-01-01, and an hour.
    const NEW_YEAR: u64 = 1_798_761_600;
    const HOUR: u64 = 3600;

    /// The date of the platform and the daemon, moved by hand.
    #[derive(Clone)]
    struct Date(Arc<AtomicU64>);

    impl Time for Date {
        fn now(&self) -> Clock {
            Clock::new(SystemClock.now().mono, UnixTime(self.0.load(Ordering::SeqCst)))
        }

        fn sleep(&self, span: Millis) {
            SystemClock.sleep(span);
        }
    }

    /// A rotation, told in lines.
    pub(super) fn rotation(file: &Path) -> Result<Vec<String>, Box<dyn Error>> {
        let mut ca = CertificateParams::new(Vec::new())?;
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_key = KeyPair::generate()?;
        let ca_pem = ca.self_signed(&ca_key)?.pem();
        let ca = Issuer::new(ca, ca_key);
        // Both are for the same subject; the first one ends with the year.
        let identity = |key: &str, year: i32, end: i32| -> Result<String, Box<dyn Error>> {
            let mut leaf = CertificateParams::new(vec![SUBJECT.to_owned()])?;
            (leaf.not_before, leaf.not_after) = (date_time_ymd(year, 1, 1), date_time_ymd(end, 1, 1));
            let certificate = leaf.signed_by(&KeyPair::from_pem(key)?, &ca)?;
            Ok(format!("{key}{}{ca_pem}", certificate.pem()))
        };
        let (old, new) = (identity(CLIENT_KEY, 2026, 2027)?, identity(NEW_KEY, 2026, 2028)?);

        let date = Date(Arc::new(AtomicU64::new(NEW_YEAR - HOUR)));
        let platform = Platform::new(1)?
            .tenant(Tenant::new(CONTOSO_TENANT))
            .application(Application::new(CONTOSO_CLIENT).subject_and_issuer(SUBJECT, &ca_pem)?)
            .resource(Resource::new("https://graph.microsoft.com"))
            .resource(Resource::new("https://vault.azure.net"))
            .lifetime(3 * HOUR);
        let for_server = date.clone();
        let server = Server::start_with(platform, &[], move || for_server.now().wall.map_or(0, |date| date.0))?;
        let mut daemon = {
            let (authority, roots, date) = (server.authority(CONTOSO_TENANT), server.ca_pem().to_owned(), date.clone());
            fs::write(file, old)?;
            Rotating::new(file, move || {
                Ok(ConfidentialClient::builder(CONTOSO_CLIENT)
                    .authority(&authority)
                    .instance_discovery(InstanceDiscovery::Off)
                    .extra_roots(roots.as_bytes())
                    .only_extra_roots()
                    .proxy(ProxyChoice::None)
                    .time(date.clone()))
            })?
        };
        let mut lines = Vec::new();
        let mut ask = |when: &str, scopes: &[&str]| {
            let told = match daemon.client().acquire_token_for_client(scopes) {
                Ok(token) => format!("{:?}", token.source()),
                Err(error) => format!("refused: {error}"),
            };
            lines.push(format!("{when}: {told}"));
        };
        ask("an hour before the end of the old certificate", SCOPES);
        date.0.store(NEW_YEAR + HOUR, Ordering::SeqCst);
        ask("an hour after it, the same token", SCOPES);
        ask("another token", &["https://vault.azure.net/.default"]);
        fs::write(file, new.get(..new.len() / 2).unwrap_or_default())?;
        ask("half of the new file is there, the same token", SCOPES);
        fs::write(file, new)?;
        ask("the new certificate is there, the same token", SCOPES);
        ask("another token", &["https://vault.azure.net/.default"]);
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_on() {
        let file = env::temp_dir().join(format!("sansal-rotation-test-{}.pem", process::id()));
        let lines = simulated::rotation(&file).unwrap();
        fs::remove_file(&file).unwrap();
        let expected = ["IdentityProvider", "Cache", "refused", "Cache", "Cache", "IdentityProvider"];
        assert_eq!(lines.len(), expected.len(), "{lines:?}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.contains(&format!(": {expected}")), "{expected}: {lines:?}");
        }
    }
}
