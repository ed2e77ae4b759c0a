use candle_core::Tensor;
use mg_energy::Part;
use mg_random::Key;

/// The observed images of one iteration, or one part of them.
#[derive(Clone, Debug)]
pub struct Batch {
    /// [n, c, s, s] with values in [-1, 1], mirrored and with noise as configured.
    pub images: Tensor,
    /// Their numbers in the set, `[n]`.
    pub numbers: Vec<u64>,
    /// Which of them are mirrored left to right, `[n]`.
    pub flips: Vec<bool>,
    /// Their classes, `[n]`, of sets with labels.
    pub labels: Option<Vec<u32>>,
    /// Number of the class that they are from, where classes have models of their own; 0 elsewhere.
    pub class: usize,
    /// Which part of the whole batch they are.
    pub part: Part,
    /// Names the randomness of this batch, whatever iteration it is learned in.
    pub key: Key,
}
