use crate::Window;
use crate::format::Stored;

/// Layout of a batch of square maps inside the engine: `[n, y, x, channel]`, with a halo of zeros around each map so
/// that convolutions need no border cases, and channels padded so that vectors never straddle two pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Map {
    pub(crate) side: usize,
    pub(crate) channels: usize,
    /// Halo before the map (above and to the left).
    pub(crate) before: usize,
    /// Side with both halos.
    pub(crate) padded: usize,
    /// Elements from one pixel to the next.
    pub(crate) pitch: usize,
    /// Channels of the same pixels that come before these: not zero for a part of a concatenation.
    pub(crate) first: usize,
}

/// Elements allocated beyond the last pixel: tiles may read, but never use, a few values past a pixel.
const SLACK: usize = 64;

impl Map {
    /// A map whose pixels are whole vectors of `lanes` elements of type `T`.
    pub(crate) fn new<T>(side: usize, channels: usize, halo: (usize, usize), lanes: usize) -> Self {
        let mut pitch = channels.next_multiple_of(lanes);
        // Pixels a multiple of 1 KiB apart compete for the same few cache sets.
        if (pitch * size_of::<T>()).is_multiple_of(1024) {
            pitch += 64 / size_of::<T>();
        }
        Self { side, channels, before: halo.0, padded: side + halo.0 + halo.1, pitch, first: 0 }
    }

    /// A map without padding of channels, for images.
    pub(crate) fn dense(side: usize, channels: usize, halo: (usize, usize)) -> Self {
        Self { side, channels, before: halo.0, padded: side + halo.0 + halo.1, pitch: channels, first: 0 }
    }

    /// The map of `channels` of these channels, from number `first` on, in the same memory.
    pub(crate) fn part(&self, first: usize, channels: usize) -> Self {
        Self { first: self.first + first, channels, ..*self }
    }

    /// Elements from one row to the next.
    pub(crate) fn row(&self) -> usize {
        self.padded * self.pitch
    }

    /// Elements from one map to the next.
    pub(crate) fn image(&self) -> usize {
        self.padded * self.row()
    }

    /// Elements to allocate for `n` maps.
    pub(crate) fn len(&self, n: usize) -> usize {
        n * self.image() + SLACK
    }

    /// Checks that the addresses of `n` maps fit the 32 bits that tables of places have, else says what to do.
    pub(crate) fn check_addresses(&self, n: usize) -> Result<(), String> {
        let elements = self.padded.checked_mul(self.padded).and_then(|area| area.checked_mul(self.pitch * n));
        match elements {
            Some(elements) if elements < u32::MAX as usize - SLACK => Ok(()),
            _ => Err(format!(
                "maps of {} channels on {side}x{side} are too large for the fused engine: use `Route::Tensor`",
                self.channels,
                side = self.side
            )),
        }
    }

    /// Where pixel (y, x) of map `n` begins.
    pub(crate) fn at(&self, n: usize, y: usize, x: usize) -> usize {
        n * self.image() + (y + self.before) * self.row() + (x + self.before) * self.pitch + self.first
    }

    /// Where the window of output (y, x) begins in map `n`; the halo holds what lies before the map.
    pub(crate) fn window(&self, window: &Window, n: usize, y: usize, x: usize) -> usize {
        let row = y * window.stride + self.before - window.before[0];
        let column = x * window.stride + self.before - window.before[1];
        n * self.image() + row * self.row() + column * self.pitch + self.first
    }

    /// Pixels of a map, in rows.
    pub(crate) fn pixels(&self) -> impl Iterator<Item = (usize, usize)> + Clone + use<> {
        let side = self.side;
        (0..side).flat_map(move |y| (0..side).map(move |x| (y, x)))
    }

    /// Copies images `[n, c, y, x]` into the interior.
    pub(crate) fn load<E: Copy, T: Stored<E>>(&self, from: &[E], to: &mut [T]) {
        let (area, side) = (self.side * self.side, self.side);
        for (n, image) in from.chunks_exact(self.channels * area).enumerate() {
            for y in 0..side {
                let start = self.at(n, y, 0);
                let row = &mut to[start..start + side * self.pitch];
                for (c, plane) in image.chunks_exact(area).enumerate() {
                    let values = &plane[y * side..][..side];
                    row[c..].iter_mut().step_by(self.pitch).zip(values).for_each(|(to, v)| *to = T::of(*v));
                }
            }
        }
    }

    /// Copies the interior to images `[n, c, y, x]`.
    pub(crate) fn store<E: Copy, T: Stored<E>>(&self, from: &[T], to: &mut [E]) {
        let (area, side) = (self.side * self.side, self.side);
        for (n, image) in to.chunks_exact_mut(self.channels * area).enumerate() {
            for y in 0..side {
                let start = self.at(n, y, 0);
                let row = &from[start..start + side * self.pitch];
                for (c, plane) in image.chunks_exact_mut(area).enumerate() {
                    let values = &mut plane[y * side..][..side];
                    values
                        .iter_mut()
                        .zip(row[c..].iter().step_by(self.pitch))
                        .for_each(|(to, v)| *to = v.value());
                }
            }
        }
    }
}
