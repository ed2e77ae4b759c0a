/// Largest side of a grid.
pub const MAX_SIDE: usize = 8192;
