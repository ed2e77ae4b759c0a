use serde::{Deserialize, Serialize};

/// What one iteration looked like: a line of `metrics.jsonl`. It holds no time, so that a resumed run writes the same
/// bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Number of the iteration, from 1.
    pub iteration: u64,
    /// Passes over the data so far.
    pub passes: f64,
    /// Class that was learned, of conditional models.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub class: Option<String>,
    /// The grids, coarse to fine.
    pub grids: Vec<GridReport>,
}

/// What one iteration looked like on one grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GridReport {
    /// Side of the grid.
    pub side: usize,
    /// Mean score of synthesized minus mean score of observed images: near zero where sampling and learning keep up
    /// with each other.
    pub gap: f64,
    /// Mean score of the observed images.
    pub score: f64,
    /// Mean absolute difference of an observed image and its chain, grey levels of 255.
    pub difference: f64,
    /// Standard deviation of the chains' pixels, images in [-1, 1].
    pub deviation: f64,
    /// The same of the observed images.
    pub data_deviation: f64,
    /// Share of the chains' pixels at the ends of the range.
    pub saturation: f64,
    /// The same of the observed images.
    pub data_saturation: f64,
    /// Mean energy of the chains at their first and last step.
    pub energy: [f64; 2],
    /// Mean norm of the energy's gradient at the last step.
    pub gradient_norm: f64,
    /// Share of accepted proposals (MALA, HMC).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub acceptance: Option<f64>,
    /// Learning rate.
    pub rate: f64,
}

impl Report {
    /// The first number that is not finite, by grid and name.
    pub fn not_finite(&self) -> Option<String> {
        self.grids.iter().find_map(|g| {
            let numbers = [
                ("gap", g.gap),
                ("score", g.score),
                ("difference", g.difference),
                ("deviation", g.deviation),
                ("energy", g.energy[1]),
                ("gradient norm", g.gradient_norm),
            ];
            let (name, value) = numbers.into_iter().find(|(_, value)| !value.is_finite())?;
            Some(format!("the {name} of grid {0}x{0} is {value}", g.side))
        })
    }
}
