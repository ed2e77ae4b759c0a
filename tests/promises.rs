//! What nothing may break: work outlives its terminal, other bits are never taken for the same, numbers are of the images that
//! they are said to be of.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{fails, files, mg, ok, read, workplace};

/// `mg` below a shell that does something to its streams.
#[cfg(unix)]
fn shell(dir: &Path, words: &str, streams: &str) -> i32 {
    let line = format!("exec {} {words} {streams}", env!("CARGO_BIN_EXE_mg"));
    let status =
        Command::new("sh").args(["-c", &line]).current_dir(dir).stdin(Stdio::null()).status().unwrap();
    status.code().unwrap_or(-1)
}

#[cfg(unix)]
#[test]
fn work_goes_on_when_nobody_listens() {
    let dir = workplace();
    let dir = dir.path();
    let full = if Path::new("/dev/full").exists() { "/dev/full" } else { "/dev/null" };
    for (number, streams) in ["2>&-", "2>&- >/dev/null", &format!("2>{full}")].iter().enumerate() {
        assert_eq!(
            shell(dir, &format!("train tiny.toml --steps 4 --run r{number}"), streams),
            0,
            "{streams}"
        );
        assert!(dir.join(format!("r{number}/model.safetensors")).is_file(), "{streams}");
        // An error is an error, though it cannot be told.
        assert_eq!(shell(dir, "train nowhere.toml", streams), 1, "{streams}");
        assert_eq!(shell(dir, &format!("sample r{number} -n 3 --out s{number}"), streams), 0, "{streams}");
        assert_eq!(files(&dir.join(format!("s{number}"))).len(), 3, "{streams}");
    }
}

#[cfg(unix)]
#[test]
fn a_terminal_that_closes_costs_no_iteration() {
    let dir = workplace();
    let dir = dir.path();
    let words = "train tiny.toml --steps 100000 --set output.checkpoint_every=50000 --run run";
    let mut command = mg(dir, words);
    let mut child = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let lines = || fs::read_to_string(dir.join("run/metrics.jsonl")).map_or(0, |text| text.lines().count());
    while lines() < 5 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // From the terminal itself and from its shell.
    for _ in 0..2 {
        assert!(Command::new("kill").args(["-HUP", &child.id().to_string()]).status().unwrap().success());
    }
    assert!(child.wait().unwrap().success());
    let newest = files(&dir.join("run/checkpoints")).pop().unwrap();
    let name = newest.file_stem().unwrap().to_string_lossy().into_owned();
    assert_eq!(name.parse::<usize>().unwrap(), lines());
}

#[test]
fn a_packed_file_with_another_pixel_is_refused_by_everything_that_uses_it() {
    let dir = workplace();
    let dir = dir.path();
    ok(dir, "data pack portraits --side 16 --out set.mgpack");
    assert!(ok(dir, "data info set.mgpack").contains("888 of 16 x 16"));
    ok(dir, "train tiny.toml --data set.mgpack --steps 2 --run run");
    let mut bytes = read(dir.join("set.mgpack"));
    bytes[64 + 100_000] ^= 4;
    fs::write(dir.join("set.mgpack"), &bytes).unwrap();
    for words in [
        "train tiny.toml --data set.mgpack --steps 200 --run other",
        "train --resume --run run --steps 200",
        "eval --input run -n 20 --fid",
        "eval --input set.mgpack --is",
        "data info set.mgpack",
    ] {
        let error = fails(dir, words);
        assert!(error.contains("set.mgpack") && error.contains("pack it again"), "{words}: {error}");
    }
}

#[test]
fn a_run_is_measured_against_the_images_that_it_learned_or_held_out() {
    let dir = workplace();
    let dir = dir.path();
    ok(dir, "train tiny.toml --steps 2 --run run --set data.limit=300 --set data.hold_out=50");
    let images = |words: &str| {
        let text = ok(dir, &format!("eval --input run -n 20 --fid --json {words}"));
        let scores: serde_json::Value = serde_json::from_str(&text).unwrap();
        scores["reference"]["images"].as_u64().unwrap()
    };
    assert_eq!((images(""), images("--ref held-out"), images("--ref portraits")), (300, 50, 888));
    ok(dir, "train tiny.toml --steps 2 --run smiley --set data.class=smiley --set learn.batch=8");
    let text = ok(dir, "eval --input smiley -n 20 --fid --json");
    assert!(text.contains("\"images\": 108"), "{text}");

    // Other images under the same name are not those.
    for (folder, grey) in [("a", 50), ("b", 60)] {
        fs::create_dir_all(dir.join(folder).join("set")).unwrap();
        for i in 0..20u8 {
            let image = image::RgbImage::from_fn(16, 16, |x, y| {
                image::Rgb([grey + i, (16 * x) as u8, (16 * y) as u8])
            });
            image.save(dir.join(folder).join(format!("set/{i}.png"))).unwrap();
        }
    }
    fs::copy(dir.join("tiny.toml"), dir.join("a/tiny.toml")).unwrap();
    ok(&dir.join("a"), "train tiny.toml --data set --steps 2 --run ../of-set");
    ok(&dir.join("a"), "eval --input ../of-set -n 20 --fid");
    let error = fails(&dir.join("b"), "eval --input ../of-set -n 20 --fid");
    assert!(error.contains("SHA-256") && error.contains("--ref"), "{error}");
    assert!(fails(&dir.join("a"), "eval --input ../of-set -n 20 --ref held-out").contains("data.hold_out"));
}

#[test]
fn samples_are_written_as_they_are_drawn_and_gone_on_with() {
    let dir = workplace();
    let dir = dir.path();
    ok(dir, "train tiny.toml --steps 2 --run run");
    ok(dir, "sample run -n 500 --seed 5 --out whole --grids");
    ok(dir, "sample run -n 500 --seed 5 --out parts --grids");
    // As one that was killed leaves it; what is there is not drawn again, so this mark stays.
    for number in 430..500 {
        fs::remove_file(dir.join(format!("parts/{number:05}.png"))).unwrap();
    }
    let mark = dir.join("parts/00410.png");
    let before = fs::metadata(&mark).unwrap().modified().unwrap();
    ok(dir, "sample run -n 500 --seed 5 --out parts --grids");
    assert_eq!(before, fs::metadata(&mark).unwrap().modified().unwrap());
    for folder in ["", "-4x4"] {
        let all =
            |name: &str| files(&dir.join(format!("{name}{folder}"))).iter().map(read).collect::<Vec<_>>();
        assert!(all("whole").len() == 500 && all("whole") == all("parts"), "{folder}");
    }
    assert_eq!(read(dir.join("whole-sheet.png")), read(dir.join("parts-sheet.png")));
    // Other images do not mix with these.
    ok(dir, "sample run -n 500 --seed 6 --out parts");
    ok(dir, "sample run -n 500 --seed 6 --out others");
    assert_eq!(read(dir.join("parts/00410.png")), read(dir.join("others/00410.png")));
    // Two that write to one folder would.
    let mut first = mg(dir, "sample run -n 20000 --out busy")
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while !dir.join("busy/00000.png").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let error = fails(dir, "sample run -n 20000 --seed 9 --out busy");
    assert!(error.contains("another process"), "{error}");
    first.kill().unwrap();
    first.wait().unwrap();
}

#[test]
fn advice_works() {
    let dir = workplace();
    let dir = dir.path();
    let stuck =
        "--set chains.sampler=mala --set chains.step_size=1e4 --set guard.max_gap=1e9 --steps 2 --run stuck";
    let output = mg(dir, &format!("train tiny.toml {stuck}")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(said.matches("no step of the chains is accepted").count(), 1, "{said}");

    ok(dir, "train tiny.toml --steps 3 --run run");
    let error = fails(dir, "sample run/checkpoints/00000003.safetensors");
    assert!(error.contains("a checkpoint of a run") && error.contains("model.safetensors"), "{error}");

    image::GrayImage::from_pixel(16, 16, image::Luma([1])).save(dir.join("mask.png")).unwrap();
    assert!(fails(dir, "inpaint run --input portraits --mask mask.png").contains("hides nothing"));

    fs::create_dir(dir.join("mixed")).unwrap();
    for i in 0..5u8 {
        image::RgbImage::from_pixel(20, 20, image::Rgb([i, 3, 4]))
            .save(dir.join(format!("mixed/{i}.png")))
            .unwrap();
    }
    image::GrayImage::new(20, 20).save(dir.join("mixed/grey.png")).unwrap();
    assert!(fails(dir, "eval --input mixed --ref portraits --fid").contains("--side"));
    ok(dir, "eval --input mixed --ref portraits --fid --side 20");

    for name in ["train/cat/0.png", "train/dog/0.png", "test/cat/0.png", "pred/0.png", "pred/1.png"] {
        let path = dir.join("tree").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let shade = name.bytes().fold(0, u8::wrapping_add);
        image::RgbImage::from_pixel(20, 20, image::Rgb([shade, shade, shade])).save(path).unwrap();
    }
    let info = ok(dir, "data info tree");
    assert!(info.contains("tree (train)") && info.contains("pred is no split: 2 images"), "{info}");

    let error = fails(dir, "train tiny.toml --data tree --set data.class=3");
    assert!(error.contains("3") && error.contains("cat, dog"), "{error}");
    let error = fails(dir, "train tiny.toml --seed 9223372036854775808");
    assert!(error.contains("at most 9223372036854775807"), "{error}");
    let error = fails(dir, "data fetch some-body/some-set --offline");
    assert!(error.contains("without --offline") && !error.contains("slip"), "{error}");
    // Why the system refuses is said once.
    fs::write(dir.join("file"), "").unwrap();
    let error = fails(dir, "sample run -n 2 --out file/images");
    assert_eq!(error.matches("(os error").count(), 1, "{error}");
}
