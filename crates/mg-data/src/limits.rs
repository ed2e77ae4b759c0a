/// An image with fewer pixels on a side is bad.
pub const MIN_SIDE: u32 = 8;
/// An image with more pixels in all is bad: 8192 x 8192, 64 megapixels.
pub const MAX_PIXELS: u64 = 1 << 26;
/// A file of more bytes is bad: 256 MiB.
pub const MAX_FILE: u64 = 1 << 28;
/// Memory that all threads together decode images in: 2 GiB, or one image.
pub(crate) const DECODING: u64 = 1 << 31;
/// Images that one archive or folder may list.
pub(crate) const MAX_LISTED: usize = 10_000_000;
/// The largest side that images are resized to.
pub const MAX_SIDE: usize = 4096;
/// Every image becomes RGB.
pub(crate) const CHANNELS: usize = 3;
/// The largest class number.
pub(crate) const MAX_LABEL: i64 = 65_535;
