use std::fs;

use mg_hub::{Error, Hub, Options};

use crate::support::{COMMIT, FILE, Scene, random, repo};

fn offline(scene: &Scene) -> Options {
    Options { offline: true, ..scene.options() }
}

#[test]
fn offline_sends_nothing_and_takes_what_is_there() {
    let scene = Scene::new(random(50_000, 1), true);
    let hub = Hub::new(scene.options()).unwrap();
    assert_eq!(hub.commit(&repo(), None).unwrap(), COMMIT);
    scene.fetch().unwrap();
    scene.loopback.state().requests.clear();
    let hub = Hub::new(offline(&scene)).unwrap();
    assert_eq!(hub.commit(&repo(), Some("main")).unwrap(), COMMIT);
    scene.is_whole(&scene.fetch_with(offline(&scene)).unwrap());
    assert_eq!(scene.loopback.state().requests, Vec::<String>::new());
}

#[test]
fn offline_everything_else_is_an_error_without_a_request() {
    let scene = Scene::new(random(50_000, 1), true);
    let hub = Hub::new(offline(&scene)).unwrap();
    let known = mg_hub::Known { bytes: 3, digest: format!("sha256:{}", "0".repeat(64)).parse().unwrap() };
    let url = format!("{}/x", scene.loopback.endpoint);
    let errors = [
        scene.fetch_with(offline(&scene)).unwrap_err(),
        hub.commit(&repo(), None).unwrap_err(),
        hub.files(&repo(), COMMIT).unwrap_err(),
        hub.fetch_url(&url, "x", &known, &mut |_| {}).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, Error::Offline(_)), "{error}");
    }
    // Also of a file that was known and is damaged now.
    scene.fetch().unwrap();
    fs::write(scene.blob(), b"short").unwrap();
    scene.loopback.state().requests.clear();
    assert!(matches!(scene.fetch_with(offline(&scene)).unwrap_err(), Error::Offline(_)));
    assert_eq!(scene.loopback.state().requests, Vec::<String>::new());
}

#[test]
fn a_pinned_file_that_is_there_needs_no_request_online_either() {
    let scene = Scene::new(random(50_000, 1), true);
    scene.fetch().unwrap();
    scene.loopback.state().requests.clear();
    scene.is_whole(&scene.fetch().unwrap());
    assert_eq!(scene.loopback.state().requests, Vec::<String>::new());
}

#[test]
fn a_plan_says_what_is_missing_before_anything_is_fetched() {
    let scene = Scene::new(random(50_000, 1), true);
    let hub = Hub::new(scene.options()).unwrap();
    let plan = |hub: &Hub| hub.plan(&repo(), COMMIT, &[FILE.to_owned()]).unwrap();
    assert_eq!((plan(&hub).bytes(), plan(&hub).missing_bytes()), (50_000, 50_000));
    scene.fetch().unwrap();
    assert_eq!((plan(&hub).bytes(), plan(&hub).missing_bytes()), (50_000, 0));
}

#[test]
fn a_file_is_fetched_by_address_and_hash() {
    let scene = Scene::new(random(50_000, 1), false);
    let hub = Hub::new(scene.options()).unwrap();
    let hash = crate::server::encoding::hex(&<sha2::Sha256 as sha2::Digest>::digest(&scene.bytes));
    let known = mg_hub::Known { bytes: 50_000, digest: format!("sha256:{hash}").parse().unwrap() };
    let url = format!("{}/datasets/some-body/some-set/resolve/{COMMIT}/{FILE}", scene.loopback.endpoint);
    let path = hub.fetch_url(&url, "weights.pth", &known, &mut |_| {}).unwrap();
    scene.is_whole(&path);
    assert!(path.ends_with("weights.pth"));
    let offline = Hub::new(offline(&scene)).unwrap();
    scene.is_whole(&offline.fetch_url(&url, "weights.pth", &known, &mut |_| {}).unwrap());
}

#[test]
fn the_token_is_for_the_endpoint_alone() {
    let scene = Scene::new(random(50_000, 1), false);
    let token = Options { token: Some("secret".to_owned()), ..scene.options() };
    scene.fetch_with(token.clone()).unwrap();
    assert!(scene.loopback.state().authorized > 0);
    // Another host, where the file of an address may lie.
    let elsewhere = Scene::new(random(9_000, 2), false);
    let hash = crate::server::encoding::hex(&<sha2::Sha256 as sha2::Digest>::digest(&elsewhere.bytes));
    let known = mg_hub::Known { bytes: 9_000, digest: format!("sha256:{hash}").parse().unwrap() };
    let url = format!("{}/datasets/some-body/some-set/resolve/{COMMIT}/{FILE}", elsewhere.loopback.endpoint);
    let hub = Hub::new(token).unwrap();
    elsewhere.is_whole(&hub.fetch_url(&url, "weights.pth", &known, &mut |_| {}).unwrap());
    assert_eq!(elsewhere.loopback.state().authorized, 0);
}

#[test]
fn a_set_is_there_when_all_files_of_a_part_are() {
    let scene = Scene::new(random(50_000, 1), true);
    let (train, test) = ("data/train-2.parquet", "data/test-1.parquet");
    for path in [train, test] {
        scene.loopback.put(crate::support::ROUTE, COMMIT, path, random(9_000, 3), true);
    }
    let hub = Hub::new(offline(&scene)).unwrap();
    let parts = ["data/train-".to_owned(), "data/test-".to_owned()];
    assert_eq!(hub.local(&repo(), COMMIT, &parts).unwrap(), None);
    let online = Hub::new(scene.options()).unwrap();
    let plan = online.plan(&repo(), COMMIT, &[FILE.to_owned(), train.to_owned()]).unwrap();
    assert!(Hub::new(offline(&scene)).unwrap().local(&repo(), COMMIT, &parts).unwrap().is_none());
    let folder = online.fetch(&plan, &mut |_| {}).unwrap();
    let local = |parts: &[String]| Hub::new(offline(&scene)).unwrap().local(&repo(), COMMIT, parts);
    assert_eq!(local(&parts).unwrap(), Some(folder.clone()));
    assert_eq!(local(&parts[1..]).unwrap(), None);
    fs::remove_file(folder.join(train)).unwrap();
    assert!(matches!(local(&parts), Err(Error::Incomplete { missing: 1, of: 2, .. })));
}

#[cfg(unix)]
#[test]
fn planted_links_are_neither_read_nor_written_through() {
    use std::os::unix::fs::symlink;
    let scene = Scene::new(random(50_000, 1), true);
    let elsewhere = scene.cache.path().join("elsewhere");
    fs::write(&elsewhere, random(50_000, 9)).unwrap();
    // What is received does not go where a link leads.
    let blob = scene.blob();
    fs::create_dir_all(blob.parent().unwrap()).unwrap();
    symlink(&elsewhere, format!("{}.multigrid-partial", blob.display())).unwrap();
    let path = scene.fetch().unwrap();
    scene.is_whole(&path);
    assert!(fs::read(&elsewhere).unwrap() == random(50_000, 9));
    // A snapshot's file that leads elsewhere is missing, and put right by fetching again.
    fs::remove_file(&path).unwrap();
    symlink(&elsewhere, &path).unwrap();
    let local = || Hub::new(offline(&scene)).unwrap().local(&repo(), COMMIT, &["data/".to_owned()]);
    assert_eq!(local().unwrap(), None);
    scene.is_whole(&scene.fetch().unwrap());
    assert!(local().unwrap().is_some());
    // Content that is a link is no content.
    fs::remove_file(&blob).unwrap();
    symlink(&elsewhere, &blob).unwrap();
    assert!(scene.fetch_with(offline(&scene)).is_err());
    scene.is_whole(&scene.fetch().unwrap());
    assert!(fs::read(&elsewhere).unwrap() == random(50_000, 9));
}

#[cfg(unix)]
#[test]
fn in_a_cache_that_all_may_write_to_every_hash_is_computed_again() {
    use std::os::unix::fs::PermissionsExt;
    let scene = Scene::new(random(50_000, 1), true);
    scene.fetch().unwrap();
    let blob = scene.blob();
    let time = fs::metadata(&blob).unwrap().modified().unwrap();
    fs::write(&blob, random(50_000, 9)).unwrap();
    fs::File::options().append(true).open(&blob).unwrap().set_modified(time).unwrap();
    // Size and time are as they were, and whoever can change files can set times.
    assert!(scene.fetch_with(offline(&scene)).is_ok());
    fs::set_permissions(scene.cache.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(scene.fetch_with(offline(&scene)), Err(Error::Offline(_))));
    scene.is_whole(&scene.fetch().unwrap());
}

#[test]
fn content_that_changed_and_kept_its_time_is_found() {
    let scene = Scene::new(random(50_000, 1), true);
    let hub = Hub::new(scene.options()).unwrap();
    let plan = hub.plan(&repo(), COMMIT, &[FILE.to_owned()]).unwrap();
    let path = hub.fetch(&plan, &mut |_| {}).unwrap().join(FILE);
    let parts = [FILE.to_owned()];
    hub.verify(&repo(), COMMIT, &parts).unwrap();
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[40_000] ^= 1;
    fs::write(&path, bytes).unwrap();
    fs::File::options().append(true).open(&path).unwrap().set_modified(time).unwrap();
    // By size and time it is what it was.
    assert!(hub.local(&repo(), COMMIT, &parts).unwrap().is_some());
    assert!(matches!(hub.verify(&repo(), COMMIT, &parts), Err(Error::Incomplete { missing: 1, of: 1, .. })));
    let plan = hub.plan(&repo(), COMMIT, &parts).unwrap();
    assert_eq!(plan.missing_bytes(), 50_000);
    hub.fetch(&plan, &mut |_| {}).unwrap();
    scene.is_whole(&path);
    hub.verify(&repo(), COMMIT, &parts).unwrap();
}
