//! Several futures at the same time.

use std::future::poll_fn;
use std::task::Poll;

use socketio_broker::driver::BoxFuture;

/// Runs all futures, and returns their results in the same order.
pub(super) async fn join_all<T>(futures: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    let mut results: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    let mut futures: Vec<_> = futures.into_iter().enumerate().collect();
    poll_fn(|context| {
        futures.retain_mut(|(number, future)| match future.as_mut().poll(context) {
            Poll::Ready(result) => {
                results[*number] = Some(result);
                false
            }
            Poll::Pending => true,
        });
        if futures.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    results.into_iter().flatten().collect()
}
