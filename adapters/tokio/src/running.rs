//! What still runs although nobody may wait for it any more: tasks that ask a server, threads that write.

use tokio::sync::watch;

/// Counts what runs. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Running(watch::Sender<usize>);

/// One that runs, until dropped.
#[derive(Debug)]
pub(crate) struct Run(watch::Sender<usize>);

impl Running {
    pub(crate) fn begin(&self) -> Run {
        self.0.send_modify(|count| *count = count.saturating_add(1));
        Run(self.0.clone())
    }

    /// Waits until nothing runs.
    pub(crate) async fn ended(&self) {
        // The sender is here: the channel is not closed.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Default for Running {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}
