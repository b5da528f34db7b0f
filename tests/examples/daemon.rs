//! An hour of a daemon's life with outages, throttling, key and certificate rotation, simulated in a moment.

use sansal_tests::daemon;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let certs = concat!(env!("CARGO_MANIFEST_DIR"), "/certs");
    let read = |name: &str| std::fs::read_to_string(format!("{certs}/{name}"));
    let identities = [
        (read("rsa2048.key.pkcs8.pem")?, read("rsa2048.cert.pem")?),
        (read("chain.leaf.key.pem")?, read("chain.leaf.cert.pem")?),
    ];
    print!("{}", daemon::live(&identities)?);
    Ok(())
}
