//! The superloop at work: asks for a token twice, counting the turns of the loop meanwhile.

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};

use sansal_tests::hosts::superloop::{Names, Superloop};
use sansal_tests::hosts::{Arguments, World, arguments};

fn main() {
    if let Err(why) = run() {
        eprintln!("host_superloop: {why}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), String> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let (client, trust, wanted) = (arguments.client()?, arguments.trust()?, arguments.wanted()?);
    let mut world = World::new().map_err(|why| why.to_string())?;
    let host = client.authority().host().to_owned();
    let address = match host.as_str() {
        "localhost" => Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
        name => (name, 0).to_socket_addrs().ok().and_then(|mut addresses| addresses.next()),
    };
    let names = Names::from([(host.clone(), address.ok_or_else(|| format!("{host} has no address"))?)]);
    for round in ["first", "second"] {
        let flow = wanted.flow(&client).map_err(|why| why.to_string())?;
        let mut superloop = Superloop::new(&client, &trust, &names, flow);
        let mut turns = 1_u64;
        let token = loop {
            match superloop.poll(&mut world) {
                Some(done) => break done.map_err(|why| why.to_string())?,
                None => turns = turns.saturating_add(1), // here a device would blink, measure, feed its watchdog
            }
        };
        println!("{}, {turns} turns, woken early {} times", arguments::report(round, &token), superloop.early);
    }
    Ok(())
}
