//! Whatever the hub's interface answers, a call ends, with what it says or with an error that names what was asked.

use std::time::{Duration, Instant};

use mg_hub::{Error, Hub, Kind, Options, Repo, Upload};

use crate::server::Fault;
use crate::support::{COMMIT, FILE, Scene, random, repo};

/// Both calls, with this fault in every try.
fn errors(fault: Fault) -> [Error; 2] {
    let scene = Scene::new(random(50, 1), true);
    let hub = Hub::new(scene.options()).unwrap();
    let all = || vec![fault; 5000].into();
    scene.loopback.state().of_calls = all();
    let commit = hub.commit(&repo(), None).unwrap_err();
    scene.loopback.state().of_calls = all();
    let files = hub.files(&repo(), COMMIT).unwrap_err();
    scene.loopback.state().of_calls.clear();
    assert_eq!(hub.files(&repo(), COMMIT).unwrap(), [FILE]);
    [commit, files]
}

#[test]
fn calls_end_when_the_hub_is_silent_slow_or_endless() {
    for fault in
        [Fault::Silent(5000), Fault::Drip(100), Fault::Huge, Fault::HalfHeader, Fault::Refused, Fault::Page]
    {
        let start = Instant::now();
        for error in errors(fault) {
            assert!(
                matches!(&error, Error::Unreachable { url, .. } if url.contains("some-body/some-set")),
                "{fault:?}: {error}"
            );
        }
        assert!(start.elapsed() < Duration::from_secs(40), "{fault:?}: {:?}", start.elapsed());
    }
}

#[test]
fn what_the_hub_refuses_is_told_with_an_advice_that_fits() {
    for (status, advice) in [(401, "HF_TOKEN"), (403, "accept the terms"), (404, "slip in the name")] {
        for error in errors(Fault::Status(status)) {
            assert!(matches!(error, Error::Refused { .. }) && error.to_string().contains(advice), "{error}");
        }
    }
    for error in errors(Fault::Status(503)) {
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    }
}

#[test]
fn a_list_without_end_and_one_that_goes_on_at_another_host_are_errors() {
    let [_, error] = errors(Fault::Endless);
    assert!(error.to_string().contains("more than 1000 pages"), "{error}");
    let [_, error] = errors(Fault::Foreign);
    assert!(error.to_string().contains("another host"), "{error}");
}

#[test]
fn publishing_ends_when_the_hub_is_silent_or_slow() {
    for fault in [Fault::Silent(60_000), Fault::Drip(1000)] {
        let scene = Scene::new(random(50, 1), true);
        scene.loopback.state().of_calls = vec![fault; 5000].into();
        let token = Options { token: Some("secret".to_owned()), ..scene.options() };
        let (start, repo) = (Instant::now(), Repo::new(Kind::Model, "me/a-model").unwrap());
        let files = [Upload { path: "config.json".to_owned(), bytes: b"{}".to_vec() }];
        let error = Hub::new(token).unwrap().publish(&repo, &files, "x", false).unwrap_err();
        assert!(matches!(&error, Error::Hub { repo, .. } if repo == "me/a-model"), "{error}");
        assert!(start.elapsed() < Duration::from_secs(40), "{fault:?}: {:?}", start.elapsed());
    }
}
