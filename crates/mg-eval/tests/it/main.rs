//! Claims about scores, against reference implementations.

mod golden;
mod svm;
