//! A daemon is never without a valid token longer than its platform's own outage (issue 3, 5).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

use sansal_tests::daemon;

#[test]
fn an_hour_with_a_bad_platform() {
    let certs = concat!(env!("CARGO_MANIFEST_DIR"), "/certs");
    let read = |name: &str| std::fs::read_to_string(format!("{certs}/{name}")).unwrap();
    let identities = [
        (read("rsa2048.key.pkcs8.pem"), read("rsa2048.cert.pem")),
        (read("chain.leaf.key.pem"), read("chain.leaf.cert.pem")),
    ];
    let report = daemon::live(&identities).unwrap();
    println!("{report}");
    // The hour is a bad one, and the daemon lives through most of it.
    assert!(report.longest_outage >= 900 && report.issued >= 5, "{report}");
    assert!(report.longest_gap < report.longest_outage, "{report}");
    assert_eq!(report.beyond, 0, "without a token although the platform was there again: {report}");
    assert!(report.served * 10 > report.needed * 7, "{report}");
}
