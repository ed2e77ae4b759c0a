/// Instruction sets the engine has code for, found at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Whatever the compiler makes of plain arrays.
    Portable,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 foundation.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX-512 with products of pairs of bf16 and of 16-bit integers.
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
    /// That, and tiles of bf16 (AMX).
    #[cfg(target_arch = "x86_64")]
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "tiles are asked of Linux only"))]
    Amx,
    /// Plain arrays, with plain code in place of tiles of bf16: what follows from tiles, on every processor.
    #[cfg(test)]
    PlainTiles,
}

impl Level {
    /// All levels this processor has, slowest first.
    pub(crate) fn available() -> Vec<Self> {
        let mut levels = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            let avx2 = has!("avx2") && has!("fma");
            let avx512 = avx2 && has!("avx512f");
            let bf16 = avx512 && has!("avx512bf16") && has!("avx512bw") && has!("avx512vnni");
            levels.extend(avx2.then_some(Self::Avx2));
            levels.extend(avx512.then_some(Self::Avx512));
            levels.extend(bf16.then_some(Self::Avx512Bf16));
            #[cfg(target_os = "linux")]
            levels.extend((bf16 && crate::amx::unit().is_some()).then_some(Self::Amx));
        }
        levels
    }

    /// All levels this processor has, and the stand-ins.
    #[cfg(test)]
    pub(crate) fn tested() -> Vec<Self> {
        [Self::available(), vec![Self::PlainTiles]].concat()
    }

    /// The level of the vector instructions, without tiles.
    pub(crate) fn vectors(self) -> Self {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx => Self::Avx512Bf16,
            #[cfg(test)]
            Self::PlainTiles => Self::Portable,
            level => level,
        }
    }

    /// Whether it has instructions that multiply bf16.
    pub(crate) fn has_bf16(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 | Self::Amx => true,
            _ => false,
        }
    }

    /// The fastest of them.
    pub(crate) fn best() -> Self {
        Self::available().last().copied().unwrap_or(Self::Portable)
    }
}
