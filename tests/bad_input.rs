//! What goes wrong, each with a clear error and nothing lost.

use std::fs;

use crate::support::{fails, files, mg, ok, read, state, workplace};

#[test]
fn typos_are_errors_with_a_suggestion() {
    let dir = workplace();
    let dir = dir.path();
    assert!(fails(dir, "train --set learn.rat=1").contains("did you mean learn.rate?"));
    fs::write(dir.join("typo.toml"), "[chains]\nstep = 3\n").unwrap();
    let error = fails(dir, "train typo.toml");
    assert!(error.contains("typo.toml") && error.contains("did you mean chains.steps?"), "{error}");
    fs::write(dir.join("broken.toml"), "[chains\n").unwrap();
    assert!(fails(dir, "train broken.toml").contains("broken.toml"));
    assert!(fails(dir, "train missing.toml").contains("missing.toml"));
    assert!(fails(dir, "train --preset papier").contains("paper"));
    assert!(fails(dir, "train --set learn.batch=many").contains("batch"));
    assert!(!dir.join("runs").exists(), "a run was made before its configuration was checked");
}

#[test]
fn grids_that_do_not_fit_are_refused() {
    let dir = workplace();
    let dir = dir.path();
    for grids in ["[4,16]", "[1,16,4]", "[1]", "[]", "[1,0,4]"] {
        fails(dir, &format!("train --set model.grids={grids}"));
    }
    let error =
        fails(dir, "train --set model.grids=[1,3] --set model.nets=[[[8,9,1]]] --set model.padding=two");
    assert!(error.contains("9x9") && error.contains("side 3"), "{error}");
}

#[test]
fn missing_empty_and_corrupt_images_are_named() {
    let dir = workplace();
    let dir = dir.path();
    assert!(fails(dir, "train tiny.toml --data nowhere").contains("nowhere"));
    fs::create_dir(dir.join("empty")).unwrap();
    assert!(fails(dir, "train tiny.toml --data empty").contains("empty"));
    fs::create_dir(dir.join("bad")).unwrap();
    fs::write(dir.join("bad/a.png"), b"").unwrap();
    fs::write(dir.join("bad/b.jpg"), b"\xff\xd8\xff\xe0 not really").unwrap();
    assert!(fails(dir, "train tiny.toml --data bad").contains("a.png"));
    image::RgbImage::from_fn(40, 40, |x, y| image::Rgb([6 * x as u8, 6 * y as u8, 0]))
        .save(dir.join("bad/c.png"))
        .unwrap();
    ok(dir, "train tiny.toml --data bad --run skipped --steps 1");
    let error = fails(dir, "train tiny.toml --data bad --set data.on_bad_image=refuse");
    assert!(error.contains("a.png"), "{error}");
    fs::write(dir.join("cut.parquet"), b"PAR1 and no more").unwrap();
    assert!(fails(dir, "train tiny.toml --data cut.parquet").contains("cut.parquet"));
    assert!(fails(dir, "train tiny.toml --data bad --set data.class=each").contains("label"));
}

#[test]
fn a_gpu_that_is_not_there_is_an_error_and_auto_is_not() {
    let dir = workplace();
    let dir = dir.path();
    let here = cfg!(any(feature = "cuda", feature = "metal"));
    if !here {
        assert!(fails(dir, "train tiny.toml --device cuda").contains("--device cpu"));
        assert!(fails(dir, "train tiny.toml --device metal").contains("--device cpu"));
    }
    ok(dir, "train tiny.toml --device auto --steps 1");
    fails(dir, "train tiny.toml --threads 0");
}

#[test]
fn masks_and_inputs_that_do_not_fit_are_refused() {
    let dir = workplace();
    let dir = dir.path();
    ok(dir, "train tiny.toml --run run --steps 1");
    image::GrayImage::new(20, 16).save(dir.join("wrong.png")).unwrap();
    let error = fails(dir, "inpaint run --input portraits --mask wrong.png");
    assert!(error.contains("20") && error.contains("16"), "{error}");
    fs::write(dir.join("mask.png"), b"no image").unwrap();
    assert!(fails(dir, "inpaint run --input portraits --mask mask.png").contains("mask.png"));
    assert!(fails(dir, "inpaint run --input portraits --mask nowhere.png").contains("nowhere.png"));
    fs::write(dir.join("face.jpg"), b"no image").unwrap();
    assert!(fails(dir, "inpaint run --input face.jpg").contains("face.jpg"));
    assert!(fails(dir, "sample run --class nobody").contains("nobody"));
    fails(dir, "sample run -n 0");
}

#[test]
fn images_of_one_colour_are_refused_for_what_they_are() {
    let dir = workplace();
    let dir = dir.path();
    fs::create_dir(dir.join("black")).unwrap();
    for name in ["a.png", "b.png"] {
        image::RgbImage::from_pixel(16, 16, image::Rgb([3, 0, 255]))
            .save(dir.join("black").join(name))
            .unwrap();
    }
    let error = fails(dir, "train tiny.toml --data black --run run --set learn.batch=2");
    for part in ["2 images of black", "[3, 0, 255]", "nothing to learn", "data.crop"] {
        assert!(error.contains(part), "{error}");
    }
    assert!(!dir.join("run").exists());
    image::RgbImage::from_pixel(16, 16, image::Rgb([3, 0, 254])).save(dir.join("black/c.png")).unwrap();
    ok(dir, "train tiny.toml --data black --run run --set learn.batch=3 --steps 1");
}

#[test]
fn sets_that_cannot_judge_features_are_refused() {
    let dir = workplace();
    let dir = dir.path();
    ok(dir, "train tiny.toml --run run --steps 1");
    fs::create_dir(dir.join("bare")).unwrap();
    image::RgbImage::new(16, 16).save(dir.join("bare/a.png")).unwrap();
    let says = |words: &str, expected: &[&str]| {
        let error = fails(dir, &format!("svm {words}"));
        assert!(expected.iter().all(|part| error.contains(part)), "mg svm {words}\n{error}");
    };
    let set = "--data portraits --test portraits";
    says("run --data portraits --validation 100", &["--test SET", "split"]);
    says(&format!("run {set}"), &["888", "10000", "--validation N"]);
    says(&format!("run {set} --validation 0"), &["--validation is 0"]);
    says(&format!("run {set} --validation 800 --labels 200"), &["--labels 200", "88", "to draw 100 from"]);
    says(&format!("run {set} --validation 100 --labels 21"), &["--labels 21", "multiple of 2"]);
    says(&format!("run {set} --validation 100 --labels 0"), &["--labels 0"]);
    says(&format!("run {set} --validation 100 --labels 20 --draws 0"), &["--draws is 0"]);
    says(&format!("run {set} --grids 8"), &["no grid 8", "4, 16"]);
    says(&format!("run {set} --class nobody"), &["nobody"]);
    says("run --data bare --test bare --validation 1", &["bare has no labels", "sub-folders"]);
    for class in ["a", "b"] {
        fs::create_dir_all(dir.join("other").join(class)).unwrap();
        image::RgbImage::new(16, 16).save(dir.join("other").join(class).join("0.png")).unwrap();
    }
    says("run --data portraits --test other --validation 100", &["class \"a\"", "person, smiley"]);
    says("nowhere --data portraits --test portraits", &["nowhere"]);
}

#[test]
fn measures_refuse_what_they_cannot_measure() {
    let dir = workplace();
    let dir = dir.path();
    ok(dir, "train tiny.toml --run run --steps 1");
    ok(dir, "train tiny.toml --run classes --steps 2 --set data.class=each");
    fs::create_dir(dir.join("plain")).unwrap();
    image::RgbImage::new(20, 20).save(dir.join("plain/a.png")).unwrap();
    ok(dir, "data pack portraits --side 8 --out small.mgpack");
    for (words, expected) in [
        ("ood run --in nowhere --out portraits", "nowhere"),
        ("ood run --in portraits --out nowhere", "nowhere"),
        ("ood run --in portraits --out plain --grid 5", "4, 16"),
        ("ood run --in portraits --out small.mgpack", "side 8"),
        ("ood run --in portraits --out plain --plot energies.gif", ".svg"),
        ("ood run --in portraits --out plain -n 0", "-n is 0"),
        ("ood classes --in portraits --out plain", "person, smiley"),
        ("ood run --in portraits --out plain --json=no/such/folder.json", "folder.json"),
        ("classify run --data portraits", "data.class=each"),
        ("classify classes --data plain", "no labels"),
        ("classify classes --data portraits --fit plain", "no labels"),
        ("classify classes --data nowhere", "nowhere"),
        ("classify classes --data portraits --grid 5", "4, 16"),
        ("classify classes --data portraits --split test", "test"),
        ("loglik run --data nowhere", "nowhere"),
        ("loglik run --data small.mgpack", "side 8"),
        ("loglik run --data plain --grid 5", "4, 16"),
        ("loglik run --data plain --chains 1", "--chains is 1"),
        ("loglik run --data plain --temperatures 0", "--temperatures is 0"),
        ("loglik classes --data plain", "person, smiley"),
        ("loglik classes --data plain --class nobody", "nobody"),
    ] {
        let error = fails(dir, words);
        assert!(error.contains(expected), "mg {words}\n{error}");
    }
    for class in ["cat", "dog"] {
        fs::create_dir_all(dir.join("strange").join(class)).unwrap();
        image::RgbImage::new(20, 20).save(dir.join("strange").join(class).join("a.png")).unwrap();
    }
    assert!(fails(dir, "classify classes --data strange").contains("cat"));
}

#[test]
fn a_run_directory_has_one_writer_and_is_never_overwritten() {
    let dir = workplace();
    let dir = dir.path();
    let mut first = mg(dir, "train tiny.toml --run run --steps 100000").spawn().unwrap();
    while !dir.join("run/metrics.jsonl").exists() {
        assert!(first.try_wait().unwrap().is_none(), "the first run ended");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(fails(dir, "train --resume --run run").contains("another process"));
    first.kill().unwrap();
    first.wait().unwrap();
    let before = read(dir.join("run/config.toml"));
    assert!(fails(dir, "train tiny.toml --run run").contains("--resume"));
    assert_eq!(before, read(dir.join("run/config.toml")));
    assert!(fails(dir, "train --resume --run nothing").contains("--resume"));
}

#[test]
fn foreign_and_damaged_files_are_refused_and_older_ones_serve() {
    let dir = workplace();
    let dir = dir.path();
    ok(dir, "train tiny.toml --run whole");
    ok(dir, "train tiny.toml --run run");
    let run = dir.join("run");
    let newest = files(&run.join("checkpoints")).pop().unwrap();
    let bytes = read(&newest);
    fs::write(&newest, &bytes[..bytes.len() / 3]).unwrap();
    ok(dir, "train --resume --run run");
    assert!(state(&dir.join("whole")) == state(&run));

    for file in files(&run.join("checkpoints")) {
        fs::write(file, b"foreign").unwrap();
    }
    let error = fails(dir, "train --resume --run run");
    assert!(error.contains("not a usable checkpoint"), "{error}");
    fs::write(run.join("model.safetensors"), b"foreign").unwrap();
    assert!(fails(dir, "sample run").contains("not a usable model"));
    assert!(fails(dir, "sample nowhere").contains("nowhere"));
}

#[test]
fn a_run_keeps_its_architecture_and_its_images() {
    let dir = workplace();
    let dir = dir.path();
    ok(dir, "train tiny.toml --run run --steps 3");
    let before = state(&dir.join("run"));
    let error = fails(dir, "train --resume --run run --set model.width=0.3");
    assert!(error.contains("model.width"), "{error}");
    fs::create_dir(dir.join("other")).unwrap();
    for i in 0..20u8 {
        let image = image::RgbImage::from_pixel(20, 20, image::Rgb([i, 2 * i, 3]));
        image.save(dir.join(format!("other/{i}.png"))).unwrap();
    }
    let error = fails(dir, "train --resume --run run --data other");
    assert!(error.contains("other images"), "{error}");
    assert!(before == state(&dir.join("run")));
    ok(dir, "train --resume --run run --steps 4");
}

/// A limit on the size of files stands for a full disk: writing fails in the middle.
#[cfg(unix)]
#[test]
fn a_full_disk_during_a_checkpoint_loses_nothing() {
    let dir = workplace();
    let dir = dir.path();
    ok(dir, "train tiny.toml --run whole");
    ok(dir, "train tiny.toml --run run --steps 4");
    let before = state(&dir.join("run"));
    let kilobytes = before[2].len() / 1024 / 2;
    let mg = env!("CARGO_BIN_EXE_mg");
    // Blocks of `ulimit -f` are 512 bytes in POSIX and 1024 in some shells; half the checkpoint is too little in both.
    let script =
        format!("trap '' XFSZ; ulimit -f {kilobytes}; exec {mg} train --resume --run run --steps 12");
    let output = std::process::Command::new("sh").args(["-c", &script]).current_dir(dir).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && stderr.contains("cannot write"), "{stderr}");
    assert!(stderr.contains("checkpoints") && stderr.contains("help: "), "{stderr}");
    let hidden = |path: &std::path::PathBuf| path.to_string_lossy().contains("partial");
    assert!(!files(&dir.join("run/checkpoints")).iter().any(hidden), "a part of a checkpoint stays behind");
    assert!(read(files(&dir.join("run/checkpoints")).pop().unwrap()) == before[2]);
    ok(dir, "train --resume --run run --steps 12");
    assert!(state(&dir.join("whole")) == state(&dir.join("run")));
}
