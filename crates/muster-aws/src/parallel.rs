//! Many calls at once, on one task: they wait for the network, they do not compute.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

/// Calls under way at once. With 50 ms a call this is over a thousand calls a second, far above what IAM allows.
const WORKERS: usize = 64;

/// Does a piece of work for each item, many at once; returns what came of each, in the order of the items.
pub(crate) async fn in_parallel<T, R>(
    items: impl IntoIterator<Item = T>,
    work: impl AsyncFn(T) -> R,
) -> Vec<R> {
    let queue: VecDeque<(usize, T)> = items.into_iter().enumerate().collect();
    let workers = queue.len().min(WORKERS);
    let queue = Mutex::new(queue);
    let results = Mutex::new(Vec::new());
    let worker = async || {
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some((position, item)) = next else { return };
            let result = work(item).await;
            results.lock().unwrap_or_else(PoisonError::into_inner).push((position, result));
        }
    };
    let mut running: Vec<_> = (0..workers).map(|_| Box::pin(worker())).collect();
    std::future::poll_fn(|cx| {
        running.retain_mut(|worker| worker.as_mut().poll(cx).is_pending());
        if running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    drop(running);
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(position, _)| *position);
    results.into_iter().map(|(_, result)| result).collect()
}
