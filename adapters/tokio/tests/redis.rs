//! Hosts whose clients are asynchronous, at a real Redis server: the same as in `sansal-std`. They run where `redis-server` is
//! (`tests/run caches` sees to that).
#![cfg(all(unix, feature = "redis"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test"
)]

#[path = "../../std/tests/support/hosts.rs"]
mod hosts;
#[path = "../../std/tests/support/sim.rs"]
mod sim;

use std::time::Instant;

use hosts::{Host, redis};
use sansal_tokio::ConfidentialClient;

/// A host: tasks that need tokens, a few new ones in each turn. Without the variables of a host it does nothing.
#[tokio::test]
async fn host() {
    let Some(host) = Host::of_environment() else { return };
    let (client, begun) = (ConfidentialClient::new(host.settings()).unwrap(), Instant::now());
    let tasks: Vec<_> = (0..4)
        .map(|at| {
            let (client, wanted) = (client.clone(), host.wanted(at));
            tokio::spawn(async move {
                let mut all = Vec::new();
                for (due, wanted) in wanted {
                    tokio::time::sleep(due.saturating_sub(begun.elapsed())).await;
                    let token = client.acquire_token_for_client(&[&wanted]).await.unwrap();
                    all.push((wanted, token));
                }
                all
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().iter().for_each(|(wanted, token)| host.got(wanted, token));
    }
    client.close().await;
    host.end();
}

#[test]
fn of_two_hosts_one_asks_for_each_token() {
    if redis() {
        // Calls that wait for another one's answer get that.
        assert!(hosts::of_two_hosts_one_asks_for_each_token() >= hosts::RESOURCES);
    }
}

#[test]
fn nothing_is_lost_when_redis_is_killed_under_load() {
    if redis() {
        hosts::nothing_is_lost_when_redis_is_killed_under_load();
    }
}
