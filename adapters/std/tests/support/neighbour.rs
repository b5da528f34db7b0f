//! The sources of managed identities, simulated by `sansal-sim`, behind real HTTP and TLS on loopback.
#![allow(dead_code, reason = "each test file uses its part")]

#[path = "folder.rs"]
mod folder;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use sansal_sim::managed::{
    APP_SERVICE, ARC_KEY, IMDS, MACHINE_LEARNING, ManagedIdentities, SECRET, SERVICE_FABRIC, UserAssigned,
};
use sansal_sim::{Delivery, Request, Response};
use sansal_std::sansal::error::SendError;
use sansal_std::sansal::http::Request as Outgoing;
use sansal_std::sansal::managed::{ManagedIdentityEnvironment, ManagedIdentitySource};
use sansal_std::sansal::time::{Clock, Millis, UnixTime};
use sansal_std::sansal::{Endpoint, Secret};
use sansal_std::{HttpClient, HttpResponse, ProxyChoice, Time, UreqClient};

use crate::support::{Authority, Identity, Server, Stream};
pub(crate) use folder::folder;

pub(crate) const USER_ASSIGNED: &str = "11111111-2222-3333-4444-555555555555";

/// Time that moves when somebody sleeps, and when it is told to.
#[derive(Clone)]
pub(crate) struct Hands(Arc<(AtomicU64, AtomicU64)>);

impl Hands {
    pub(crate) fn new() -> Self {
        Self(Arc::new((AtomicU64::new(0), AtomicU64::new(1_800_000_000))))
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.0.0.fetch_add(seconds * 1000, Ordering::SeqCst);
        self.0.1.fetch_add(seconds, Ordering::SeqCst);
    }

    /// The date jumps, the monotonic clock does not.
    pub(crate) fn jump(&self, date: u64) {
        self.0.1.store(date, Ordering::SeqCst);
    }

    pub(crate) fn date(&self) -> u64 {
        self.0.1.load(Ordering::SeqCst)
    }
}

impl Time for Hands {
    fn now(&self) -> Clock {
        Clock::new(Millis(self.0.0.load(Ordering::SeqCst)), UnixTime(self.date()))
    }

    fn sleep(&self, span: Millis) {
        self.0.0.fetch_add(span.0, Ordering::SeqCst);
        self.0.1.fetch_add(span.0 / 1000, Ordering::SeqCst);
    }
}

/// One source, listening.
pub(crate) struct Neighbour {
    pub(crate) source: ManagedIdentitySource,
    pub(crate) identities: Arc<Mutex<ManagedIdentities>>,
    pub(crate) server: Server,
    pub(crate) thumbprint: String,
    pub(crate) time: Hands,
    arc_dir: Option<PathBuf>,
}

pub(crate) const SOURCES: [ManagedIdentitySource; 6] = [
    ManagedIdentitySource::DefaultToVm,
    ManagedIdentitySource::AppService,
    ManagedIdentitySource::MachineLearning,
    ManagedIdentitySource::ServiceFabric,
    ManagedIdentitySource::AzureArc,
    ManagedIdentitySource::CloudShell,
];

impl Neighbour {
    pub(crate) fn new(source: ManagedIdentitySource) -> Self {
        let user_assigned = UserAssigned {
            client_id: USER_ASSIGNED.to_owned(),
            object_id: "66666666-7777-8888-9999-000000000000".to_owned(),
            resource_id: "/subscriptions/s/userAssignedIdentities/one".to_owned(),
        };
        let identities = Arc::new(Mutex::new(ManagedIdentities::new().user_assigned(user_assigned)));
        let time = Hands::new();
        let (shared, clock) = (identities.clone(), time.clone());
        let answer = move |text: &str, stream: &mut dyn Stream| {
            let response = shared.lock().unwrap().answer(&parse(text, clock.date()));
            deliver(stream, &response)
        };
        let identity = tls_identity();
        let server = match source {
            ManagedIdentitySource::ServiceFabric => Server::tls(&identity, answer),
            _ => Server::plain(answer),
        };
        let arc_dir = (source == ManagedIdentitySource::AzureArc).then(key_file);
        let thumbprint = sha1(identity.certificate());
        Self { source, identities, server, thumbprint, time, arc_dir }
    }

    pub(crate) fn environment(&self) -> ManagedIdentityEnvironment {
        let at = |scheme: &str, path: &str| Some(self.server.url(scheme, "127.0.0.1", path));
        let empty = ManagedIdentityEnvironment::default();
        match self.source {
            ManagedIdentitySource::AppService => ManagedIdentityEnvironment {
                identity_endpoint: at("http", APP_SERVICE),
                identity_header: Some(Secret::from(SECRET)),
                ..empty
            },
            ManagedIdentitySource::MachineLearning => ManagedIdentityEnvironment {
                msi_endpoint: at("http", MACHINE_LEARNING),
                msi_secret: Some(Secret::from(SECRET)),
                ..empty
            },
            ManagedIdentitySource::ServiceFabric => ManagedIdentityEnvironment {
                identity_endpoint: at("https", SERVICE_FABRIC),
                identity_header: Some(Secret::from(SECRET)),
                identity_server_thumbprint: Some(self.thumbprint.clone()),
                ..empty
            },
            ManagedIdentitySource::AzureArc => ManagedIdentityEnvironment {
                identity_endpoint: at("http", IMDS),
                imds_endpoint: at("http", ""),
                arc_token_dir: self.arc_dir.as_ref().map(|dir| dir.to_str().unwrap().to_owned()),
                ..empty
            },
            ManagedIdentitySource::CloudShell => {
                ManagedIdentityEnvironment { azureps_host_environment: Some("cloud-shell/1.0".to_owned()), ..empty }
            }
            _ => ManagedIdentityEnvironment { pod_identity_authority_host: at("http", ""), ..empty },
        }
    }

    pub(crate) fn http(&self) -> Here {
        Here {
            ureq: UreqClient::builder().proxy(ProxyChoice::Environment).build().unwrap(),
            port: self.server.address.port(),
        }
    }

    pub(crate) fn issued(&self) -> u64 {
        self.identities.lock().unwrap().issued()
    }

    pub(crate) fn asked(&self) -> usize {
        self.identities.lock().unwrap().requests().len()
    }

    pub(crate) fn arc_dir(&self) -> &PathBuf {
        self.arc_dir.as_ref().unwrap()
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        if let Some(dir) = &self.arc_dir {
            let _ = std::fs::remove_dir_all(dir);
        }
    }
}

/// The client of this crate, with the proxy of the environment should there be one; the one port that is fixed, Cloud
/// Shell's, is any port here.
pub(crate) struct Here {
    ureq: UreqClient,
    port: u16,
}

impl HttpClient for Here {
    fn send(&self, request: &Outgoing) -> Result<HttpResponse, SendError> {
        let mut request = request.clone();
        if request.endpoint.port() == Some(50342) {
            let address = format!("http://127.0.0.1:{}{}", self.port, request.endpoint.request_target());
            request.endpoint = Endpoint::parse(&address).unwrap();
        }
        self.ureq.send(&request)
    }
}

fn key_file() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let dir = folder(&format!("arc-{}", COUNT.fetch_add(1, Ordering::SeqCst)));
    std::fs::write(dir.join("simulated.key"), ARC_KEY).unwrap();
    dir
}

/// Nobody vouches for it, its name is another and it has ended: the thumbprint is all that counts.
pub(crate) fn tls_identity() -> Identity {
    Authority::new("cluster").identity(&["cluster.example"], 2021)
}

pub(crate) fn sha1(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect()
}

fn parse(text: &str, now: u64) -> Request {
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let mut line = lines.next().unwrap().split(' ');
    let (method, target) = (line.next().unwrap(), line.next().unwrap());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Request {
        method: method.to_owned(),
        target: target.to_owned(),
        host: "127.0.0.1".to_owned(),
        headers,
        body: body.as_bytes().to_vec(),
        now,
    }
}

/// Writes an answer as its delivery says; whether the connection stays open.
fn deliver(stream: &mut dyn Stream, response: &Response) -> bool {
    let headers: String = response.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = response.body.len();
    let head = format!("HTTP/1.1 {} sim\r\n{headers}Content-Length: {length}\r\n\r\n", response.status);
    let half = &response.body[..length / 2];
    match response.delivery {
        Delivery::Whole => stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&response.body)).is_ok(),
        Delivery::Cut => {
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(half));
            false
        }
        Delivery::Reset => false,
        _ => {
            while stream.read(&mut [0; 64]).is_ok_and(|read| read > 0) {}
            false
        }
    }
}
