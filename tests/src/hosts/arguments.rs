//! The arguments that the examples of all hosts take, and the client they describe.

use std::fs;

use sansal::client::{Credential, Retries, Settings};
use sansal::{Client, ClientCredentials, Secret, Token};

use super::Trust;

/// What to ask whom for, and how to prove oneself.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    /// `--issuer`: the OpenID Connect issuer.
    pub issuer: String,
    /// `--ca`: a PEM file with the roots to trust.
    pub ca: String,
    /// `--client-id`
    pub client_id: String,
    /// `--scope`, as often as needed.
    pub scopes: Vec<String>,
    /// `--secret-file`: its content is the client secret.
    pub secret_file: Option<String>,
    /// `--key`: a private key in PEM.
    pub key: Option<String>,
    /// `--certificate`: a certificate in PEM; with it alone PS256 is used.
    pub certificate: Option<String>,
    /// `--thumbprint`: the SHA-1 thumbprint of the certificate; with it RS256 is used.
    pub thumbprint: Option<String>,
}

/// How to call an example.
pub const USAGE: &str = "--issuer URL --ca FILE --client-id ID --scope SCOPE \
    (--secret-file FILE | --key FILE (--certificate FILE | --thumbprint HEX))";

impl Arguments {
    /// Reads them.
    ///
    /// # Errors
    /// A sentence about the first one that is wrong or missing.
    pub fn parse(mut given: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut this = Self::default();
        while let Some(name) = given.next() {
            let value = given.next().ok_or_else(|| format!("{name} needs a value\nusage: {USAGE}"))?;
            match name.as_str() {
                "--issuer" => this.issuer = value,
                "--ca" => this.ca = value,
                "--client-id" => this.client_id = value,
                "--scope" => this.scopes.push(value),
                "--secret-file" => this.secret_file = Some(value),
                "--key" => this.key = Some(value),
                "--certificate" => this.certificate = Some(value),
                "--thumbprint" => this.thumbprint = Some(value),
                _ => return Err(format!("{name} is not known\nusage: {USAGE}")),
            }
        }
        match [("--issuer", &this.issuer), ("--ca", &this.ca)].iter().find(|(_, value)| value.is_empty()) {
            Some((name, _)) => Err(format!("{name} is missing\nusage: {USAGE}")),
            None => Ok(this),
        }
    }

    /// The roots to trust.
    ///
    /// # Errors
    /// A sentence about the file.
    pub fn trust(&self) -> Result<Trust, String> {
        Trust::from_pem_file(&self.ca)
    }

    /// The client that they describe. Repetitions come soon after each other, since these hosts talk to loopback.
    ///
    /// # Errors
    /// A sentence about the file or setting that does not fit.
    pub fn client(&self) -> Result<Client, String> {
        let first_wait = sansal::time::Millis(20);
        let retries = Retries { first_wait, ..Settings::default().retries };
        Client::builder(&self.client_id)
            .oidc_authority(&self.issuer)
            .credential(self.credential()?)
            .settings(Settings { retries, ..Settings::default() })
            .build()
            .map_err(|why| why.to_string())
    }

    fn credential(&self) -> Result<Credential, String> {
        if let Some(path) = &self.secret_file {
            return Ok(Credential::secret(Secret::from(read(path)?.trim_end())));
        }
        let Some(path) = &self.key else { return Ok(Credential::None) };
        let certificate = self.certificate.as_deref().map(read).transpose()?;
        let key = read(path)?;
        Credential::certificate(key.as_bytes(), None, self.thumbprint.as_deref(), certificate.as_deref())
            .map_err(|why| why.to_string())
    }

    /// The flow that all hosts drive.
    ///
    /// # Errors
    /// A sentence about the scopes.
    pub fn wanted(&self) -> Result<ClientCredentials, String> {
        ClientCredentials::new(&self.scopes).map_err(|why| why.to_string())
    }
}

/// What the examples print: everything about a token but the token.
pub fn report(round: &str, token: &Token) -> String {
    let length = token.access_token().len();
    format!("{round}: {} token of {length} characters, from {:?}", token.token_type(), token.source())
}

fn read(path: impl AsRef<str>) -> Result<String, String> {
    let path = path.as_ref();
    fs::read_to_string(path).map_err(|why| format!("{path} cannot be read: {why}"))
}
