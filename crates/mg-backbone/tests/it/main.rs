//! Claims about the networks: against their published implementations, and about files of features.

mod feature_file;
mod published;
