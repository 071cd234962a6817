//! A progress bar on a terminal, nothing elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::terminal::Terminal;

/// Shows how far something has come.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Counts up without a known end.
    pub(crate) fn counting(terminal: &Terminal, what: &'static str) -> Self {
        Self::new(terminal, None, &format!("{what} {{pos}}"))
    }

    /// Counts up to an end.
    pub(crate) fn up_to(terminal: &Terminal, total: usize, what: &'static str) -> Self {
        Self::new(terminal, Some(total), &format!("{what} {{wide_bar}} {{pos}}/{{len}} {{eta}}"))
    }

    fn new(terminal: &Terminal, total: Option<usize>, template: &str) -> Self {
        let target =
            if terminal.progress { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(total.map(|total| total as u64), target);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// Sets how far it has come.
    pub(crate) fn set(&self, position: usize) {
        self.0.set_position(position as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
