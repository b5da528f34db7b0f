//! A process that keeps a processor from going idle and gives way to any other.
//!
//! On a virtual machine to wake an idle processor costs whoever wakes it as much as a token does, and then its caches are cold. With
//! a server elsewhere a client wakes none.

use std::io::Read;
use std::process::{Child, Command, Stdio};

/// Keeps a processor awake until it is dropped.
pub struct Awake(Child);

impl Awake {
    pub fn on(processor: usize) -> Self {
        crate::stay_on(processor);
        let mut command = Command::new(std::env::current_exe().unwrap());
        Self(command.arg("--awake").stdin(Stdio::piped()).spawn().unwrap())
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Until its input ends.
pub fn spin() {
    rustix::process::nice(19).unwrap();
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    loop {
        std::hint::spin_loop();
    }
}
