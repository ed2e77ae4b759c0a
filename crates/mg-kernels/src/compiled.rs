//! Which kernels compute a format at which level.

use std::sync::{Mutex, Weak};

use half::bf16;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use crate::amx;
use crate::format::{Format, Half, Whole};
use crate::instruction_sets::portable;
#[cfg(target_arch = "x86_64")]
use crate::instruction_sets::{avx2, avx512, avx512_bf16};
use crate::kernels::Kernels;
use crate::memory::Memory;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512, Dot};
use crate::simd::{Level, Plain, Portable, Widened};
use crate::tile_unit::TileUnit;
use crate::winograd::fixed::FixedKernels;

/// A format that kernels are compiled for.
pub(crate) trait Compiled: Format {
    /// The kernels of a level from [`Level::available`].
    fn kernels(level: Level) -> &'static Kernels<Self>;
    /// Those of the format without a shorter form in memory.
    fn full(level: Level) -> &'static Kernels<Self::Full>;
    /// Memory of networks of this format.
    fn memory() -> &'static Mutex<Weak<Memory<Self::Stored>>>;
    /// Memory of networks of the format without a shorter form.
    fn full_memory() -> &'static Mutex<Weak<Memory<Self::Elem>>>;
    /// A unit that multiplies matrices of stored values.
    fn tile_unit(_: Level) -> Option<&'static TileUnit<Self>> {
        None
    }
    /// Kernels for products of transformed tiles in fixed point, where they are precise enough and pay.
    fn fixed(_: Level) -> Option<&'static FixedKernels<Self::Elem>> {
        None
    }
}

macro_rules! whole {
    ($elem:ty) => {
        impl Compiled for Whole<$elem> {
            fn kernels(level: Level) -> &'static Kernels<Self> {
                match level.vectors() {
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx2 => const { &avx2::Of::<Plain<Avx2<$elem>>>::at(Level::Avx2) },
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 | Level::Avx512Bf16 => {
                        const { &avx512::Of::<Plain<Avx512<$elem>>>::at(Level::Avx512) }
                    }
                    _ => const { &portable::Of::<Plain<Portable<$elem>>>::at(Level::Portable) },
                }
            }

            fn full(level: Level) -> &'static Kernels<Self> {
                Self::kernels(level)
            }

            fn full_memory() -> &'static Mutex<Weak<Memory<$elem>>> {
                Self::memory()
            }

            fn memory() -> &'static Mutex<Weak<Memory<$elem>>> {
                static MEMORY: Mutex<Weak<Memory<$elem>>> = Mutex::new(Weak::new());
                &MEMORY
            }
        }
    };
}
whole!(f32);
whole!(f64);

impl Compiled for Half {
    fn kernels(level: Level) -> &'static Kernels<Self> {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => const { &avx2::Of::<Widened<Avx2<f32>>>::at(Level::Avx2) },
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => const { &avx512::Of::<Widened<Avx512<f32>>>::at(Level::Avx512) },
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Bf16 => const { &avx512_bf16::Of::<Dot>::at(Level::Avx512Bf16) },
            #[cfg(target_arch = "x86_64")]
            Level::Amx => const { &avx512_bf16::Of::<Dot>::at(Level::Amx) },
            #[cfg(test)]
            Level::PlainTiles => const { &portable::Of::<Widened<Portable<f32>>>::at(Level::PlainTiles) },
            Level::Portable => const { &portable::Of::<Widened<Portable<f32>>>::at(Level::Portable) },
        }
    }

    fn full(level: Level) -> &'static Kernels<Whole<f32>> {
        Whole::kernels(level)
    }

    fn full_memory() -> &'static Mutex<Weak<Memory<f32>>> {
        Whole::<f32>::memory()
    }

    fn memory() -> &'static Mutex<Weak<Memory<bf16>>> {
        static MEMORY: Mutex<Weak<Memory<bf16>>> = Mutex::new(Weak::new());
        &MEMORY
    }

    fn fixed(level: Level) -> Option<&'static FixedKernels<f32>> {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Bf16 => Some(&crate::winograd::vnni::VNNI),
            _ => None,
        }
    }

    fn tile_unit(level: Level) -> Option<&'static TileUnit<Self>> {
        match level {
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Level::Amx => amx::unit(),
            #[cfg(test)]
            Level::PlainTiles => Some(&crate::tile_unit::PLAIN),
            _ => None,
        }
    }
}
