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
    /// Whether 2 x 2 pixels lie side by side as one: see [`Map::cells`].
    pub(crate) in_cells: bool,
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
        Self {
            side,
            channels,
            before: halo.0,
            padded: side + halo.0 + halo.1,
            pitch,
            first: 0,
            in_cells: false,
        }
    }

    /// A map without padding of channels, for images.
    pub(crate) fn dense(side: usize, channels: usize, halo: (usize, usize)) -> Self {
        let pitch = channels;
        Self {
            side,
            channels,
            before: halo.0,
            padded: side + halo.0 + halo.1,
            pitch,
            first: 0,
            in_cells: false,
        }
    }

    /// A map of an even side whose 2 x 2 pixels lie one after the other, row by row, and so can be read as one pixel with
    /// four times the channels; the halo is of such cells. Channels must be whole vectors.
    pub(crate) fn cells<T>(side: usize, channels: usize, halo: (usize, usize), lanes: usize) -> Self {
        let cells = Self::new::<T>(side / 2, 4 * channels, halo, lanes);
        Self { side, channels, in_cells: true, ..cells }
    }

    /// A map of cells with the cells as its pixels.
    pub(crate) fn of_cells(&self) -> Self {
        Self { side: self.side / 2, channels: 4 * self.channels, in_cells: false, ..*self }
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
        if self.in_cells {
            let within = (2 * (y % 2) + x % 2) * self.channels;
            let (y, x) = (y / 2 + self.before, x / 2 + self.before);
            return n * self.image() + y * self.row() + x * self.pitch + within;
        }
        n * self.image() + (y + self.before) * self.row() + (x + self.before) * self.pitch + self.first
    }

    /// Copies the pixels of `images` maps to where they lie in another layout.
    pub(crate) fn copy_to<T: Copy>(&self, images: usize, from: &[T], (to_map, to): (&Self, &mut [T])) {
        for (n, (y, x)) in (0..images).flat_map(|n| self.pixels().map(move |at| (n, at))) {
            let (from_at, to_at) = (self.at(n, y, x), to_map.at(n, y, x));
            to[to_at..to_at + self.channels].copy_from_slice(&from[from_at..from_at + self.channels]);
        }
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
