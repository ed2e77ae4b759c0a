//! Batches that are prepared ahead are those that are asked for one by one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use candle_core::{Device, Tensor};
use mg_data::{DataSet, Error, ImageSource, Loader, Order, Request, Spec};
use mg_random::Key;

const CPU: &Device = &Device::Cpu;

fn bits(batch: &Tensor) -> Vec<u32> {
    batch.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().map(|v| v.to_bits()).collect()
}

/// A packed set of four images, and its file.
fn packed() -> (tempfile::TempDir, DataSet) {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("set.mgpack");
    std::fs::write(&path, crate::common::packed_bytes()).unwrap();
    let set = DataSet::open(&Spec { side: 8, ..Spec::new(ImageSource::Packed(path)) }).unwrap();
    (root, set)
}

#[test]
fn batches_are_those_of_the_set_from_any_iteration_on() {
    let (_root, packed) = packed();
    let subset = packed.subset(&[3, 1, 2]).unwrap();
    for set in [DataSet::portraits().unwrap(), packed, subset] {
        let order = Order::new(Key::new(5), set.len(), 3).unwrap();
        for (first, flip) in [(0, true), (7, false), (u64::MAX - 2, true)] {
            let loader = Loader::begin(&set, order, flip, first, 2, CPU).unwrap();
            for (i, batch) in (first..=u64::MAX).zip(loader).take(5) {
                let flips = if flip { order.flips(i) } else { Vec::new() };
                let expected = set.batch(&order.batch_indices(i), &flips, CPU).unwrap();
                let batch = batch.unwrap();
                assert_eq!((batch.dims(), bits(&batch)), (expected.dims(), bits(&expected)), "{i}");
            }
        }
    }
}

#[test]
fn no_more_batches_are_prepared_than_asked_for_and_the_thread_ends_with_the_loader() {
    let (set, made) = (DataSet::portraits().unwrap(), Arc::new(AtomicU64::new(0)));
    let order = Order::new(Key::new(0), set.len(), 2).unwrap();
    let counted = made.clone();
    let requests = (0..).map(move |i| {
        counted.fetch_add(1, Ordering::SeqCst);
        Request::of(&set, &order, true, i)
    });
    let mut loader = Loader::of(requests, 2, CPU).unwrap();
    for _ in 0..100 {
        loader.next().unwrap().unwrap();
    }
    // Two held ready, one that waits to be, three that the system has been told of.
    assert!((100..=106).contains(&made.load(Ordering::SeqCst)));
    drop(loader);
    assert_eq!(Arc::strong_count(&made), 1, "the thread still holds its requests");
}

#[test]
fn errors_come_in_their_place_and_a_finite_list_ends() {
    let (root, set) = packed();
    let request = |i| Request { set: set.clone(), indices: vec![i], flips: Vec::new() };
    let mut loader = Loader::of([0, 9, 1].map(request).into_iter(), 1, CPU).unwrap();
    assert_eq!(loader.next().unwrap().unwrap().dims(), [1, 3, 8, 8]);
    assert!(matches!(loader.next().unwrap(), Err(Error::Index { index: 9, len: 4 })));
    assert!(loader.next().unwrap().is_ok() && loader.next().is_none() && loader.next().is_none());
    let flips = Request { flips: vec![true, true], ..request(0) };
    let error = Loader::of([flips].into_iter(), 1, CPU).unwrap().next().unwrap();
    assert!(matches!(error, Err(Error::Flips { flips: 2, images: 1 })));
    // Somebody cuts the file while it is in use.
    let path = root.path().join("set.mgpack");
    std::fs::File::options().write(true).open(&path).unwrap().set_len(100).unwrap();
    let error = Loader::of([request(3)].into_iter(), 1, CPU).unwrap().next().unwrap().unwrap_err();
    assert!(error.to_string().contains("set.mgpack"), "{error}");
}

#[test]
fn a_panic_in_the_requests_is_an_error() {
    let panicking = std::iter::from_fn(|| -> Option<Request> { panic!("in a test") });
    let mut loader = Loader::of(panicking, 1, CPU).unwrap();
    assert!(matches!(loader.next(), Some(Err(Error::Loader))));
    assert!(loader.next().is_none());
}
