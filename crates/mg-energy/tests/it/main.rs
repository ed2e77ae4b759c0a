//! Claims about nets and energies.

mod matching;
mod nets;
