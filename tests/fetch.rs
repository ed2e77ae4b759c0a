//! Sets from a hub on the loopback address.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::server::{Fault, Loopback};
use crate::support::{mg, workplace};

const SVHN: (&str, &str) = ("datasets/ufldl-stanford/svhn", "f9e1717d73324ebbc1ece84267ccd80d0aca0690");
const MINE: &str = "datasets/some-one/portraits";
const COMMIT: &str = "89abcdef0123456789abcdef0123456789abcdef";

/// `mg` with this hub and a cache in the folder.
pub(crate) fn with_hub(loopback: &Loopback, dir: &Path, words: &str) -> Command {
    let mut command = mg(dir, words);
    for name in ["HF_HUB_OFFLINE", "HF_TOKEN", "HF_HUB_CACHE", "HTTP_PROXY", "http_proxy"] {
        command.env_remove(name);
    }
    command.env("HF_ENDPOINT", &loopback.endpoint).env("HF_HOME", dir.join("home"));
    command
}

pub(crate) fn succeeds(mut command: Command) -> String {
    let output = command.output().expect("mg starts");
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

pub(crate) fn fails(mut command: Command) -> String {
    let output = command.output().expect("mg starts");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && !stderr.contains("panicked"), "{command:?}\n{stderr}");
    assert!(stderr.contains("error: ") && stderr.contains("help: "), "{stderr}");
    stderr
}

/// A small real table: images of the embedded set, as another program would have packed them, in an archive.
fn archive(dir: &Path) -> Vec<u8> {
    succeeds(mg(dir, "train tiny.toml --run run --steps 1"));
    succeeds(mg(dir, "sample run -n 12 --out images"));
    let status = Command::new("tar").args(["cf", "images.tar", "images"]).current_dir(dir).status();
    assert!(status.expect("tar starts").success());
    std::fs::read(dir.join("images.tar")).unwrap()
}

#[test]
fn a_set_is_fetched_looked_at_and_learned() {
    let (loopback, dir) = (Loopback::start(), workplace());
    let dir = dir.path();
    loopback.put(MINE, COMMIT, "images.tar", archive(dir), true);
    let hub = |words: &str| with_hub(&loopback, dir, words);
    let missing = fails(hub("train tiny.toml --data hf:some-one/portraits/images.tar"));
    assert!(missing.contains("mg data fetch"), "{missing}");
    let planned = succeeds(hub("data fetch some-one/portraits --dry-run"));
    assert!(planned.contains("images.tar") && planned.contains("to fetch"), "{planned}");
    let asked = fails(hub("data fetch some-one/portraits"));
    assert!(asked.contains("say --yes"), "{asked}");
    loopback.state().of_content = vec![Fault::Status(503), Fault::Cut(1000)].into();
    let folder = PathBuf::from(succeeds(hub("data fetch some-one/portraits --yes")).trim());
    assert!(folder.join("images.tar").exists() && folder.ends_with(COMMIT));
    loopback.state().requests.clear();
    let info = succeeds(hub("data info hf:some-one/portraits/images.tar --side 16"));
    assert!(info.contains("12 of 16 x 16"), "{info}");
    succeeds(hub("train tiny.toml --run learned --steps 1 --data hf:some-one/portraits/images.tar"));
    assert_eq!(loopback.state().requests, Vec::<String>::new());
    let offline = succeeds(hub("data fetch some-one/portraits --offline"));
    assert_eq!(PathBuf::from(offline.trim()), folder);
    assert!(fails(hub("data fetch some-one/else --offline")).contains("offline"));
}

#[test]
fn names_that_cannot_be_fetched_say_what_to_do() {
    let (loopback, dir) = (Loopback::start(), workplace());
    let hub = |words: &str| with_hub(&loopback, dir.path(), words);
    for (words, says) in [
        ("data fetch places205 --yes", "unpack"),
        ("data fetch lsun-bedrooms-full --yes", "bedroom_train_lmdb"),
        ("data fetch nothing", "OWNER/NAME"),
        ("data fetch ../x --yes", "OWNER/NAME"),
        ("data fetch svhn --split validation", "train, test, extra"),
        ("train --data cifar10", "mg data fetch cifar10"),
        ("train --data hf:some-one", "OWNER/NAME"),
        ("sample hf:me/nothing", "a slip in the name"),
        ("sample portraits --revision main", "hf:OWNER/NAME"),
    ] {
        let error = fails(hub(words));
        assert!(error.contains(says), "{words}: {error}");
    }
    let weights = succeeds(hub("data fetch inception-2015 --dry-run"));
    assert!(weights.contains("95.6 MB"), "{weights}");
    // The lock knows CIFAR-10: a hub with something else under its name is not believed.
    let cifar = "datasets/uoft-cs/cifar10";
    let commit = "0b2714987fa478483af9968de7c934580d0bb9a2";
    loopback.put(cifar, commit, "plain_text/train-00000-of-00001.parquet", vec![1; 5000], true);
    loopback.put(cifar, commit, "plain_text/test-00000-of-00001.parquet", vec![2; 5000], true);
    let plan = succeeds(hub("data fetch cifar10 --dry-run"));
    assert!(plan.contains("119.7 MB") && plan.contains("23.9 MB") && plan.contains("143.6 MB"), "{plan}");
}

#[test]
#[cfg_attr(not(has_real_data), ignore = "no real data sets beside the repository")]
fn a_named_set_has_as_many_images_as_it_should() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/svhn/cropped_digits");
    let (loopback, dir) = (Loopback::start(), workplace());
    let dir = dir.path();
    for split in ["train", "test"] {
        let name = format!("{split}-00000-of-00001.parquet");
        let bytes = std::fs::read(data.join(&name)).unwrap();
        loopback.put(SVHN.0, SVHN.1, &format!("cropped_digits/{name}"), bytes, true);
    }
    let hub = |words: &str| with_hub(&loopback, dir, words);
    let error = fails(hub("data fetch svhn --yes"));
    assert!(error.contains("7999 images") && error.contains("73257"), "{error}");
    let info = succeeds(hub("data info svhn --side 32 --split test"));
    assert!(info.contains("2001 of 32 x 32"), "{info}");
}

#[test]
fn of_many_processes_one_fetches_and_the_next_goes_on_after_a_kill() {
    let (loopback, dir) = (Loopback::start(), workplace());
    let dir = dir.path();
    let bytes: Vec<u8> = (0..400_000u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
    loopback.put(MINE, COMMIT, "images.bin", bytes.clone(), true);
    let start = || {
        let mut command = with_hub(&loopback, dir, "data fetch some-one/portraits --yes");
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("mg starts")
    };
    // Killed while half of the content is there: 8 pieces, 150 ms apart.
    loopback.state().of_content = vec![Fault::Slow(150)].into();
    let mut first = start();
    let blobs = dir.join("home/hub/datasets--some-one--portraits/blobs");
    let arrived = || {
        let files = std::fs::read_dir(&blobs).into_iter().flatten().flatten();
        files.map(|file| file.metadata().map_or(0, |file| file.len())).sum::<u64>()
    };
    while arrived() < 150_000 {
        assert!(first.try_wait().expect("a process").is_none(), "it ended with {} bytes", arrived());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    first.kill().expect("a process to kill");
    first.wait().expect("its end");
    let kept = arrived();
    loopback.state().requests.clear();
    loopback.state().of_content = vec![Fault::Slow(40)].into();
    let processes: Vec<_> = (0..4).map(|_| start()).collect();
    for process in processes {
        let output = process.wait_with_output().expect("its end");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{stderr}");
        let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        assert!(std::fs::read(folder.join("images.bin")).unwrap() == bytes);
    }
    let requests = loopback.state().requests.clone();
    assert_eq!(requests.iter().filter(|line| line.contains("/storage/")).count(), 1, "{requests:?}");
    assert!((150_000..400_000).contains(&kept), "{kept}");
    assert_eq!(loopback.state().ranges, [kept as usize], "it goes on where the killed one was");
}
