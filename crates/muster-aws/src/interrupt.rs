//! Ctrl-C: calls in flight are finished, nothing new is started.

use std::sync::Arc;

use tokio::sync::watch;

/// Says whether the person at the keyboard wants to stop. Clones share the wish.
#[derive(Debug, Clone)]
pub struct Interrupt {
    sender: Arc<watch::Sender<bool>>,
}

impl Default for Interrupt {
    fn default() -> Self {
        Self { sender: Arc::new(watch::Sender::new(false)) }
    }
}

impl Interrupt {
    /// Asks for a stop.
    pub fn set(&self) {
        self.sender.send_replace(true);
    }

    /// Returns whether a stop was asked for.
    pub fn is_set(&self) -> bool {
        *self.sender.borrow()
    }

    /// Returns once a stop is asked for.
    pub async fn wait(&self) {
        // The sender lives in `self`, so that waiting cannot fail.
        let _ = self.sender.subscribe().wait_for(|set| *set).await;
    }
}
