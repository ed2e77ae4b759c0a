use std::time::Duration;

/// What happens while files are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// More bytes of the plan have arrived.
    Progress {
        /// The file that grows.
        file: &'a str,
        /// Bytes of all files of the plan that are there.
        bytes: u64,
    },
    /// Another process is fetching this file, for both.
    Waiting {
        /// The file.
        file: &'a str,
    },
    /// A try failed; another follows.
    Retrying {
        /// The file.
        file: &'a str,
        /// What went wrong.
        reason: &'a str,
        /// How long the next try waits.
        wait: Duration,
    },
    /// Content had a wrong hash and was deleted; it is fetched anew.
    Wrong {
        /// The file.
        file: &'a str,
    },
}
