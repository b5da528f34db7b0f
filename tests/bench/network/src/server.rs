//! The server's side: `sansal-sim` in another process, which signs each token or answers with one that it signed before.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use sansal_sim::{CONTOSO_CLIENT, CONTOSO_SECRET, Fault, On, Platform, Request, Server, What};

pub const SCOPE: &str = "https://graph.microsoft.com/.default";
pub const PATH: &str = "realms/contoso";
/// Seconds: too short for a token to be used from a cache.
const LIFETIME: u64 = 60;

/// How the server comes by its answers.
#[derive(Clone, Copy)]
pub enum Answers {
    /// Each token is signed: RSA, some 600 us.
    Signed,
    /// One answer for all requests.
    Prepared,
}

impl Answers {
    pub const fn told(self) -> &'static str {
        match self {
            Self::Signed => "each token signed by the server",
            Self::Prepared => "answered at once",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Prepared => "prepared",
        }
    }
}

impl FromStr for Answers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = [Self::Signed, Self::Prepared].into_iter().find(|answers| answers.name() == text);
        known.ok_or_else(|| format!("neither signed nor prepared: {text}"))
    }
}

/// The form of the token request.
pub fn fields() -> [(&'static str, &'static str); 5] {
    [
        ("client_id", CONTOSO_CLIENT),
        ("grant_type", "client_credentials"),
        ("client_info", "1"),
        ("client_secret", CONTOSO_SECRET),
        ("scope", SCOPE),
    ]
}

/// Says its issuer and its root, and serves until its input ends.
pub fn serve(answers: Answers) {
    let server = Server::start(Platform::contoso(1).unwrap().issuer(PATH).lifetime(LIFETIME)).unwrap();
    if let Answers::Prepared = answers {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let host = format!("localhost:{}", server.address().port());
        let metadata = Request::get(&host, &format!("/{PATH}/.well-known/openid-configuration"), now);
        let metadata = server.platform().answer(&metadata).body;
        let metadata: serde_json::Value = serde_json::from_slice(&metadata).unwrap();
        let endpoint = metadata["token_endpoint"].as_str().unwrap().split_once(&host).unwrap().1;
        let answer = server.platform().answer(&Request::form(&host, endpoint, &fields(), now));
        assert_eq!(answer.status, 200);
        server.platform().fault(Fault::new(On::Token, What::Answer(answer)).always());
    }
    println!("{}\n{}\n", server.authority(PATH), server.ca_pem().trim());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// The server's process, until it is dropped.
pub struct Host {
    child: Child,
    pub issuer: String,
    pub ca: String,
}

impl Host {
    pub fn start(answers: Answers) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut command = Command::new(program);
        let command = command.args(["--server", answers.name()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let issuer = lines.next().unwrap();
        let ca = lines.take_while(|line| !line.is_empty()).map(|line| line + "\n").collect();
        Self { child, issuer, ca }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
