//! A model goes to a hub on the loopback address and comes back.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::fetch::{fails, succeeds, with_hub};
use crate::server::{Fault, Loopback};
use crate::support::{files, mg, read, workplace};

#[test]
fn a_published_model_draws_the_same_images_elsewhere() {
    let (loopback, here, elsewhere) = (Loopback::start(), workplace(), workplace());
    let (here, elsewhere) = (here.path(), elsewhere.path());
    succeeds(mg(here, "train tiny.toml --run run"));
    succeeds(mg(here, "sample run -n 6 --seed 5 --out a"));
    std::fs::write(here.join("run/scores.json"), r#"{"version": 1, "frechet_distance": 12.5}"#).unwrap();
    let mut publish = with_hub(&loopback, here, "publish run me/faces -n 9 --license mit --out copy");
    let published = succeeds({
        publish.env("HF_TOKEN", "secret");
        publish
    });
    let commit = published.trim().strip_prefix("me/faces@").expect("the commit").to_owned();

    succeeds(with_hub(&loopback, elsewhere, "sample hf:me/faces -n 6 --seed 5 --out b"));
    let pinned = format!("sample hf:me/faces --revision {commit} -n 6 --seed 5 --out c --threads 1");
    succeeds(with_hub(&loopback, elsewhere, &pinned));
    let images = |folder: PathBuf| {
        let named = |path: PathBuf| (path.file_name().map(OsStr::to_owned), read(&path));
        files(&folder).into_iter().map(named).collect::<Vec<_>>()
    };
    assert_eq!(images(here.join("a")).len(), 6);
    for name in ["b", "c"] {
        assert!(images(here.join("a")) == images(elsewhere.join(name)), "{name}");
    }
    // What is pinned and there needs no hub any more.
    loopback.state().requests.clear();
    succeeds(with_hub(&loopback, elsewhere, &format!("sample hf:me/faces@{commit} -n 6 --seed 5 --out d")));
    assert_eq!(loopback.state().requests, Vec::<String>::new());
    succeeds(with_hub(&loopback, elsewhere, "inpaint hf:me/faces --input portraits -n 2"));

    // One commit holds all files, and they are those of the copy.
    let tree = loopback.state().trees[&("me/faces".to_owned(), commit)].clone();
    let names: Vec<&str> = tree.keys().map(String::as_str).collect();
    assert_eq!(names, ["README.md", "config.toml", "model.safetensors", "samples.png", "scores.json"]);
    assert!(tree.iter().all(|(name, file)| *file.bytes == read(here.join("copy").join(name))));
    let card = String::from_utf8(read(here.join("copy/README.md"))).unwrap();
    for part in [
        "license: mit",
        "mg sample hf:me/faces",
        "class Score",
        "frechet distance | 12.5",
        "Apache License 2.0",
        "888 images",
    ] {
        assert!(card.contains(part), "{part}\n{card}");
    }
    succeeds(with_hub(&loopback, here, "train copy/config.toml --run again --steps 1"));
}

#[test]
fn nothing_is_published_by_halves_or_by_mistake() {
    let (loopback, dir) = (Loopback::start(), workplace());
    let dir = dir.path();
    // The images lie in a folder whose path is nobody's business.
    succeeds(mg(dir, "train tiny.toml --run first --steps 1"));
    succeeds(mg(dir, "sample first -n 20 --out secret-folder/faces"));
    succeeds(mg(
        dir,
        &format!("train tiny.toml --run run --steps 1 --data {}", dir.join("secret-folder/faces").display()),
    ));
    let publish = |words: &str| {
        let mut command = with_hub(&loopback, dir, &format!("publish run me/faces -n 4 {words}"));
        command.env("HF_TOKEN", "secret");
        command
    };
    succeeds(publish("--dry-run --out copy"));
    assert_eq!(loopback.state().requests, Vec::<String>::new());
    for file in files(&dir.join("copy")) {
        let bytes = read(&file);
        let found = bytes.windows(13).any(|window| window == b"secret-folder");
        assert!(!found, "{} names a folder of this machine", file.display());
    }
    loopback.state().of_calls = vec![Fault::None, Fault::None, Fault::Status(403)].into();
    assert!(fails(publish("")).contains("commit to me/faces"));
    assert!(loopback.state().trees.values().all(|tree| tree.is_empty()));
    assert!(fails(publish("--scores nothing.json")).contains("nothing.json"));
    assert!(fails(with_hub(&loopback, dir, "publish run faces")).contains("OWNER/NAME"));
    assert!(fails(with_hub(&loopback, dir, "publish run me/faces -n 4")).contains("me/faces"));
    assert!(!Path::new(&dir.join("model.safetensors")).exists());
}

#[test]
fn nothing_that_is_published_names_a_folder_of_this_machine() {
    let here = workplace();
    let here = here.path();
    let set = here.join("my secret/photos");
    std::fs::create_dir_all(&set).unwrap();
    for i in 0..20u8 {
        let image = image::RgbImage::from_fn(16, 16, |x, y| image::Rgb([i, (16 * x) as u8, (16 * y) as u8]));
        image.save(set.join(format!("{i}.png"))).unwrap();
    }
    let with = |words: &[&str]| {
        let mut command = mg(here, "");
        command.args(words);
        succeeds(command)
    };
    let set = set.to_str().unwrap();
    with(&["train", "tiny.toml", "--steps", "2", "--run", "run", "--data", set]);
    with(&["eval", "--input", "run", "-n", "20", "--fid", "--json=run/scores.json"]);
    with(&["publish", "run", "me/faces", "-n", "4", "--dry-run", "--out", "copy", "--license", "mit"]);
    for file in files(&here.join("copy")) {
        let text = String::from_utf8_lossy(&read(&file)).into_owned();
        assert!(!text.contains("my secret"), "{}", file.display());
    }
    assert!(String::from_utf8(read(here.join("copy/scores.json"))).unwrap().contains("a model of photos"));
}

#[test]
fn a_file_that_is_said_to_be_larger_than_any_model_is_not_fetched() {
    let (loopback, dir) = (Loopback::start(), workplace());
    loopback.put("me/faces", &"1".repeat(40), "model.safetensors", vec![0; 1000], true);
    loopback.state().said_size = Some(1 << 50);
    let told = fails(with_hub(&loopback, dir.path(), "sample hf:me/faces -n 2 --out a"));
    assert!(told.contains("model.safetensors of me/faces") && told.contains("nothing was fetched"), "{told}");
    assert!(loopback.state().requests.iter().all(|request| !request.contains("/storage/")));
}
