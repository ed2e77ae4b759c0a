//! Scores of deterministic features and images against their reference implementations: torch-fidelity, scikit-image,
//! scikit-learn and scipy, whose numbers `golden/scores.py` wrote.

use candle_core::{Device, Tensor};
use mg_eval::{
    FeatureTable, Features, Moments, SsimWindow, frechet_distance, inception_score, kernel_distance_of_all,
    kernel_distance_on, nearest, pairwise_distance, precision_recall, recovery_error, structural_similarity,
};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/scores.json")).unwrap()
}

/// As in `scores.py`.
fn mixed(i: u64, j: u64, seed: u64) -> u32 {
    let mut x = (4099 * i + 257 * j + 65537 * seed) as u32;
    for (shift, factor) in [(16, 0x7feb352d), (15, 0x846ca68b)] {
        x = (x ^ (x >> shift)).wrapping_mul(factor);
    }
    x ^ (x >> 16)
}

/// As in `scores.py`: [n, d, seed, rank, shift].
fn features(of: &Value) -> FeatureTable {
    let [n, d, seed, rank, shift] = [0, 1, 2, 3, 4].map(|at| of[at].as_u64().unwrap());
    let value = |i: u64, j: u64| u64::from(mixed(i, j, seed) >> 16) * (1 + j % 5) + shift;
    let rows = (0..n).flat_map(|i| (0..d).map(move |j| value(i, j % rank) as f32 / 65536.0));
    FeatureTable::new(rows.collect(), d as usize).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

fn indices(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|index| index.as_u64().unwrap() as usize).collect()
}

#[track_caller]
fn assert_near(found: f64, expected: f64, tolerance: f64, what: &str) {
    let error = (found - expected).abs() / expected.abs().max(1.0);
    assert!(error <= tolerance, "{what}: {found}, expected {expected}, off by {error:.1e}");
}

/// Calls `check` with each pair of sets and what the references say of it.
fn for_each_set(check: impl Fn(&str, &FeatureTable, &FeatureTable, &Value)) {
    let golden = golden();
    let sets = golden["sets"].as_object().unwrap();
    assert_eq!(sets.len(), 5);
    for (name, set) in sets {
        check(name, &features(&set["first"]), &features(&set["second"]), set);
    }
}

#[test]
fn features_are_those_of_the_script() {
    for_each_set(|name, a, b, set| {
        for (table, sum) in [a, b].into_iter().zip(numbers(&set["sums"])) {
            let values = table.rows(0..table.len()).unwrap().iter().map(|&v| f64::from(v)).sum();
            assert_near(values, sum, 1e-13, name);
        }
    });
}

#[test]
fn frechet_distances_are_torch_fidelitys() {
    for_each_set(|name, a, b, set| {
        let (first, second) = (Moments::of(a).unwrap(), Moments::of(b).unwrap());
        let (covariance, d) = (first.covariance().unwrap(), a.dim());
        for ((i, j), expected) in [(0, 0), (0, 1), (3, 2)].into_iter().zip(numbers(&set["covariance"])) {
            assert_near(covariance[i * d + j], expected, 1e-12, name);
        }
        let distance = frechet_distance(&first, &second).unwrap();
        assert_near(distance.distance(), number(&set["fid_by_singular_values"]), 1e-9, name);
        // Its roots of rounded eigenvalues are off by up to 1e-7 where a covariance has not its full rank.
        let tolerance = if name.starts_with("more") || name.starts_with("over") { 1e-9 } else { 1e-5 };
        assert_near(distance.distance(), number(&set["fid"]), tolerance, name);
        assert_eq!(distance.warning().is_some(), name.starts_with("fewer"), "{name}");
    });
}

#[test]
fn kernel_distances_are_torch_fidelitys() {
    for_each_set(|name, a, b, set| {
        let kid = &set["kid"];
        let pair = |pair: &Value| (indices(&pair[0]), indices(&pair[1]));
        let subsets: Vec<_> = kid["subsets"].as_array().unwrap().iter().map(pair).collect();
        let score = kernel_distance_on(a, b, &subsets).unwrap();
        assert_near(score.mean, number(&kid["mean"]), 1e-10, name);
        assert_near(score.std_dev, number(&kid["std_dev"]), 1e-10, name);
        let n = a.len().min(b.len());
        let [a, b] =
            [a, b].map(|table| FeatureTable::new(table.rows(0..n).unwrap().to_vec(), a.dim()).unwrap());
        let all = kernel_distance_of_all(&a, &b).unwrap();
        assert_near(all, number(&set["kid_of_all"]), 1e-10, name);
    });
}

#[test]
fn precision_and_recall_are_torch_fidelitys() {
    for_each_set(|name, a, b, set| {
        for (k, expected) in [1, 3, 5].into_iter().zip(set["prc"].as_array().unwrap()) {
            let found = precision_recall(a, b, k).unwrap();
            // It counts in single precision.
            for (found, key) in
                [(found.precision, "precision"), (found.recall, "recall"), (found.f_score(), "f_score")]
            {
                assert_near(found, number(&expected[key]), 1e-6, &format!("{name}, k = {k}, {key}"));
            }
        }
    });
}

#[test]
fn neighbours_are_scikit_learns_and_distances_scipys() {
    for_each_set(|name, a, b, set| {
        let found = nearest(b, a).unwrap();
        let rows: Vec<usize> = found.iter().map(|neighbour| neighbour.row).collect();
        assert_eq!(rows, indices(&set["nearest"]["rows"]), "{name}");
        let sum = found.iter().map(|neighbour| neighbour.distance).sum();
        assert_near(sum, number(&set["nearest"]["distances_sum"]), 1e-7, name);
        let expected = numbers(&set["pairwise"]);
        for (found, expected) in pairwise_distance(a, 10).unwrap().into_iter().zip(expected) {
            assert_near(found, expected, 1e-12, name);
        }
    });
}

#[test]
fn inception_scores_are_torch_fidelitys_without_shuffling() {
    for of in golden()["logits"].as_array().unwrap() {
        let (n, classes) = (&of["n"], &of["classes"]);
        let table = features(&serde_json::json!([n, classes, of["seed"], classes, 0]));
        let logits = FeatureTable::from_tensor(&(table.to_tensor().unwrap() * 3.0).unwrap()).unwrap();
        let score = inception_score(&logits, of["splits"].as_u64().unwrap() as usize).unwrap();
        assert_near(score.mean, number(&of["mean"]), 1e-12, "mean");
        assert_near(score.std_dev, number(&of["std_dev"]), 1e-12, "deviation");
    }
}

/// As in `scores.py`, in [-1, 1]: the images, the same with more noise, and 1 where a pixel is observed.
fn images(of: &Value) -> [Tensor; 3] {
    let [n, c, side, seed] = ["n", "channels", "side", "seed"].map(|key| of[key].as_u64().unwrap() as usize);
    let noise = |at: usize, j, seed: usize| (mixed(at as u64, j, seed as u64) >> 24) as usize;
    let first = |at: usize| {
        let pattern = (16 * (at / side % side) + 9 * (at % side)) % 256;
        (noise(at, 0, seed) + 3 * pattern) / 4
    };
    let second = |at: usize| (noise(at, 0, seed + 1) + 2 * first(at)) / 3;
    let observed = |at: usize| if noise(at, 1, seed) < 100 { 0.0 } else { 1.0 };
    let tensor = |c: usize, value: &dyn Fn(usize) -> f32| {
        let values: Vec<f32> = (0..n * c * side * side).map(value).collect();
        Tensor::from_vec(values, (n, c, side, side), &Device::Cpu).unwrap()
    };
    let pixel = |value: usize| value as f32 / 128.0 - 1.0;
    [tensor(c, &|at| pixel(first(at))), tensor(c, &|at| pixel(second(at))), tensor(1, &observed)]
}

#[test]
fn similarities_are_scikit_images() {
    for of in golden()["images"].as_array().unwrap() {
        let [a, b, _] = images(of);
        for (key, window) in [("ssim", SsimWindow::Uniform), ("ssim_of_wang", SsimWindow::Gaussian)] {
            if of[key].is_null() {
                assert!(structural_similarity(&a, &b, window).is_err());
                continue;
            }
            let found = structural_similarity(&a, &b, window).unwrap();
            assert_eq!(found.len(), numbers(&of[key]).len());
            for (found, expected) in found.into_iter().zip(numbers(&of[key])) {
                assert_near(found, expected, 1e-12, key);
            }
        }
    }
}

#[test]
fn recovery_errors_are_scikit_images() {
    for of in golden()["images"].as_array().unwrap() {
        let [a, b, observed] = images(of);
        let error = recovery_error(&b, &a, &observed).unwrap();
        let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
        assert_near(error.psnr, mean(numbers(&of["psnr_of_hidden"])), 1e-12, "PSNR");
        assert_near(error.pooled_psnr, number(&of["pooled_psnr_of_hidden"]), 1e-12, "pooled PSNR");
        assert_near(error.mae, number(&of["mae_of_hidden"]), 1e-12, "error");
        assert_near(error.ssim.unwrap(), mean(numbers(&of["ssim_as_seen"])), 1e-12, "SSIM");
    }
}
