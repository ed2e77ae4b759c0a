//! Claims about sets of images, in every form they come in.

mod common;
mod formats;
mod hostile;
mod loader;
mod real;
mod sets;
mod words;
