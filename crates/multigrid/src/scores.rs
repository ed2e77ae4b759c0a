use std::fmt;
use std::path::Path;

use candle_core::{Device, Tensor};
use mg_backbone::{Backbone, Logits};
use mg_data::Resize;
use mg_eval::{
    DENSE_NEIGHBOUR, FeatureTable, Features, Moments, NEIGHBOUR, Score, Subsets, density_coverage,
    frechet_distance, inception_score, kernel_distance, precision_recall,
};
use mg_random::Key;

use crate::Result;
use crate::pictures::{features_of_set, features_of_tensor, read};

/// How near images are to reference images, by the features of EfficientNet-Lite0, which is embedded: the numbers of
/// `mg eval`. They compare with others of this network only.
///
/// ```no_run
/// use multigrid::Scores;
///
/// println!("{}", Scores::between_folders("drawn", "photographs")?);
/// # Ok::<(), multigrid::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// The network that looked at the images.
    pub network: &'static str,
    /// Images, and reference images.
    pub n: (usize, usize),
    /// Inception score over ten splits; of the images alone, the more the better.
    pub inception_score: Score,
    /// Fréchet distance; 0 is best.
    pub frechet_distance: f64,
    /// Kernel distance over 100 subsets; 0 is best, and it may be below.
    pub kernel_distance: Score,
    /// Share of the images that lie among the reference images; 1 is best.
    pub precision: f64,
    /// Share of the reference images that lie among the images; 1 is best.
    pub recall: f64,
    /// In how many balls of reference images an image lies, over their number of neighbours; of real images about 1.
    pub density: f64,
    /// Share of the reference images with an image near; of as many real images about 0.97.
    pub coverage: f64,
    /// What to mistrust.
    pub warnings: Vec<String>,
}

/// `mg eval`'s defaults.
const SPLITS: usize = 10;
const SEED: u64 = 1;

impl Scores {
    /// Of two folders, or whatever else holds images: archives, tables, names of sets. Images must be square and of one size, and
    /// reference images become like them.
    ///
    /// # Errors
    /// When images cannot be read, are no squares, or are too few: ten images and six reference images are the least.
    pub fn between_folders(images: impl AsRef<Path>, reference: impl AsRef<Path>) -> Result<Self> {
        let images = read(images.as_ref(), None)?;
        let reference = read(reference.as_ref(), Some((images.side(), images.resize().parse()?)))?;
        let backbone = Backbone::lite0(&Device::Cpu)?;
        Scores::of(&backbone, &features_of_set(&backbone, &images)?, &features_of_set(&backbone, &reference)?)
    }

    /// Of two folders with images of any size, of which the largest central square is reduced to `side` pixels.
    ///
    /// # Errors
    /// When images cannot be read, or are too few, as above.
    pub fn between_folders_at(
        images: impl AsRef<Path>,
        reference: impl AsRef<Path>,
        side: usize,
    ) -> Result<Self> {
        let shape = Some((side, Resize::CropSquare));
        let (images, reference) = (read(images.as_ref(), shape)?, read(reference.as_ref(), shape)?);
        let backbone = Backbone::lite0(&Device::Cpu)?;
        Scores::of(&backbone, &features_of_set(&backbone, &images)?, &features_of_set(&backbone, &reference)?)
    }

    /// Of two tensors of images, [n, 3, s, s] with values in [-1, 1].
    ///
    /// # Errors
    /// When they have another shape, or are too few, as above.
    pub fn between(images: &Tensor, reference: &Tensor) -> Result<Self> {
        let backbone = Backbone::lite0(&Device::Cpu)?;
        let (images, reference) =
            (features_of_tensor(&backbone, images)?, features_of_tensor(&backbone, reference)?);
        Scores::of(&backbone, &images, &reference)
    }

    fn of(backbone: &Backbone, images: &FeatureTable, reference: &FeatureTable) -> Result<Self> {
        let frechet = frechet_distance(&Moments::of(images)?, &Moments::of(reference)?)?;
        let subsets = Subsets::fitting(images, reference);
        let found = precision_recall(reference, images, NEIGHBOUR)?;
        let dense = density_coverage(reference, images, DENSE_NEIGHBOUR)?;
        Ok(Scores {
            network: backbone.name(),
            n: (images.len(), reference.len()),
            inception_score: inception_score(&Logits { features: images, backbone }, SPLITS)?,
            frechet_distance: frechet.distance(),
            kernel_distance: kernel_distance(images, reference, subsets, Key::new(SEED).named("eval"))?,
            precision: found.precision,
            recall: found.recall,
            density: dense.density,
            coverage: dense.coverage,
            warnings: frechet.warning().into_iter().collect(),
        })
    }
}

impl fmt::Display for Scores {
    /// A line for every number, and what to mistrust.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} images, {} reference images, {}", self.n.0, self.n.1, self.network)?;
        let deviating = |score: &Score| format!("{:.4} +- {:.4}", score.mean, score.std_dev);
        writeln!(f, "{:<26}{}", "inception score", deviating(&self.inception_score))?;
        writeln!(f, "{:<26}{:.4}", "Fréchet distance", self.frechet_distance)?;
        writeln!(f, "{:<26}{}", "kernel distance", deviating(&self.kernel_distance))?;
        writeln!(f, "{:<26}{:.4}", "precision", self.precision)?;
        writeln!(f, "{:<26}{:.4}", "recall", self.recall)?;
        writeln!(f, "{:<26}{:.4}", "density", self.density)?;
        write!(f, "{:<26}{:.4}", "coverage", self.coverage)?;
        self.warnings.iter().try_for_each(|warning| write!(f, "\n{warning}"))
    }
}
