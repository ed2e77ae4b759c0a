//! Fetching from a hub on the loopback address at which everything goes wrong that can. Every case ends with verified
//! content or with an error that says what and where, and the next try without faults is whole.

mod calls;
mod faults;
mod offline;
mod publishing;
mod server;
mod support;
