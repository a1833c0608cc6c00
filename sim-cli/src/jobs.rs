//! Runs that do not depend on each other, on several threads.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crossbeam_channel::unbounded;

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

/// Does a job for each item, `threads` at a time, and tells the caller's thread how each ended, in whatever order. Once `heard`
/// says false no further job begins.
pub(crate) fn each<I: Sync, T: Send>(
    items: &[I],
    threads: NonZeroUsize,
    job: impl Fn(&I) -> T + Sync,
    mut heard: impl FnMut(T) -> bool,
) {
    let (give, take) = unbounded();
    let (tell, hear) = unbounded();
    for item in items {
        give.send(item).expect("this thread holds the other end");
    }
    drop(give);
    thread::scope(|scope| {
        for _ in 0..threads.get().min(items.len()) {
            let (take, tell, job) = (take.clone(), tell.clone(), &job);
            scope.spawn(move || {
                for item in take {
                    tell.send(job(item)).expect("it is heard until all have ended");
                }
            });
        }
        drop(tell);
        for ended in hear {
            if !heard(ended) {
                take.try_iter().for_each(drop);
            }
        }
    });
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

    #[test]
    fn each_item_is_heard_of_once_and_none_begins_after_a_stop() {
        let items: Vec<usize> = (0..200).collect();
        for threads in [1, 3, 500] {
            let threads = NonZeroUsize::new(threads).expect("not 0");
            let mut heard = Vec::new();
            each(
                &items,
                threads,
                |&n| n,
                |n| {
                    heard.push(n);
                    true
                },
            );
            heard.sort_unstable();
            assert_eq!(heard, items);
        }
        let (begun, mut heard) = (AtomicUsize::new(0), 0);
        let slow = |_: &usize| {
            begun.fetch_add(1, Ordering::Relaxed);
            thread::sleep(std::time::Duration::from_millis(5));
        };
        each(&items, NonZeroUsize::MIN, slow, |()| {
            heard += 1;
            false
        });
        assert_eq!(begun.into_inner(), heard, "what has begun is heard of");
        assert!(heard < items.len());
    }
}
