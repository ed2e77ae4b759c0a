//! Features and logits against the PyTorch implementations (`golden/backbones.py`).

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use mg_backbone::{Backbone, Convention, Error, INCEPTION_SHA256, Weights};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn golden(case: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../golden/backbones.json")).unwrap();
    all[case].clone()
}

/// The images of the golden script, in [-1, 1].
fn images(n: usize, side: usize) -> Tensor {
    let mut bytes = Vec::new();
    for (i, c) in (0..n).flat_map(|i| (0..3).map(move |c| (i, c))) {
        for (y, x) in (0..side).flat_map(|y| (0..side).map(move |x| (y, x))) {
            bytes.push(((37 * i + 61 * c + 5 * y + 3 * x + x * y * (c + 1) / 7) % 256) as f32 / 127.5 - 1.0);
        }
    }
    Tensor::from_vec(bytes, (n, 3, side, side), &Device::Cpu).unwrap()
}

/// |found - expected| / |expected| over the values that the golden file keeps.
fn distance(found: &Tensor, expected: &Value) -> f64 {
    let found: Vec<f64> = found.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap();
    let expected: Vec<f64> = expected.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    assert_eq!(found.len().div_ceil(9), expected.len());
    let gap: f64 = found.iter().step_by(9).zip(&expected).map(|(a, b)| (a - b).powi(2)).sum();
    (gap / expected.iter().map(|v| v * v).sum::<f64>()).sqrt()
}

fn agrees(backbone: &Backbone, case: &str, side: usize) {
    let expected = golden(case);
    let features = backbone.features(&images(2, side)).unwrap();
    let logits = backbone.logits(&features).unwrap();
    let (of_features, of_logits) =
        (distance(&features, &expected["features"]), distance(&logits, &expected["logits"]));
    assert!(of_features < 2e-5 && of_logits < 2e-5, "{case}: {of_features} {of_logits}");
    let norm = features.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap().sqrt();
    assert!((f64::from(norm) / expected["norm"].as_f64().unwrap() - 1.0).abs() < 1e-5, "{case}: {norm}");
}

#[test]
fn lite0_is_pytorchs() {
    let backbone = Backbone::lite0(&Device::Cpu).unwrap();
    assert_eq!((backbone.width(), backbone.classes()), (1280, 1000));
    for side in [32, 64, 250] {
        agrees(&backbone, &format!("lite0-{side}"), side);
    }
}

/// Numbers by the golden script's formula, for the shapes that the graph asks for.
fn formula_weights() -> Weights {
    let shapes: BTreeMap<String, Vec<usize>> =
        serde_json::from_str(include_str!("../golden/inception-shapes.json")).unwrap();
    let tensor = |(salt, (name, shape)): (usize, (&String, &Vec<usize>))| {
        let (low, high) = match shape.len() {
            1 if name.ends_with("running_var") || name.ends_with("bn.weight") => (0.5, 1.5),
            1 => (-0.2, 0.2),
            _ => {
                let bound = (6.0 / shape[1..].iter().product::<usize>() as f64).sqrt();
                (-bound, bound)
            }
        };
        let number = |i: u64| {
            let mut h = (i * 2_654_435_761 + salt as u64 * 40_503) % (1 << 32);
            h ^= h >> 15;
            h = h * 2_246_822_519 % (1 << 32);
            h ^= h >> 13;
            (low + (high - low) * (h as f64 / 4_294_967_296.0)) as f32
        };
        let values: Vec<f32> = (0..shape.iter().product::<usize>() as u64).map(number).collect();
        (name.clone(), Tensor::from_vec(values, &shape[..], &Device::Cpu).unwrap())
    };
    Weights { tensors: shapes.iter().enumerate().map(tensor).collect(), sha256: "formula".to_owned() }
}

#[test]
fn the_inception_graph_is_pytorch_fids_in_both_conventions() {
    let weights = formula_weights();
    for convention in [Convention::TensorFlow1, Convention::HalfPixel] {
        let backbone = Backbone::inception(&weights, convention, &Device::Cpu).unwrap();
        assert_eq!((backbone.width(), backbone.classes()), (2048, 1008));
        for side in [32, 64] {
            agrees(&backbone, &format!("inception-{}-{side}", convention.name()), side);
        }
    }
}

#[test]
fn networks_weights_and_conventions_have_ids_of_their_own() {
    let weights = formula_weights();
    let other = Weights { sha256: "another".to_owned(), ..weights.clone() };
    let inception = |weights, convention| Backbone::inception(weights, convention, &Device::Cpu).unwrap();
    let ids = [
        Backbone::lite0(&Device::Cpu).unwrap().id().to_owned(),
        inception(&weights, Convention::TensorFlow1).id().to_owned(),
        inception(&weights, Convention::HalfPixel).id().to_owned(),
        inception(&other, Convention::TensorFlow1).id().to_owned(),
    ];
    for (i, id) in ids.iter().enumerate() {
        assert!(id.len() == 64 && !ids[..i].contains(id));
    }
}

#[test]
fn a_published_file_is_known_by_its_hash() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let read = |path: &Path| Weights::read(path, INCEPTION_SHA256).unwrap_err().to_string();
    std::fs::write(path("w.pth"), b"something else").unwrap();
    assert!(read(&path("w.pth")).contains(INCEPTION_SHA256));
    std::fs::write(path("w.safetensors"), b"something else").unwrap();
    assert!(read(&path("w.safetensors")).contains("not safetensors"));
    std::fs::write(path("w.bin"), b"").unwrap();
    assert!(read(&path("w.bin")).contains(".pth"));
    assert!(read(&path("absent.pth")).contains("absent.pth"));
}

#[test]
fn files_of_pytorch_before_and_since_1_6_hold_the_same() {
    for name in ["legacy.pth", "zipped.pth"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
        let digest = Sha256::digest(std::fs::read(&path).unwrap());
        let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let weights = Weights::read(&path, &hash).unwrap();
        assert_eq!(weights.sha256, hash);
        let values = |name: &str| {
            let tensor = weights.tensors[name].to_dtype(DType::F64).unwrap();
            (tensor.dims().to_vec(), tensor.flatten_all().unwrap().to_vec1::<f64>().unwrap())
        };
        let ramp = |range: std::ops::Range<i32>, scale: f64| range.map(|i| f64::from(i) * scale).collect();
        assert_eq!(values("a.weight"), (vec![2, 2, 3], ramp(0..12, 0.5)), "{name}");
        assert_eq!(values("part"), (vec![3, 2], ramp(4..10, 1.0)), "{name}");
        assert_eq!(values("half"), (vec![5], ramp(0..5, 1.0)), "{name}");
        assert_eq!(values("count"), (vec![], vec![7.0]), "{name}");
    }
}

#[test]
fn weights_of_another_network_are_refused() {
    let weights = formula_weights();
    let error = Backbone::lite0_of(&weights, &Device::Cpu).unwrap_err();
    assert!(matches!(&error, Error::Missing { tensor, .. } if tensor == "_bn0.running_var"), "{error}");
    let backbone = Backbone::lite0(&Device::Cpu).unwrap();
    let features = Tensor::zeros((1, 2048), DType::F32, &Device::Cpu).unwrap();
    let error = backbone.logits(&features).unwrap_err().to_string();
    assert!(error.contains("1280") && error.contains("2048"), "{error}");
}
