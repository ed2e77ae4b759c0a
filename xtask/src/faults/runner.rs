use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::Result;

use super::kind::Kind;
use super::tree;

/// Cases of one kind, tried side by side.
pub(super) struct Runner<'a> {
    pub(super) word: &'a str,
    pub(super) kind: &'a dyn Kind,
    /// For the folders of the cases; those of cases that failed stay.
    pub(super) folder: &'a Path,
    pub(super) jobs: usize,
}

/// What came of all cases.
#[derive(Default)]
struct Tally {
    endings: BTreeMap<&'static str, usize>,
    failed: usize,
}

/// Failures that are told in full.
const TOLD: usize = 20;

impl Runner<'_> {
    /// Tries these cases; how many of them failed.
    pub(super) fn run(&self, cases: &[usize]) -> usize {
        let (start, next, tally) = (Instant::now(), AtomicUsize::new(0), Mutex::new(Tally::default()));
        std::thread::scope(|scope| {
            for _ in 0..self.jobs {
                scope.spawn(|| {
                    while let Some(&case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let done = self.attempt(case);
                        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                        match done {
                            Ok(ending) => *tally.endings.entry(ending).or_default() += 1,
                            Err(error) => {
                                tally.failed += 1;
                                self.tell(case, &error, tally.failed);
                            }
                        }
                    }
                });
            }
        });
        let Tally { endings, failed } = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
        let endings: Vec<String> =
            endings.iter().map(|(ending, count)| format!("{count} {ending}")).collect();
        let (seconds, endings) = (start.elapsed().as_secs_f64(), endings.join(", "));
        println!("{:<12} {} cases in {seconds:.1} s: {endings}; {failed} FAILED", self.word, cases.len());
        failed
    }

    fn attempt(&self, case: usize) -> Result<&'static str> {
        let folder = self.folder.join(format!("{}-{case}", self.word));
        tree::empty(&folder)?;
        let ending = self.kind.check(case, &folder)?;
        std::fs::remove_dir_all(&folder)?;
        Ok(ending)
    }

    fn tell(&self, case: usize, error: &anyhow::Error, failed: usize) {
        let (word, what) = (self.word, self.kind.describe(case));
        if failed > TOLD {
            println!("FAILED {word} {case}: {what}");
            return;
        }
        println!("FAILED {word} {case}: {what}\n       {error:#}");
        println!("       again: cargo xtask faults --only {word} --case {case}");
        println!("       left in {}", self.folder.join(format!("{word}-{case}")).display());
    }
}
