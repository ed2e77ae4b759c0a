//! Claims about finished models: their samples, their recoveries, their features.

use candle_core::Tensor;
use mg_data::DataSet;
use mg_model::multigrid::MultigridModel;
use mg_model::{FEATURE_SIDE, Features, Generate, Model, Recover, Synthesis, generate};
use mg_pyramid::Mask;
use mg_random::Key;
use mg_train::SetImages;

use crate::support::{CPU, data, load, model, raw, tiny};

#[test]
fn conditional_models_sample_their_classes_in_turn() {
    let model = model(&tiny(&["data.class=each"]));
    let sample = |class: Option<&str>, n| {
        let how = Synthesis { class: class.map(str::to_string), ..Synthesis::default() };
        generate(&model, n, &how, Key::new(1), CPU, &mut mg_langevin::unobserved, &mut |_| {})
    };
    let both = sample(None, 5).unwrap().pop().unwrap();
    let second = sample(Some(&model.header.classes[1]), 2).unwrap().pop().unwrap();
    assert_eq!(both.dims(), [5, 3, 16, 16]);
    for i in 0..2 {
        assert!(raw(&both.get(2 * i + 1).unwrap()) == raw(&second.get(i).unwrap()));
    }
    assert!(sample(Some("no such class"), 1).is_err());
}

#[test]
fn samples_do_not_depend_on_how_many_are_drawn() {
    let flow = ["model.law=flow", "model.activation=silu", "chains.upscale=stationary"];
    for sets in [&[][..], &["chains.upscale=gaussian"], &flow] {
        let model = model(&tiny(sets));
        let sample = |n| drawn(&model, n, &Synthesis::default()).unwrap();
        let many = sample(15);
        for n in [1, 4] {
            assert!(raw(&sample(n)) == raw(&many.narrow(0, 0, n).unwrap()), "{sets:?}: {n}");
        }
    }
}

#[test]
fn a_flow_arrives_at_the_same_images_in_more_and_shorter_steps() {
    let model = model(&tiny(&["model.law=flow", "model.activation=silu", "learn.rate=0.01"]));
    let sample = |steps| {
        let how = Synthesis { steps: Some(steps), ..Synthesis::default() };
        drawn(&model, 5, &how).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    let apart = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let (start, end) = (sample(0), sample(128));
    let gaps = [4, 16, 64].map(|steps| apart(&sample(steps), &end));
    assert!(gaps[0] > 2.0 * gaps[1] && gaps[1] > 2.0 * gaps[2], "errors of Euler's steps: {gaps:?}");
    assert!(apart(&start, &end) > 10.0 * gaps[1], "nothing moves");
    assert!(model.energies().is_none(), "velocities are no energies");
}

#[test]
fn one_start_of_chains_leads_to_several_images_where_finer_grids_start_at_draws() {
    let dir = tempfile::tempdir().unwrap();
    for (upscale, apart) in [("smooth", false), ("gaussian", true)] {
        let sets = [&*format!("chains.upscale={upscale}"), "chains.noise_scale=0"];
        let learned = model(&tiny(&sets));
        let path = dir.path().join("model.safetensors");
        std::fs::write(&path, learned.artefact().unwrap().to_bytes().unwrap()).unwrap();
        let model = load(&path).unwrap();
        let pairs = Synthesis { per_start: Some(2), ..Synthesis::default() };
        let images = drawn(&model, 6, &pairs).unwrap();
        assert!(raw(&images) == raw(&drawn(&learned, 6, &pairs).unwrap()), "a model that was stored");
        let pair = [raw(&images.get(0).unwrap()), raw(&images.get(1).unwrap())];
        assert_eq!(pair[0] != pair[1], apart, "{upscale}");
    }
}

#[test]
fn chunks_are_the_images_that_are_drawn_at_once() {
    for sets in [&[][..], &["data.class=each"], &["model.norm=batch"]] {
        let model = model(&tiny(sets));
        let (how, key) = (Synthesis::default(), Key::new(1));
        let observer = &mut mg_langevin::unobserved;
        let n = 2 * model.chunk_len(&how).unwrap() + 3;
        let all = generate(&model, n, &how, key, CPU, observer, &mut |_| {}).unwrap();
        let mut parts = vec![];
        for chunk in 0..3 {
            parts.push(model.chunk(chunk, n, &how, key, CPU, observer).unwrap().pop().unwrap());
        }
        let parts = Tensor::cat(&parts, 0).unwrap();
        assert_eq!(raw(&parts), raw(all.last().unwrap()), "{sets:?}");
        assert!(model.chunk(3, n, &how, key, CPU, observer).is_err());
    }
}

#[test]
fn recovery_leaves_observed_pixels_alone_and_an_empty_mask_returns_the_input() {
    let config = tiny(&["chains.hidden_square=8"]);
    let model = model(&config);
    let images = data(&config).batch(&[0, 1, 2, 3, 4, 5, 6], &[], CPU).unwrap();
    let recover = |mask: Mask| {
        let how = Synthesis::default();
        Recover::recover(&model, &images, &vec![mask; 7], &how, Key::new(0), &mut |_| {}).unwrap()
    };
    assert!(raw(&recover(Mask::none(16).unwrap())) == raw(&images));
    let mask = Mask::square(16, 8, 4, 4).unwrap();
    let (before, after) = (raw(&images), raw(&recover(mask.clone())));
    for (i, (a, b)) in before.chunks(4).zip(after.chunks(4)).enumerate() {
        assert!(mask.hidden()[i % 256] || a == b, "observed value {i} moved");
    }
    assert!(before != after);
}

#[test]
fn features_are_the_pooled_maps_of_every_layer_and_an_image_s_own() {
    for sets in [&["model.norm=batch"][..], &["model.norm=none", "model.nets=dcgan-finest"]] {
        let config = tiny(sets);
        let (model, data) = (model(&config), data(&config));
        let nets = Features::nets(&model, &[4, 16], None).unwrap();
        let finest = Features::nets(&model, &[], None).unwrap();
        let mut done = 0;
        let all = nets.of_set(&SetImages { set: &data, device: CPU }, &mut |now| done = now).unwrap();
        assert_eq!((all.dims(), done), (&[40, nets.width()][..], 40));
        let layers = nets.layers();
        assert!(layers[0].start == 0 && layers.last().unwrap().end == nets.width());
        assert!(layers.windows(2).all(|pair| pair[0].end == pair[1].start));
        let values = all.to_vec2::<f32>().unwrap();
        // One by one, although nets with batch statistics couple a batch while they learn.
        for i in [0, 7, 39] {
            let image = data.batch(&[i], &[], CPU).unwrap();
            assert_eq!(nets.of_images(&image).unwrap().to_vec2::<f32>().unwrap()[0], values[i as usize]);
            let features = finest.of_images(&image).unwrap().to_vec2::<f32>().unwrap();
            assert_eq!(features[0], values[i as usize][nets.width() - finest.width()..]);
            // The first layer of the finest grid has side 8: windows of 2.
            let grid = model.classes[0].grids.last().unwrap();
            let maps = grid.net(true).unwrap().features(&image, 0).unwrap();
            let pooled = maps.max_pool2d(2).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(features[0][..pooled.len()], pooled);
        }
    }
}

#[test]
fn dcgan_s_discriminator_has_the_features_of_table_2() {
    let config = tiny(&["model.grids=[1, 64]", "model.nets=dcgan-finest", "model.width=1.0"]);
    let settings = mg_model::multigrid::Settings::of_config(&config.values()).unwrap();
    let channels: usize = settings.net_spec(0).unwrap().layers.iter().map(|layer| layer.channels).sum();
    assert_eq!(channels * FEATURE_SIDE * FEATURE_SIDE, 15_360);
}

#[test]
fn features_of_what_is_not_there_are_errors() {
    let config = tiny(&["data.class=each"]);
    let model = model(&config);
    let error = |grids: &[usize], class| Features::nets(&model, grids, class).unwrap_err().to_string();
    assert!(error(&[], None).contains("conditional"));
    assert!(error(&[], Some("nobody")).contains("nobody"));
    assert!(
        error(&[8], Some("smiley")).contains("no grid 8") && error(&[8], Some("smiley")).contains("4, 16")
    );
    let nets = Features::nets(&model, &[4], Some("smiley")).unwrap();
    let image =
        mg_train::open_data(&tiny(&["model.grids=[1, 8]"]), None).unwrap().batch(&[0], &[], CPU).unwrap();
    let error = nets.of_images(&image).unwrap_err().to_string();
    assert!(error.contains("side 8") && error.contains("side 16"), "{error}");
}

/// Images of the finest grid, drawn with seed 1.
fn drawn(model: &MultigridModel, n: usize, how: &Synthesis) -> mg_model::Result<Tensor> {
    let grids = generate(model, n, how, Key::new(1), CPU, &mut mg_langevin::unobserved, &mut |_| {})?;
    Ok(grids.last().unwrap().clone())
}

/// The mean colour of every image, as bits.
fn starts(model: &MultigridModel, n: usize, per_start: Option<usize>) -> Vec<Vec<u8>> {
    // Without steps a chain ends as it began.
    let how = Synthesis { steps: Some(0), per_start, ..Synthesis::default() };
    let images = drawn(model, n, &how).unwrap();
    (0..n).map(|i| raw(&images.get(i).unwrap())).collect()
}

#[test]
fn images_that_share_a_start_begin_alike_and_end_apart() {
    for set in ["chains.noise_free_synthesis=false", "model.norm=batch"] {
        let sets = [set, "chains.upscale=blocks"];
        let model = model(&tiny(&sets));
        let (own, shared) = (starts(&model, 14, None), starts(&model, 14, Some(3)));
        assert!((0..14).all(|i| shared[i] == shared[i / 3 * 3]), "{sets:?}");
        assert!((1..5).any(|group| shared[3 * group] != shared[0]), "{sets:?}");
        assert_eq!(own[0], shared[0], "the first start is the first start");
        let how = Synthesis { per_start: Some(3), noise: Some(true), ..Synthesis::default() };
        let images = drawn(&model, 6, &how).unwrap();
        assert!(raw(&images.get(0).unwrap()) != raw(&images.get(1).unwrap()), "noise tells them apart");
        assert_eq!(raw(&drawn(&model, 6, &how).unwrap()), raw(&images));
    }
}

#[test]
fn starts_that_cannot_be_shared_are_refused() {
    let (plain, classes) = (model(&tiny(&[])), model(&tiny(&["data.class=each"])));
    let how = |per_start, class: Option<&str>| {
        let class = class.map(str::to_string);
        Synthesis { per_start: Some(per_start), class, ..Synthesis::default() }
    };
    for per_start in [0, 4, 7] {
        let error = drawn(&plain, 8, &how(per_start, None)).unwrap_err().to_string();
        assert!(error.contains(&per_start.to_string()) && error.contains("batches of 6"), "{error}");
    }
    assert!(drawn(&classes, 8, &how(3, None)).unwrap_err().to_string().contains("conditional"));
    assert!(drawn(&classes, 8, &how(3, Some("smiley"))).is_ok());
}

#[test]
fn statistics_of_a_set_are_those_of_its_batches_averaged() {
    let config = tiny(&["model.norm=batch"]);
    let (data, before) = (data(&config), model(&config));
    // A set of one batch has its statistics; of two halves the mean of theirs.
    let of = |range: std::ops::Range<u64>| -> Vec<Vec<f32>> {
        let set: DataSet = data.subset(&range.collect::<Vec<_>>()).unwrap();
        let mut last = (0, 0);
        let mut model = before.clone();
        model.observe(&SetImages { set: &set, device: CPU }, &mut |done, of| last = (done, of)).unwrap();
        assert!(last.0 == last.1 && last.0 > 0, "{last:?}");
        let grid = model.classes[0].grids.last().unwrap();
        let pairs = grid.statistics.iter().flatten().flat_map(|(mean, variance)| [mean, variance]);
        pairs.map(|tensor| tensor.flatten_all().unwrap().to_vec1().unwrap()).collect()
    };
    let (first, second, both) = (of(0..6), of(6..12), of(0..12));
    assert_ne!(first, second);
    // What does not fill a batch is left out.
    assert_eq!(both, of(0..17));
    for ((first, second), both) in first.iter().zip(&second).zip(&both) {
        for ((a, b), mean) in first.iter().zip(second).zip(both) {
            assert!(((a + b) / 2.0 - mean).abs() <= 1e-6 * mean.abs().max(1.0), "{a}, {b}, {mean}");
        }
    }
    let mut plain = model(&tiny(&[]));
    plain.observe(&SetImages { set: &data, device: CPU }, &mut |_, _| panic!("nothing to do")).unwrap();
    assert!(plain.classes[0].grids[1].statistics.is_none());
}
