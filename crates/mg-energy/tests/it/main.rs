//! Claims about nets and energies.

mod nets;
