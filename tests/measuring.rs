//! What a model is worth: energies of foreign images, equation (3), log Z.

use std::path::Path;

use serde_json::Value;

use crate::support::{ok, output, read, workplace};

/// A folder of small images of one colour with a gradient, which depends on `tint` and the number.
fn images(folder: &Path, n: u32, tint: u8) {
    std::fs::create_dir_all(folder).unwrap();
    for i in 0..n {
        let pixel = |x: u32, y: u32| image::Rgb([tint, (x * 3 + i) as u8, (y * 2) as u8]);
        image::RgbImage::from_fn(40, 40, pixel).save(folder.join(format!("{i}.png"))).unwrap();
    }
}

fn json(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap()
}

/// The row of a set in the file of `mg ood`.
fn row<'a>(json: &'a Value, role: &str) -> &'a Value {
    json["sets"].as_array().unwrap().iter().find(|set| set["role"] == role).unwrap()
}

#[test]
fn energies_of_several_sets_come_as_a_table_a_file_and_a_picture() {
    let dir = workplace();
    let dir = dir.path();
    images(&dir.join("foreign"), 12, 250);
    ok(dir, "train tiny.toml --run run");
    let words = "ood run --in portraits --out foreign --out portraits --samples 6 -n 50 --plot energies.svg";
    let table = ok(dir, &format!("{words} --json=one.json --threads 1"));
    for expected in ["portraits", "samples", "foreign", "AUROC", "FPR95", "grid 16x16"] {
        assert!(table.contains(expected), "no {expected} in\n{table}");
    }
    ok(dir, &format!("{words} --json=two.json --threads 2"));
    assert_eq!(read(dir.join("one.json")), read(dir.join("two.json")));
    let found = json(&read(dir.join("one.json")));
    let sets = found["sets"].as_array().unwrap();
    let counted: Vec<_> = sets.iter().map(|set| set["images"].as_u64().unwrap()).collect();
    assert_eq!(counted, [50, 6, 12, 50]);
    // Inliers are told from nothing; a set is not foreign to itself.
    let auroc = |set: usize| sets[set]["auroc"].as_f64();
    assert!(auroc(0).is_none() && (auroc(3).unwrap() - 0.5).abs() < 1e-12, "{found}");
    assert!((auroc(2).unwrap() - 0.5).abs() > 0.01 && sets[2]["auroc_std_error"].is_f64(), "{found}");
    for set in found["histogram"]["sets"].as_array().unwrap() {
        let name = set["name"].as_str().unwrap();
        let total: u64 = set["counts"].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum();
        assert!([50, 6, 12].contains(&total), "{name}: {total}");
    }
    let svg = String::from_utf8(read(dir.join("energies.svg"))).unwrap();
    assert!(svg.contains("samples") && svg.contains("energy U"));
}

#[test]
fn energies_of_grids_add_up_and_splits_are_told_apart() {
    let dir = workplace();
    let dir = dir.path();
    images(&dir.join("photos/train"), 14, 100);
    images(&dir.join("photos/test"), 10, 110);
    ok(dir, "train tiny.toml --data photos --run run");
    let mean = |grid: &str| {
        ok(dir, &format!("ood run --in photos --out portraits -n 20 --grid {grid} --json={grid}.json"));
        let found = json(&read(dir.join(format!("{grid}.json"))));
        assert_eq!(row(&found, "train")["images"], 14);
        row(&found, "test")["energy"]["mean"].as_f64().unwrap()
    };
    let (coarse, fine, sum) = (mean("4"), mean("16"), mean("sum"));
    assert!((coarse + fine - sum).abs() < 1e-6 * sum.abs(), "{coarse} + {fine} is not {sum}");
}

#[test]
fn models_of_classes_are_a_classifier() {
    let dir = workplace();
    let dir = dir.path();
    for (folder, day, night) in [("photos", 14, 14), ("others", 9, 6)] {
        images(&dir.join(folder).join("day"), day, 220);
        images(&dir.join(folder).join("night"), night, 20);
    }
    let fast = "--set data.class=each --steps 60 --set learn.ema=0 --set learn.rate=0.003";
    ok(dir, &format!("train tiny.toml --data photos --run run {fast}"));
    let table = ok(dir, "classify run --data others");
    assert!(table.contains("accuracy") && table.contains("log likelihood"), "{table}");
    let found = |words: &str| json(ok(dir, &format!("classify run --data others --json {words}")).as_bytes());
    let plain = found("");
    assert_eq!(plain["accuracy"], 1.0, "red pictures and dark ones\n{table}");
    assert_eq!(plain["confusion"].to_string(), "[[9,0],[0,6]]");
    assert!(plain["log_likelihood"].as_f64().unwrap() <= 0.0);
    assert_eq!(plain, found("--threads 1 --fit photos"));
    let background = found("--background");
    assert_eq!(background["categories"].to_string(), "[\"day\",\"night\",\"background\"]");
    let counts: Vec<u64> = background["confusion"].as_array().unwrap().iter().map(total).collect();
    assert_eq!(counts, [9, 6, 8], "as many draws of the reference as a class has images");
    assert_ne!(found("--grid 4")["biases"], plain["biases"]);
}

fn total(row: &Value) -> u64 {
    row.as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum()
}

#[test]
fn log_z_comes_with_its_interval_and_bits_per_dimension() {
    let dir = workplace();
    let dir = dir.path();
    ok(dir, "train tiny.toml --run run");
    let words =
        "loglik run --data portraits -n 30 --grid 4 --chains 20 --temperatures 25 --leapfrog 3 --mixing 30";
    let table = ok(dir, words);
    for expected in ["log Z", "interval", "effective size", "acceptance", "R-hat", "bits per dim", "48 dim"] {
        assert!(table.contains(expected), "no {expected} in\n{table}");
    }
    let doubts = String::from_utf8_lossy(&output(dir, words).stderr).into_owned();
    assert!(doubts.contains("temperature 1.0e-6"), "{doubts}");
    let told = |more: &str| ok(dir, &format!("{words} --json {more}"));
    assert_eq!(told("--threads 1"), told("--threads 2"));
    assert_ne!(told(""), told("--seed 2"));
    let found = json(told("").as_bytes());
    let number = |value: &Value| value.as_f64().unwrap();
    let log_z = &found["log_z"];
    assert!(number(&log_z["interval"][0]) <= number(&log_z["estimate"]));
    assert!(number(&log_z["estimate"]) <= number(&log_z["interval"][1]));
    assert!((1.0..=20.0).contains(&number(&log_z["effective_sample_size"])));
    assert!((0.0..=1.0).contains(&number(&found["acceptance"])));
    let bits = &found["bits_per_dim"];
    assert!(number(&bits["interval"][0]) <= number(&bits["mean"]) && bits["images"] == 30);
}
