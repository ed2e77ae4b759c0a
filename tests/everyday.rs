//! What works: learning, resuming, drawing, filling in, looking around.

use crate::support::{fails, files, mg, ok, output, read, state, workplace};

#[test]
fn a_run_leaves_all_it_promises_and_can_be_sampled_from() {
    let dir = workplace();
    let dir = dir.path();
    let run = ok(dir, "train tiny.toml");
    assert_eq!(run.trim(), "runs/portraits-001");
    let run = dir.join(run.trim());
    for file in ["config.toml", "metrics.jsonl", "model.safetensors", "checkpoints/00000012.safetensors"] {
        assert!(!read(run.join(file)).is_empty(), "{file}");
    }
    assert_eq!(files(&run.join("sheets")).len(), 2);
    assert_eq!(String::from_utf8(read(run.join("metrics.jsonl"))).unwrap().lines().count(), 12);

    // The model file alone suffices.
    std::fs::rename(run.join("model.safetensors"), dir.join("alone.safetensors")).unwrap();
    let sheet = ok(dir, "sample alone.safetensors -n 5 --seed 2 --out a --grids");
    ok(dir, "sample alone.safetensors -n 3 --seed 2 --out b --threads 1 --chains 2");
    assert_eq!((files(&dir.join("b")).len(), read(dir.join("b-chains.png")).is_empty()), (3, false));
    assert_eq!(sheet.trim(), "a-sheet.png");
    // Folders hold images and nothing else, so they are sets of images; sheets lie beside them.
    assert_eq!((files(&dir.join("a")).len(), files(&dir.join("a-4x4")).len()), (5, 5));
    assert!(ok(dir, "data info a --side 16").contains("5 of 16 x 16"));
    assert!(!read(dir.join("a-sheet.png")).is_empty());
    // Fewer images would leave old ones among the new.
    let error = fails(dir, "sample alone.safetensors -n 3 --seed 2 --out a");
    assert!(error.contains("holds 0000") && error.contains("another folder"), "{error}");
    ok(dir, "sample alone.safetensors -n 5 --seed 2 --out a");
    for i in 0..3 {
        let name = format!("{i:05}.png");
        assert_eq!(read(dir.join("a").join(&name)), read(dir.join("b").join(&name)));
    }
    ok(dir, "sample alone.safetensors -n 3 --seed 3 --out c");
    assert_ne!(read(dir.join("b/00000.png")), read(dir.join("c/00000.png")));
}

#[test]
fn a_resumed_run_is_the_uninterrupted_one_to_the_byte_on_any_number_of_threads() {
    let dir = workplace();
    let dir = dir.path();
    ok(dir, "train tiny.toml --run whole --threads 2");
    ok(dir, "train tiny.toml --run parts --threads 1 --steps 5");
    ok(dir, "train --resume --run parts --threads 2 --steps 12");
    assert!(state(&dir.join("whole")) == state(&dir.join("parts")));
    // Nothing to do is no error, and changes nothing.
    ok(dir, "train --resume --run parts");
    assert!(state(&dir.join("whole")) == state(&dir.join("parts")));
}

#[test]
fn minutes_bound_a_run_that_can_then_go_on() {
    let dir = workplace();
    let dir = dir.path();
    ok(dir, "train tiny.toml --minutes 0");
    ok(dir, "train --resume");
    ok(dir, "train tiny.toml --run whole");
    assert!(state(&dir.join("whole")) == state(&dir.join("runs/portraits-001")));
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_a_run_with_a_checkpoint() {
    let dir = workplace();
    let dir = dir.path();
    let mut child = mg(dir, "train tiny.toml --run run --steps 100000 --set output.checkpoint_every=100000");
    let mut child =
        child.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let lines =
        || std::fs::read_to_string(dir.join("run/metrics.jsonl")).map_or(0, |text| text.lines().count());
    while lines() < 3 {
        assert!(child.try_wait().unwrap().is_none(), "the run ended by itself");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
    let done = lines();
    assert!(dir.join(format!("run/checkpoints/{done:08}.safetensors")).exists());
    // It goes on from there to the same bits.
    ok(dir, &format!("train --resume --run run --steps {}", done + 2));
    ok(
        dir,
        &format!("train tiny.toml --run whole --steps {} --set output.checkpoint_every=100000", done + 2),
    );
    assert!(read(dir.join("run/metrics.jsonl")) == read(dir.join("whole/metrics.jsonl")));
}

#[test]
fn hidden_pixels_are_filled_in_and_the_rest_stays() {
    let dir = workplace();
    let dir = dir.path();
    ok(dir, "train tiny.toml --run run --set chains.hidden_square=8");
    for mask in ["square", "doodle", "pepper"] {
        let table = ok(dir, &format!("inpaint run --input portraits -n 4 --mask {mask} --out {mask}"));
        assert!(table.contains("PSNR") && table.contains("MAE"), "{table}");
        assert_eq!(files(&dir.join(mask)).len(), 4);
        assert!(!read(dir.join(format!("{mask}-sheet.png"))).is_empty());
    }
    let json = ok(dir, "inpaint run --input square/00001.png --mask pepper --out one --json");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!((json["hidden"].as_f64().unwrap() - 0.6).abs() < 0.01);
    // Whatever a mask hides nothing with, nobody meant it.
    let colour = |name: &str, pixel: [u8; 4]| {
        image::RgbaImage::from_pixel(16, 16, image::Rgba(pixel)).save(dir.join(name)).unwrap();
        name.to_owned()
    };
    for mask in [
        colour("black.png", [0, 0, 0, 255]),
        colour("ones.png", [1, 1, 1, 255]),
        colour("red.png", [255, 0, 0, 255]),
        colour("transparent.png", [255, 255, 255, 0]),
    ] {
        let error = fails(dir, &format!("inpaint run --input square/00001.png --mask {mask} --out same"));
        assert!(error.contains(&mask) && error.contains("hides nothing"), "{error}");
    }
}

#[test]
fn a_folder_of_photographs_nobody_has_seen_works_with_its_classes() {
    let dir = workplace();
    let dir = dir.path();
    for (class, tint) in [("day", 200u8), ("night", 30)] {
        let folder = dir.join("photos").join(class);
        std::fs::create_dir_all(&folder).unwrap();
        for i in 0..12u32 {
            let pixel = |x: u32, y: u32| image::Rgb([tint, (x * 3 + i) as u8, (y * 2) as u8]);
            let photo = image::RgbImage::from_fn(50 + i, 40, pixel);
            photo.save(folder.join(format!("{i}.{}", ["png", "jpg", "webp"][i as usize % 3]))).unwrap();
        }
    }
    std::fs::write(dir.join("photos/day/broken.jpg"), b"no image").unwrap();
    let info = ok(dir, "data info photos --side 16");
    assert!(
        info.contains("24 of 16 x 16") && info.contains("day: 12") && info.contains("broken.jpg"),
        "{info}"
    );
    ok(dir, "train tiny.toml --data photos --run run --set data.class=each");
    ok(dir, "sample run -n 4 --class night --out night");
    ok(dir, "data pack photos --side 16 --crop 0 --out photos.mgpack");
    ok(dir, "train tiny.toml --data photos.mgpack --run packed");
    let seen = String::from_utf8_lossy(&output(dir, "train tiny.toml --data photos --run again").stderr)
        .into_owned();
    assert!(seen.contains("left out") && seen.contains("broken.jpg"), "{seen}");
}

#[test]
fn looking_around_prints_data_on_standard_output_only() {
    let dir = workplace();
    let dir = dir.path();
    ok(dir, "train tiny.toml --run runs/one");
    assert!(ok(dir, "data list").contains("portraits"));
    assert!(ok(dir, "data info portraits").contains("Apache"));
    assert!(ok(dir, "runs list").contains("runs/one"));
    let shown = ok(dir, "runs show runs/one");
    assert!(shown.contains("12 of 12") && shown.contains("train tiny.toml --run runs/one"), "{shown}");
    let json: serde_json::Value = serde_json::from_str(&ok(dir, "runs show runs/one --json")).unwrap();
    assert_eq!((json["iteration"].as_u64(), json["config"]["learn"]["batch"].as_u64()), (Some(12), Some(16)));
    let session = &json["sessions"][0];
    assert!(session["end"].as_u64() >= session["start"].as_u64() && session["threads"].is_u64(), "{json}");
    let plots = ok(dir, "runs plot runs/one --out plots");
    assert!(
        plots.contains("gap.svg")
            && String::from_utf8(read(dir.join("plots/gap.svg"))).unwrap().contains("16x16")
    );
    ok(dir, "train tiny.toml --run runs/two --seed 4");
    let table = ok(dir, "runs plot runs/one runs/two --out both");
    assert!(table.contains("iterations 9 to 12") && table.contains("deviation"), "{table}");
    assert_eq!(files(&dir.join("both")).len(), 2 * 11, "every value of both grids");
    let table = ok(dir, "runs plot runs/one runs/two --out both --clock");
    assert!(table.contains("means over minutes"), "{table}");
    assert!(String::from_utf8(read(dir.join("both/gap-16.svg"))).unwrap().contains("minutes"));
    assert!(ok(dir, "config explain learn.rate").contains("Learning rate"));
    assert!(ok(dir, "config presets").contains("release-a"));
    let shown = ok(dir, "config show tiny.toml --set seed=9");
    assert!(shown.contains("seed = 9") && shown.contains("iterations = 12"), "{shown}");
    // What `config show` prints is a configuration.
    std::fs::write(dir.join("shown.toml"), shown).unwrap();
    ok(dir, "config show shown.toml");
    // Files lie over each other in their order.
    std::fs::write(dir.join("more.toml"), "seed = 10\n[learn]\nbatch = 17\n").unwrap();
    let both = ok(dir, "config show shown.toml more.toml");
    assert!(both.contains("seed = 10") && both.contains("batch = 17") && both.contains("iterations = 12"));
    assert!(ok(dir, "config explain learn.batch").contains("from 1 to 1048576; default 32"));
    assert!(ok(dir, "config methods").contains("multigrid"));
}

#[test]
fn features_are_judged_by_few_labels() {
    let dir = workplace();
    let dir = dir.path();
    // Two tints in stripes of any phase: a set with splits and classes.
    for (split, n) in [("train", 40), ("test", 16)] {
        for (class, tint) in [("day", 200u8), ("night", 30)] {
            let folder = dir.join("set").join(split).join(class);
            std::fs::create_dir_all(&folder).unwrap();
            for i in 0..n {
                let pixel =
                    |x: u32, y: u32| image::Rgb([tint, (x * 9 + i * 31) as u8, (y * 7 + i * 17) as u8]);
                image::RgbImage::from_fn(16, 16, pixel).save(folder.join(format!("{i:02}.png"))).unwrap();
            }
        }
    }
    ok(dir, "train tiny.toml --data set --run run");
    let common = "--data set --labels 10,20 --validation 20 --draws 5";
    let table = ok(dir, &format!("svm run {common} --json=a.json --plot errors.png"));
    assert_eq!(table.lines().count(), 1 + 1 + 2, "{table}");
    assert!(image::open(dir.join("errors.png")).unwrap().width() > 600);
    let json: serde_json::Value = serde_json::from_slice(&read(dir.join("a.json"))).unwrap();
    assert_eq!(json["grids"], serde_json::json!([16]));
    assert_eq!(json["images"], serde_json::json!({ "training": 60, "validation": 20, "test": 32 }));
    let error = |json: &serde_json::Value, i: usize| json["scores"][i]["test_error"].as_f64().unwrap();
    assert!(error(&json, 1) < 20.0, "{json}");
    assert!(table.contains(&format!("{:.2} %", error(&json, 1))), "{table}");

    // The same on one thread; another with other draws, grids, or pixels.
    ok(dir, &format!("svm run {common} --json=b.json --threads 1"));
    assert!(read(dir.join("a.json")) == read(dir.join("b.json")));
    let two = ok(dir, &format!("svm run/model.safetensors {common} --grids 4,16 --test set/test"));
    assert!(two.contains("4x4 and 16x16"), "{two}");
    // Scaled features are others than raw ones.
    ok(dir, &format!("svm run {common} --raw --json=raw.json"));
    assert!(read(dir.join("raw.json")) != read(dir.join("a.json")));
    // Nets with batch statistics are judged with those of the set they are judged on.
    ok(
        dir,
        "train tiny.toml --data set --run normed --set model.norm=batch --set chains.step_size=5 --set learn.rate=3e-4",
    );
    let printed = ok(dir, &format!("svm normed {common} --json"));
    let normed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert!(error(&normed, 1) < 50.0, "{normed}");
    let pixels = ok(dir, "svm --pixels --data set --labels 10 --validation 20 --draws 2 --json=p.json");
    assert!(pixels.starts_with("12288 features: raw pixels"), "{pixels}");
    let pixels: serde_json::Value = serde_json::from_slice(&read(dir.join("p.json"))).unwrap();
    assert!(pixels["run"].is_null() && error(&pixels, 0) < 50.0, "{pixels}");
}

#[test]
fn a_class_without_test_images_is_told_and_no_hindrance() {
    let dir = workplace();
    let dir = dir.path();
    for (folder, tint) in
        [("train/a", 20), ("train/b", 120), ("train/c", 220), ("test/c", 220), ("test/a", 20)]
    {
        let folder = dir.join("set").join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        for i in 0..12 {
            let pixel = |x: u32, _: u32| image::Rgb([tint, (x * 9 + i * 31) as u8, 0]);
            image::RgbImage::from_fn(16, 16, pixel).save(folder.join(format!("{i:02}.png"))).unwrap();
        }
    }
    let mut command = mg(dir, "svm --pixels --data set --labels 9 --validation 9 --draws 2 --json=p.json");
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("no test image is of class b"), "{told}");
    let json: serde_json::Value = serde_json::from_slice(&read(dir.join("p.json"))).unwrap();
    assert!(json["scores"][0]["test_error"].as_f64().unwrap() < 20.0, "{json}");
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_error() {
    let dir = workplace();
    for words in ["data info portraits", "config explain", "data list"] {
        let mut child = mg(dir.path(), words);
        let mut child =
            child.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "mg {words}: {output:?}");
    }
}

#[test]
fn images_that_a_run_held_out_are_filled_in() {
    let dir = workplace();
    let dir = dir.path();
    ok(dir, "train tiny.toml --run run --steps 1 --set data.limit=40 --set data.hold_out=5");
    ok(dir, "inpaint run --held-out -n 50 --out filled");
    assert_eq!(files(&dir.join("filled")).len(), 5);
    ok(dir, "train tiny.toml --run all --steps 1");
    assert!(fails(dir, "inpaint all --held-out").contains("data.hold_out"));
    assert!(fails(dir, "train tiny.toml --run none --set data.hold_out=888").contains("887"));
}
