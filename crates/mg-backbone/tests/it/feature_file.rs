//! Features on the disk: resumed, checked, never computed twice.

use std::cell::RefCell;
use std::error::Error as StdError;
use std::ops::Range;

use candle_core::{DType, Device, Tensor};
use mg_backbone::{Backbone, Error, FeatureFile, Images};
use mg_eval::Features;
use mg_random::Key;

/// Random images of one key; remembers what was read and fails from `fails_at` on.
struct Noise {
    n: usize,
    read: RefCell<Vec<Range<usize>>>,
    fails_at: usize,
}

impl Noise {
    fn new(n: usize) -> Self {
        Self { n, read: RefCell::default(), fails_at: usize::MAX }
    }
}

impl Images for Noise {
    fn id(&self) -> String {
        format!("{} images of noise", self.n)
    }

    fn len(&self) -> usize {
        self.n
    }

    fn batch(&self, range: Range<usize>) -> Result<Tensor, Box<dyn StdError + Send + Sync>> {
        if range.end > self.fails_at {
            return Err("the disk has gone".into());
        }
        self.read.borrow_mut().push(range.clone());
        let mut values = vec![];
        for i in range.clone() {
            let mut image = vec![0f32; 3 * 4 * 4];
            Key::new(7).fold(i as u64).fill_normal(&mut image);
            values.extend(image);
        }
        Ok(Tensor::from_vec(values, (range.len(), 3, 4, 4), &Device::Cpu)?.clamp(-1.0, 1.0)?)
    }
}

fn all(file: &FeatureFile) -> Vec<f32> {
    file.read(0..file.len()).unwrap()
}

#[test]
fn an_interrupted_file_goes_on_where_it_was_and_ends_the_same() {
    let backbone = Backbone::lite0(&Device::Cpu).unwrap();
    let whole = tempfile::tempdir().unwrap();
    let expected = FeatureFile::fill(whole.path(), &backbone, &Noise::new(78), &mut |_| {}).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let broken = Noise { fails_at: 65, ..Noise::new(78) };
    let error = FeatureFile::fill(folder.path(), &backbone, &broken, &mut |_| {}).unwrap_err();
    assert!(
        error.to_string().contains("64..78") && error.to_string().contains("the disk has gone"),
        "{error}"
    );

    let mut heard = vec![];
    let images = Noise::new(78);
    let file = FeatureFile::fill(folder.path(), &backbone, &images, &mut |done| heard.push(done)).unwrap();
    assert_eq!(heard, [64, 78]);
    assert_eq!(images.read.borrow().as_slice(), std::slice::from_ref(&(64..78)));
    assert_eq!(all(&file), all(&expected));
    assert_eq!(file.read(58..68).unwrap(), all(&expected)[58 * 1280..68 * 1280]);

    let images = Noise::new(78);
    let again = FeatureFile::fill(folder.path(), &backbone, &images, &mut |_| {}).unwrap();
    assert!(images.read.borrow().is_empty());
    assert_eq!(all(&again), all(&expected));
}

#[test]
fn what_was_cut_or_damaged_at_the_end_is_computed_anew_and_damage_before_it_is_an_error() {
    let backbone = Backbone::lite0(&Device::Cpu).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let fill = || FeatureFile::fill(folder.path(), &backbone, &Noise::new(66), &mut |_| {});
    let file = fill().unwrap();
    let expected = all(&file);
    let path = file.path().to_owned();
    let bytes = std::fs::read(&path).unwrap();

    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(all(&fill().unwrap()), expected, "cut in the last block");
    std::fs::write(&path, &bytes[..5]).unwrap();
    assert_eq!(all(&fill().unwrap()), expected, "cut in the header");

    let mut flipped = bytes.clone();
    let last = flipped.len() - 20;
    flipped[last] ^= 1;
    std::fs::write(&path, &flipped).unwrap();
    assert_eq!(all(&fill().unwrap()), expected, "a bit of the last block");

    let mut flipped = bytes;
    flipped[5000] ^= 1;
    std::fs::write(&path, &flipped).unwrap();
    let error = fill().unwrap().read(0..1).unwrap_err();
    assert!(matches!(error, Error::Damaged { row: 0, .. }), "{error}");
    assert!(fill().unwrap().read(64..66).is_ok());
}

#[test]
fn rows_that_are_not_there_are_refused() {
    let backbone = Backbone::lite0(&Device::Cpu).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = FeatureFile::fill(folder.path(), &backbone, &Noise::new(3), &mut |_| {}).unwrap();
    assert_eq!((file.len(), file.dim(), file.network()), (3, 1280, "EfficientNet-Lite0"));
    assert!(file.read(1..4).unwrap_err().to_string().contains("1..4"));
    assert!(file.read(2..2).unwrap().is_empty());
    let other = FeatureFile::fill(folder.path(), &backbone, &Noise::new(4), &mut |_| {}).unwrap();
    assert_ne!(other.path(), file.path());
    let none = FeatureFile::fill(folder.path(), &backbone, &Noise::new(0), &mut |_| {}).unwrap();
    assert!(none.read(0..0).unwrap().is_empty());
}

#[test]
fn images_of_a_wrong_shape_are_refused() {
    let backbone = Backbone::lite0(&Device::Cpu).unwrap();
    let x = Tensor::zeros((2, 1, 8, 8), DType::F32, &Device::Cpu).unwrap();
    assert!(backbone.features(&x).unwrap_err().to_string().contains("[2, 1, 8, 8]"));
}
