use mg_hub::{Error, Hub, Kind, Options, Repo, Upload};

use crate::server::{Fault, Loopback};
use crate::support::{options, random};

fn uploads() -> Vec<Upload> {
    let file = |path: &str, bytes| Upload { path: path.to_owned(), bytes };
    vec![
        file("README.md", b"# A model\n".to_vec()),
        file("model.safetensors", random(30_000, 1)),
        file("samples/sheet.png", random(900, 2)),
    ]
}

fn model() -> Repo {
    Repo::new(Kind::Model, "me/a-model").unwrap()
}

fn with_token(loopback: &Loopback, cache: &std::path::Path) -> Hub {
    let options = options(loopback, cache);
    Hub::new(Options { token: Some("secret".to_owned()), ..options }).unwrap()
}

#[test]
fn what_is_published_comes_back_whole() {
    let (loopback, here, elsewhere) =
        (Loopback::start(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let commit = with_token(&loopback, here.path()).publish(&model(), &uploads(), "First", false).unwrap();
    let hub = Hub::new(options(&loopback, elsewhere.path())).unwrap();
    assert_eq!(hub.commit(&model(), None).unwrap(), commit);
    let paths = hub.files(&model(), &commit).unwrap();
    assert_eq!(paths, ["README.md", "model.safetensors", "samples/sheet.png"]);
    let folder = hub.fetch(&hub.plan(&model(), &commit, &paths).unwrap(), &mut |_| {}).unwrap();
    for Upload { path, bytes } in uploads() {
        assert!(std::fs::read(folder.join(&path)).unwrap() == bytes, "{path}");
    }
    // Again, into the repository that is there now: another commit, and the first stays what it was.
    let second = with_token(&loopback, here.path()).publish(&model(), &uploads()[..1], "Second", false);
    assert_ne!(second.unwrap(), commit);
    assert_eq!(hub.files(&model(), &commit).unwrap().len(), 3);
}

#[test]
fn all_files_are_one_commit_or_none() {
    let (loopback, cache) = (Loopback::start(), tempfile::tempdir().unwrap());
    let hub = with_token(&loopback, cache.path());
    // Create, look at the files, commit: each may fail.
    for before in 0..3 {
        let mut faults = vec![Fault::None; before];
        faults.push(Fault::Status(403));
        loopback.state().of_calls = faults.into();
        let error = hub.publish(&model(), &uploads(), "x", false).unwrap_err();
        assert!(matches!(error, Error::Hub { .. }), "{error}");
        loopback.state().of_calls.clear();
        assert!(loopback.state().trees.values().all(|tree| tree.is_empty()));
    }
    // What passes is tried again.
    loopback.state().of_calls = vec![Fault::None, Fault::None, Fault::Status(503)].into();
    hub.publish(&model(), &uploads(), "x", false).unwrap();
    let commits = loopback.state().requests.iter().filter(|line| line.contains("/commit/")).count();
    assert_eq!(commits, 3, "one refused, one failed, one done");
}

#[test]
fn publishing_needs_a_token_a_name_and_a_network() {
    let (loopback, cache) = (Loopback::start(), tempfile::tempdir().unwrap());
    let hub = Hub::new(options(&loopback, cache.path())).unwrap();
    assert!(hub.publish(&model(), &uploads(), "x", false).unwrap_err().to_string().contains("me/a-model"));
    let offline = Hub::new(Options { offline: true, ..options(&loopback, cache.path()) }).unwrap();
    assert!(matches!(offline.publish(&model(), &uploads(), "x", false), Err(Error::Offline(_))));
    let outside = [Upload { path: "../x".to_owned(), bytes: vec![] }];
    let error = with_token(&loopback, cache.path()).publish(&model(), &outside, "x", false).unwrap_err();
    assert!(matches!(error, Error::Name { .. }), "{error}");
}
