//! Claims about sets of images, in every form they come in.

mod common;
mod formats;
mod forms;
mod hostile;
mod loader;
mod real;
mod scans;
mod sets;
mod tables;
mod trees;
mod words;
