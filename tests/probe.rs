//! Classifiers on a model's nets, and the same nets from labels alone.

use std::path::Path;

use crate::support::{fails, ok, output, read, workplace};

/// Two kinds of stripes in a folder of splits and classes.
fn stripes(dir: &Path) {
    for (split, each) in [("train", 16u32), ("test", 6)] {
        for class in ["across", "down"] {
            let folder = dir.join("stripes").join(split).join(class);
            std::fs::create_dir_all(&folder).unwrap();
            for i in 0..each {
                let pixel = |x: u32, y: u32| {
                    let along = if class == "down" { x } else { y };
                    let light = if (along + i) / 4 % 2 == 0 { 60 } else { 190 };
                    image::Rgb([light + (i * 3) as u8, light, light - (i * 2) as u8])
                };
                image::RgbImage::from_fn(16, 16, pixel).save(folder.join(format!("{i}.png"))).unwrap();
            }
        }
    }
}

const QUICK: &str = "--data stripes --labels 8,16 --seeds 1,2 --epochs 12 --batch 4 --validation 8 \
                     --rate 0.003 --trunk-rate 0.001";

#[test]
fn classifiers_learn_stripes_from_scratch_and_on_a_model() {
    let dir = workplace();
    let dir = dir.path();
    stripes(dir);
    ok(dir, "train tiny.toml --data stripes --run run --steps 2 --set learn.batch=8");
    let supervised = format!("probe --supervised --config tiny.toml {QUICK}");
    for (start, words) in [
        ("supervised", supervised.clone()),
        ("frozen", format!("probe run {QUICK}")),
        ("fine-tuned", format!("probe run --trunk fine-tuned {QUICK}")),
    ] {
        let table = ok(dir, &format!("{words} --json={start}.json --plot {start}.svg --threads 2"));
        assert!(table.contains(start) && table.contains("test error"), "{table}");
        let svg = String::from_utf8(read(dir.join(format!("{start}.svg")))).unwrap();
        assert!(svg.contains("seed 2") && svg.contains("labels"), "{svg}");
        let json: serde_json::Value =
            serde_json::from_slice(&read(dir.join(format!("{start}.json")))).unwrap();
        assert_eq!(json["trunk"], start);
        assert_eq!(json["classes"], serde_json::json!(["across", "down"]));
        assert_eq!((json["train"]["images"].as_u64(), json["test"]["images"].as_u64()), (Some(32), Some(12)));
        assert_eq!(json["learned"].is_null(), start == "supervised");
        let rows = json["rows"].as_array().unwrap();
        assert_eq!(rows.len(), 2);
        for row in rows {
            assert_eq!(row["seeds"].as_array().unwrap().len(), 2);
            // Half of the images would be wrong by chance.
            assert!(row["mean"].as_f64().unwrap() <= 25.0, "{start}: {row}");
        }
    }
    ok(dir, &format!("{supervised} --json=again.json --threads 1"));
    assert!(read(dir.join("supervised.json")) == read(dir.join("again.json")));
}

#[test]
fn what_cannot_be_classified_is_refused_with_a_reason() {
    let dir = workplace();
    let dir = dir.path();
    stripes(dir);
    let supervised = "probe --supervised --config tiny.toml --epochs 1 --batch 4 --validation 8";
    let error = fails(dir, &format!("{supervised} --data stripes --labels 30"));
    assert!(error.contains("15 are needed for 30 labels"), "{error}");
    let error = fails(dir, &format!("{supervised} --data stripes/train/down --test stripes --labels 4"));
    assert!(error.contains("has no labels"), "{error}");
    let error = fails(dir, &format!("{supervised} --data portraits --labels 4"));
    assert!(error.contains("--test"), "{error}");
    let error = fails(dir, &format!("{supervised} --data portraits --test stripes --labels 4"));
    assert!(error.contains("across") && error.contains("person, smiley"), "{error}");
    let error = fails(dir, &format!("{supervised} --data stripes --labels 4 --set model.norm=observed"));
    assert!(error.contains("observed"), "{error}");
    let error =
        fails(dir, &format!("{supervised} --data stripes --labels 4 --rate 1e300 --trunk-rate 1e300"));
    assert!(error.contains("learning rate") && error.contains("lower --rate"), "{error}");
    let error = fails(dir, &format!("{supervised} --data stripes --labels 4 --json=nowhere/a.json"));
    assert!(error.contains("nowhere"), "{error}");
    fails(dir, "probe nowhere --data stripes");
    // The command line itself asks for a run or for --supervised.
    assert!(!output(dir, "probe --data stripes").status.success());
    let same = output(dir, &format!("{supervised} --data stripes/train --test stripes/train --labels 4"));
    assert!(same.status.success() && String::from_utf8_lossy(&same.stderr).contains("no test errors"));
}
