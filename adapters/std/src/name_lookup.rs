//! Looks a host's name up when a connection to it is made: `ureq` would do so, on a thread of its own, for every request
//! that goes out on a connection it has kept as well.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::{Duration, Instant};
use ureq::unversioned::transport::{ConnectionDetails, NextTimeout};

/// "Not looked up yet." Nothing listens there.
const LATER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Looks nothing up; the connector does, by [`look_up`].
#[derive(Debug)]
pub(crate) struct Later;

impl Resolver for Later {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.empty();
        addresses.push(LATER);
        Ok(addresses)
    }
}

/// The addresses to connect to, and what is left of the time for it.
pub(crate) fn look_up(
    details: &ConnectionDetails<'_>,
    resolver: &DefaultResolver,
) -> Result<(ResolvedSocketAddrs, NextTimeout), Error> {
    // What goes through a proxy has no addresses here: the proxy looks the name up.
    if !details.addrs.contains(&LATER) {
        return Ok((details.addrs.clone(), details.timeout));
    }
    let now = &details.current_time;
    let begun = now();
    let addresses = resolver.resolve(details.uri, details.config, details.timeout)?;
    let mut timeout = details.timeout;
    if let (Instant::Exact(begun), Instant::Exact(ended), Duration::Exact(whole)) = (begun, now(), timeout.after) {
        timeout.after = whole.saturating_sub(ended.saturating_duration_since(begun)).into();
    }
    Ok((addresses, timeout))
}
