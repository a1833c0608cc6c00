//! Runs that do not depend on each other, on several threads.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// As many threads as the machine runs at once.
pub(crate) fn default_threads() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Does all jobs, `threads` at a time. The results are in order of the jobs, whoever did them and when.
pub(crate) fn all<T: Send>(jobs: usize, threads: NonZeroUsize, job: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<T>>> = Mutex::new((0..jobs).map(|_| None).collect());
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= jobs {
                return;
            }
            let result = job(index);
            results.lock().expect("no job panics while it holds the results")[index] = Some(result);
        }
    };
    // The caller's thread is one of them.
    thread::scope(|scope| {
        for _ in 1..threads.get().min(jobs) {
            scope.spawn(work);
        }
        work();
    });
    let results = results.into_inner().expect("no job panics while it holds the results");
    results.into_iter().map(|result| result.expect("every job was done")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_order_whatever_the_number_of_threads() {
        let squares: Vec<usize> = (0..50).map(|n| n * n).collect();
        for threads in [1, 2, 7, 100] {
            let threads = NonZeroUsize::new(threads).expect("not 0");
            // The first ones take longest.
            let slow = |n: usize| (0..(50 - n) * 1000).fold(n, |n, _| std::hint::black_box(n)).pow(2);
            assert_eq!(all(50, threads, slow), squares);
        }
        assert!(all(0, NonZeroUsize::MIN, |n| n).is_empty());
    }
}
