//! Scores of images: `mg eval`.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{fails, files, ok, workplace};

/// A folder of `n` square images of noise over a colour, numbered from `first` on.
fn pictures(folder: &Path, side: u32, range: std::ops::Range<u32>) {
    fs::create_dir_all(folder).unwrap();
    for i in range {
        let pixel = |x: u32, y: u32| {
            let noise = (x * 7919 + y * 104_729 + i * 1_299_709) % 251;
            image::Rgb([(i * 20) as u8, noise as u8, (x * 255 / side) as u8])
        };
        image::RgbImage::from_fn(side, side, pixel).save(folder.join(format!("{i:03}.png"))).unwrap();
    }
}

fn scores(dir: &Path, words: &str) -> Value {
    serde_json::from_str(&ok(dir, &format!("{words} --json"))).unwrap()
}

#[test]
fn a_set_is_nearest_to_itself_and_features_are_computed_once() {
    let dir = workplace();
    let dir = dir.path();
    pictures(&dir.join("a"), 20, 0..12);
    pictures(&dir.join("b"), 20, 12..24);
    let same = scores(dir, "eval --input a --ref a --features kept --splits 2");
    let number = |json: &Value, key: &str| json[key].as_f64().unwrap();
    assert!(number(&same, "frechet_distance").abs() < 1e-3);
    assert_eq!((number(&same, "precision"), number(&same, "recall")), (1.0, 1.0));
    assert_eq!((number(&same, "coverage"), &same["dense_k"]), (1.0, &serde_json::json!(5)));
    assert!(number(&same, "density") >= 1.2, "each image is in its own ball and that of its neighbours");
    assert_eq!(same["backbone"], "EfficientNet-Lite0");
    assert!(number(&same["inception_score"], "mean") >= 1.0);
    assert_eq!(files(&dir.join("kept")).len(), 1);

    let other = scores(dir, "eval --input a --ref b --features kept --splits 2");
    assert!(number(&other, "frechet_distance") > 1.0);
    assert_eq!(files(&dir.join("kept")).len(), 2);
    let again = scores(dir, "eval --input a --ref b --features kept --splits 2 --threads 1");
    assert_eq!(other, again);
    let copies = scores(dir, "eval --input a --ref a --features kept --fid --nearest a.png");
    assert_eq!(copies["nearest"], serde_json::json!({ "least": 0.0, "median": 0.0 }));
    pictures(&dir.join("few"), 20, 0..5);
    let few = scores(dir, "eval --input a --ref few --splits 2");
    assert!(few["density"].is_null() && few["warnings"].to_string().contains("--dense-k"), "{few}");
    assert!(number(&scores(dir, "eval --input a --ref few --dense --dense-k 4"), "coverage") == 1.0);
    let table = ok(dir, "eval --input a --ref b --fid --json=fid.json");
    assert!(table.contains("Fréchet") && !table.contains("precision"), "{table}");
    let written: Value = serde_json::from_slice(&fs::read(dir.join("fid.json")).unwrap()).unwrap();
    assert_eq!(written["frechet_distance"], other["frechet_distance"]);
    assert!(written["inception_score"].is_null());
}

#[test]
fn images_drawn_from_a_run_are_those_that_sample_writes() {
    let dir = workplace();
    let dir = dir.path();
    ok(dir, "train tiny.toml --run run --steps 2");
    let drawn = scores(dir, "eval --input run -n 20 --seed 5 --is --splits 2");
    ok(dir, "sample run -n 20 --seed 5 --out drawn");
    let written = scores(dir, "eval --input drawn --is --splits 2");
    assert_eq!(drawn["inception_score"], written["inception_score"]);
    // Reduced, they are others, and the reference follows them.
    let reduced = scores(dir, "eval --input run -n 20 --seed 5 --fid --side 8");
    assert_ne!(reduced["input"]["id"], drawn["input"]["id"]);
    assert!(fails(dir, "eval --input run -n 20 --is --splits 2 --side 32").contains("16 x 16"));
    // Without --ref the run is compared with what it has learned from, at its own side.
    let against = scores(dir, "eval --input run -n 20 --fid");
    assert_eq!(against["reference"]["images"], 888);
    assert!(against["warnings"][0].as_str().unwrap().contains("20 images"));
}

#[test]
fn images_of_one_start_are_compared_with_each_other_and_with_their_nearest() {
    let dir = workplace();
    let dir = dir.path();
    ok(dir, "train tiny.toml --run run --steps 2 --set chains.noise_free_synthesis=false");
    let drawn = scores(dir, "eval --input run -n 24 --per-start 4 --is --splits 2");
    let pairs = &drawn["pairwise_distance"];
    assert_eq!((pairs["per_start"].as_u64(), pairs["starts"].as_u64()), (Some(4), Some(6)));
    let number = |key: &str| pairs[key].as_f64().unwrap();
    assert!(0.0 < number("mean") && number("mean") < number("of_all"), "{pairs}");
    // What `sample` writes is the same.
    ok(dir, "sample run -n 24 --per-start 4 --out drawn");
    let words = "eval --input drawn --ref portraits --per-start 4 --is --splits 2 --side 16 --crop 0";
    let table = ok(dir, &format!("{words} --nearest nearest.png --plot nearest.svg --json=all.json"));
    assert!(table.contains("4 images from each of 6 starts"), "{table}");
    let written: Value = serde_json::from_slice(&fs::read(dir.join("all.json")).unwrap()).unwrap();
    assert_eq!(written["pairwise_distance"], *pairs);
    assert_eq!(written["version"], 1);
    assert!(table.contains("nearest, median distance"), "{table}");
    let near = |key: &str| written["nearest"][key].as_f64().unwrap();
    assert!(0.0 < near("least") && near("least") <= near("median"), "{}", written["nearest"]);
    assert!(image::open(dir.join("nearest.png")).unwrap().height() > 32);
    assert!(fs::read_to_string(dir.join("nearest.svg")).unwrap().contains("reference to images"));

    assert!(fails(dir, "eval --input run -n 24 --per-start 5 --is").contains("batches of 16"));
    assert!(fails(dir, "eval --input run -n 24 --per-start 1 --is").contains("at least 2"));
    assert!(fails(dir, "eval --input drawn --per-start 5 --is --splits 2").contains("24"));
    assert!(fails(dir, "eval --input drawn --is --nearest n.png").contains("--ref"));
    assert!(fails(dir, "eval --input drawn --ref a --nearest no/where.png").contains("no/where.png"));
}

#[test]
fn what_cannot_be_scored_is_named() {
    let dir = workplace();
    let dir = dir.path();
    pictures(&dir.join("a"), 20, 0..5);
    let error = fails(dir, "eval --input a --is");
    assert!(error.contains("10") && error.contains('5'), "{error}");
    assert!(fails(dir, "eval --input a --fid").contains("--ref"));
    assert!(fails(dir, "eval --input a --ref a --kid --subset 6").contains('6'));
    assert!(fails(dir, "eval --input a --ref a --prec --k 5").contains('5'));
    assert!(fails(dir, "eval --input nowhere").contains("nowhere"));
    fs::create_dir(dir.join("empty")).unwrap();
    assert!(fails(dir, "eval --input empty").contains("empty"));
    pictures(&dir.join("one"), 20, 0..1);
    assert!(fails(dir, "eval --input one --ref a --fid").contains("covariance"));
    assert!(fails(dir, "eval --input a -n 0").contains("-n is 0"));
}

#[test]
fn images_are_measured_as_they_are_or_as_one_says() {
    let dir = workplace();
    let dir = dir.path();
    pictures(&dir.join("mixed"), 20, 0..4);
    pictures(&dir.join("mixed"), 24, 4..8);
    let error = fails(dir, "eval --input mixed --is --splits 2");
    assert!(error.contains("004.png") && error.contains("24") && error.contains("--side"), "{error}");
    ok(dir, "eval --input mixed --is --splits 2 --side 16");
    pictures(&dir.join("a"), 20, 0..4);
    assert!(fails(dir, "eval --input a --ref mixed --fid").contains("004.png"));
    // A set that has the side already is not cropped.
    pictures(&dir.join("large"), 30, 0..4);
    let of = |words: &str| scores(dir, &format!("eval {words} --fid"));
    let cropped = of("--input a --ref large --side 20 --crop 24");
    assert_eq!(cropped["input"]["id"], of("--input a --ref a")["input"]["id"]);
    for (name, image) in
        [("grey", image::DynamicImage::new_luma8(20, 20)), ("clear", image::DynamicImage::new_rgba8(20, 20))]
    {
        fs::create_dir(dir.join(name)).unwrap();
        image.save(dir.join(name).join("x.png")).unwrap();
        let error = fails(dir, &format!("eval --input {name} --is --splits 1"));
        assert!(error.contains("x.png") && error.contains("RGB"), "{error}");
    }
    fs::create_dir(dir.join("oblong")).unwrap();
    image::RgbImage::new(20, 30).save(dir.join("oblong/x.png")).unwrap();
    assert!(fails(dir, "eval --input oblong --is").contains("20 x 30"));
}

#[test]
fn weights_that_are_not_the_published_ones_are_refused() {
    let dir = workplace();
    let dir = dir.path();
    pictures(&dir.join("a"), 20, 0..4);
    let mut command = crate::support::mg(dir, "eval --input a --backbone inception");
    command.env_remove("HF_HUB_CACHE").env("HF_HOME", dir.join("home"));
    let error = crate::fetch::fails(command);
    assert!(error.contains("--weights") && error.contains("mg data fetch inception-2015"), "{error}");
    fs::write(dir.join("w.pth"), b"other bytes").unwrap();
    let error = fails(dir, "eval --input a --backbone inception --weights w.pth");
    assert!(error.contains("SHA-256") && error.contains("6726825d"), "{error}");
}
