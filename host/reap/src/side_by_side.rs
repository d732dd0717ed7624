//! Doing several things at once.

use std::future::Future;

use tokio::task::JoinHandle;

/// Something that ran beside others panicked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a fault inside Reap: {0}")]
pub(crate) struct Panicked(String);

/// Runs all at once and gives their answers in the order of the work. A panic of
/// one is its answer and stops no other. What has begun goes on when this is
/// given up: an end that is under way must not stop between its two signals.
pub(crate) async fn side_by_side<T, F>(work: Vec<F>) -> Vec<Result<T, Panicked>>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let begun: Vec<JoinHandle<T>> = work.into_iter().map(tokio::spawn).collect();
    let mut answers = Vec::with_capacity(begun.len());
    for task in begun {
        answers.push(task.await.map_err(|error| Panicked(error.to_string())));
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_keep_their_order_and_a_panic_stops_no_other() {
        let (open, wait) = tokio::sync::oneshot::channel();
        let mut open = Some(open);
        let mut wait = Some(wait);
        let work: Vec<_> = (0..3)
            .map(|number| {
                let open = (number == 2).then(|| open.take()).flatten();
                let wait = (number == 0).then(|| wait.take()).flatten();
                async move {
                    assert_ne!(number, 1, "the middle one panics");
                    // The first ends after the last, so order is not that of time.
                    if let Some(wait) = wait {
                        wait.await.expect("the last one opens");
                    }
                    if let Some(open) = open {
                        open.send(()).expect("the first one waits");
                    }
                    number
                }
            })
            .collect();
        let answers = side_by_side(work).await;
        assert_eq!((answers[0].as_ref().ok(), answers[2].as_ref().ok()), (Some(&0), Some(&2)));
        assert!(answers[1].as_ref().expect_err("it panicked").to_string().contains("fault inside Reap"));
    }
}
