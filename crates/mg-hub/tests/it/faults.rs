//! One fault, or several in a row, with every request there is.

use std::fs;

use mg_hub::{Error, Event, Hub, Options};
use mg_random::Key;

use crate::server::Fault;
use crate::support::{COMMIT, FILE, ROUTE, Scene, random, repo};

/// How a try ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Whole,
    Refused,
    Unreachable,
    Damaged,
}

/// A fetch with these faults ends so, leaves nothing wrong behind, and the next one is whole.
fn case(scene: &Scene, heads: &[Fault], content: &[Fault], end: End) {
    let about = format!("heads {heads:?}, content {content:?}");
    scene.loopback.state().of_heads = heads.iter().copied().collect();
    scene.loopback.state().of_content = content.iter().copied().collect();
    let result = scene.fetch();
    match (end, &result) {
        (End::Whole, Ok(path)) => scene.is_whole(path),
        (End::Refused, Err(Error::Refused { url, .. }))
        | (End::Unreachable, Err(Error::Unreachable { url, .. }))
        | (End::Damaged, Err(Error::Damaged { what: url, .. })) => {
            assert!(url.starts_with(&scene.loopback.endpoint) && url.ends_with(FILE), "{about}: {url}");
        }
        _ => panic!("{about}: not {end:?} but {result:?}"),
    }
    if let Ok(bytes) = fs::read(scene.blob()) {
        assert!(bytes == scene.bytes, "{about}: a wrong blob is left");
    }
    let mut state = scene.loopback.state();
    (state.of_heads, state.of_content) = Default::default();
    drop(state);
    scene.is_whole(&scene.fetch().unwrap_or_else(|e| panic!("{about}: the next try: {e}")));
}

fn large() -> Scene {
    Scene::new(random(200_000, 1), true)
}

fn small() -> Scene {
    Scene::new(random(5_000, 2), false)
}

/// Both kinds of files, each case in a cache of its own: 2 cases.
fn both(heads: &[Fault], content: &[Fault], end: End) {
    case(&large(), heads, content, end);
    case(&small(), heads, content, end);
}

const PASSING: [u16; 7] = [408, 425, 429, 500, 502, 503, 504];
const FINAL: [u16; 6] = [400, 401, 403, 404, 410, 451];

#[test]
fn answers_that_pass_are_waited_for() {
    // 7 x 2 x 3 = 42 cases.
    for status in PASSING {
        both(&[], &[Fault::Status(status)], End::Whole);
        both(&[Fault::Status(status)], &[], End::Whole);
        both(&[], &[Fault::Status(status); 9], End::Unreachable);
    }
    // 6 cases.
    both(&[], &[Fault::Later(429, 3600)], End::Whole);
    both(&[Fault::Later(503, 1)], &[], End::Whole);
    both(&[Fault::Status(500); 9], &[], End::Unreachable);
}

#[test]
fn refusals_are_errors_at_once() {
    // 6 x 2 x 2 = 24 cases.
    for status in FINAL {
        for (heads, content) in [(vec![Fault::Status(status)], vec![]), (vec![], vec![Fault::Status(status)])]
        {
            for scene in [large(), small()] {
                case(&scene, &heads, &content, End::Refused);
                let requests = scene.loopback.state().requests.len();
                assert!(requests <= 6, "{status}: {requests} requests");
            }
        }
    }
}

#[test]
fn broken_connections_are_taken_up_again() {
    // 2 x 2 x 3 = 12 cases.
    for fault in [Fault::Refused, Fault::HalfHeader] {
        both(&[], &[fault], End::Whole);
        both(&[fault], &[], End::Whole);
        both(&[], &[fault; 9], End::Unreachable);
    }
}

#[test]
fn bodies_cut_anywhere_go_on_where_they_ended() {
    let mut place = Key::new(3).named("cuts").stream();
    // 24 cases of one cut, 8 of several.
    for _ in 0..24 {
        let scene = large();
        let at = place.below(200_000) as usize;
        case(&scene, &[], &[Fault::Cut(at)], End::Whole);
        let asked = scene.loopback.state().requests.iter().filter(|line| line.contains("/storage/")).count();
        assert_eq!(asked, 2, "cut at {at}");
    }
    for _ in 0..8 {
        let cuts: Vec<Fault> = (0..3).map(|_| Fault::Cut(place.below(100_000) as usize)).collect();
        case(&large(), &[], &cuts, End::Whole);
    }
    both(&[], &[Fault::Cut(0); 9], End::Unreachable);
}

#[test]
fn what_has_arrived_outlives_the_process() {
    // 10 cases.
    let mut place = Key::new(4).named("cuts").stream();
    for _ in 0..10 {
        let (scene, at) = (large(), 1 + place.below(199_998) as usize);
        scene.loopback.state().of_content = vec![Fault::Cut(at)].into();
        let error = scene.fetch_with(scene.options().impatient()).unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
        let mut first = None;
        let hub = Hub::new(scene.options()).unwrap();
        let plan = hub.plan(&repo(), COMMIT, &[FILE.to_owned()]).unwrap();
        let path = hub.fetch(&plan, &mut |event| {
            if let Event::Progress { bytes, .. } = event {
                first.get_or_insert(bytes);
            }
        });
        scene.is_whole(&path.unwrap().join(FILE));
        assert!(first >= Some(at as u64), "{first:?} after a cut at {at}");
    }
}

#[test]
fn flipped_bytes_are_fetched_anew_and_never_kept() {
    let mut place = Key::new(5).named("flips").stream();
    // 24 + 4 cases.
    for _ in 0..24 {
        case(&large(), &[], &[Fault::Flip(place.below(200_000) as usize)], End::Whole);
    }
    both(&[], &[Fault::Flip(77); 9], End::Damaged);
    both(&[], &[Fault::Flip(1), Fault::Flip(2)], End::Whole);
    // A flip in the part that is resumed: 1 case.
    case(&large(), &[], &[Fault::Cut(90_000), Fault::Flip(4)], End::Whole);
}

#[test]
fn lengths_that_are_wrong_are_noticed() {
    // 14 cases.
    for n in [1, 100, 4_999] {
        both(&[], &[Fault::Shorter(n)], End::Whole);
        both(&[], &[Fault::Longer(n)], End::Whole);
    }
    both(&[], &[Fault::Longer(3); 9], End::Unreachable);
    both(&[], &[Fault::Page], End::Whole);
}

#[test]
fn slow_is_fine_and_silence_is_not() {
    // 4 cases.
    both(&[], &[Fault::Slow(60)], End::Whole);
    // Longer in all than a silence may be: 1 case, and 1 request.
    let scene = large();
    case(&scene, &[], &[Fault::Slow(120)], End::Whole);
    let requests = scene.loopback.state().requests.clone();
    assert_eq!(requests.iter().filter(|line| line.contains("/storage/")).count(), 1, "{requests:?}");
    both(&[], &[Fault::Silent(1500)], End::Whole);
}

#[test]
fn redirects_are_followed_but_not_for_ever() {
    // 4 cases.
    both(&[], &[Fault::Redirect], End::Whole);
    both(&[], &[Fault::Circle; 4], End::Unreachable);
    // A repository that was renamed: 2 cases.
    for scene in [large(), small()] {
        let new = "datasets/some-one/else";
        scene.loopback.put(new, COMMIT, FILE, scene.bytes.clone(), true);
        scene.loopback.state().renamed = Some((ROUTE.to_owned(), new.to_owned()));
        scene.is_whole(&scene.fetch().unwrap());
    }
}

#[test]
fn servers_without_ranges_or_with_other_ones_begin_again() {
    // 2 cases.
    case(&large(), &[], &[Fault::Cut(120_000), Fault::NoRange], End::Whole);
    case(&large(), &[], &[Fault::Cut(120_000), Fault::OtherRange], End::Whole);
}

#[test]
fn bad_entries_of_the_cache_are_replaced() {
    // 6 cases, as another program, a full disk or a bad one would leave them.
    let spoil: [fn(&mut Vec<u8>); 3] = [|b| b[1234] ^= 4, |b| b.truncate(10), |b| b.clear()];
    for spoil in spoil {
        for by_this_program in [true, false] {
            let scene = large();
            scene.fetch().unwrap();
            let mut bytes = scene.bytes.clone();
            spoil(&mut bytes);
            fs::write(scene.blob(), bytes).unwrap();
            if !by_this_program {
                fs::remove_dir_all(scene.cache.path().join("datasets--some-body--some-set/multigrid"))
                    .unwrap();
            }
            scene.is_whole(&scene.fetch().unwrap());
        }
    }
    // What was left of a try may be anything: 3 cases.
    for left in [random(10, 9), random(200_000, 9), random(300_000, 9)] {
        let scene = large();
        fs::create_dir_all(scene.blob().parent().unwrap()).unwrap();
        fs::write(scene.blob().with_extension("multigrid-partial"), left).unwrap();
        scene.is_whole(&scene.fetch().unwrap());
    }
}

#[test]
fn what_another_program_has_fetched_serves() {
    let scene = large();
    fs::create_dir_all(scene.blob().parent().unwrap()).unwrap();
    fs::write(scene.blob(), &scene.bytes).unwrap();
    scene.is_whole(&scene.fetch().unwrap());
    assert!(!scene.loopback.state().requests.iter().any(|line| line.starts_with("GET")));
}

#[test]
fn of_many_processes_one_fetches() {
    let scene = large();
    scene.loopback.state().of_content = vec![Fault::Slow(40)].into();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| scene.is_whole(&scene.fetch().unwrap()));
        }
    });
    let requests = scene.loopback.state().requests.clone();
    assert_eq!(requests.iter().filter(|line| line.contains("/storage/")).count(), 1, "{requests:?}");
}

#[test]
fn a_pinned_file_never_changes() {
    let scene = large();
    scene.fetch().unwrap();
    // The content is lost, and the hub has something else under its name now: that is not taken for it.
    fs::remove_file(scene.blob()).unwrap();
    scene.loopback.put(ROUTE, COMMIT, FILE, random(200_000, 8), true);
    let error = scene.fetch().unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    scene.loopback.put(ROUTE, COMMIT, FILE, scene.bytes.clone(), true);
    scene.is_whole(&scene.fetch().unwrap());
}

#[test]
fn a_file_without_a_hash_is_not_taken() {
    for scene in [large(), small()] {
        scene.loopback.state().is_silent_of_hashes = true;
        assert!(matches!(scene.fetch().unwrap_err(), Error::Unverifiable(_)));
    }
    for scene in [large(), small()] {
        scene.loopback.state().lie = Some("ab".repeat(if scene.bytes.len() > 10_000 { 32 } else { 20 }));
        assert!(matches!(scene.fetch().unwrap_err(), Error::Damaged { .. }));
    }
}

#[test]
fn nobody_listening_is_an_error_that_says_so() {
    let scene = large();
    let options = Options { endpoint: "http://127.0.0.1:9".to_owned(), ..scene.options() };
    let error = scene.fetch_with(options).unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:9") && error.contains("refused"), "{error}");
}

#[test]
#[cfg_attr(not(has_real_data), ignore = "no real data sets beside the repository")]
fn a_file_of_the_real_sets_arrives_through_faults() {
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let files = ["svhn/cropped_digits/test", "cifar10/plain_text/test", "celeba/data/test"];
    for file in files {
        let bytes = fs::read(data.join(format!("{file}-00000-of-00001.parquet"))).unwrap();
        let half = bytes.len() / 2;
        let faults = [Fault::Status(503), Fault::Cut(half), Fault::Flip(half / 2), Fault::Cut(9)];
        case(&Scene::new(bytes, true), &[Fault::Status(429)], &faults, End::Whole);
    }
}
