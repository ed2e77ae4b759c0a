//! Claims about whole probes, on tiny nets; about their gradients in [`gradients`].

mod gradients;

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use mg_data::{DataSet, ImageSource, Spec};
use mg_energy::Params;
use mg_model::multigrid::{MultigridModel, Settings};
use mg_random::Key;
use mg_train::config::{Layer, resolve};
use mg_train::{Config, Learning, METHODS};

use crate::head::Dropout;
use crate::maps::{CHUNK, Maps};
use crate::probe::Probe;
use crate::trunk::Trunk;
use mg_data::Labelled;

use crate::{Error, Learns, ProbeConfig, Study, TrunkStart, fit};

const CPU: &Device = &Device::Cpu;

const TINY: &str = "
[model]
grids = [1, 4, 8]
width = 1.0
nets = [[[6, 3, 2], [5, 3, 1]], [[4, 5, 2], [6, 3, 1]]]
precision = \"f32\"
groups = 2
[learn]
batch = 12
";

fn tiny(sets: &[&str]) -> Config {
    let mut sources = vec![Layer::text("tiny", TINY).unwrap()];
    sources.extend(sets.iter().map(|set| Layer::assignment(set).unwrap()));
    resolve(METHODS, &sources).unwrap()
}

/// The nets of a configuration.
fn of(config: &Config) -> Settings {
    Settings::of_config(&config.values()).unwrap()
}

fn settings(sets: &[&str]) -> Settings {
    of(&tiny(sets))
}

fn normal(shape: &[usize], key: Key) -> Tensor {
    let mut values = vec![0f32; shape.iter().product()];
    key.fill_normal(&mut values);
    Tensor::from_vec(values, shape, CPU).unwrap()
}

fn portraits(side: usize) -> DataSet {
    DataSet::open(&Spec { side, ..Spec::new(ImageSource::Portraits) }).unwrap()
}

/// Images of three classes, each with a colour of its own and noise, in class folders.
fn toy(folder: &Path, each: usize) -> Labelled {
    for (class, colour) in [("blue", [40u8, 60, 200]), ("green", [50, 190, 70]), ("red", [210, 60, 50])] {
        let path = folder.join(class);
        std::fs::create_dir_all(&path).unwrap();
        for i in 0..each {
            let mut stream = Key::new(i as u64).named(class).stream();
            let mut pixel = || {
                let near = |c: u8| (f32::from(c) + 12.0 * stream.normal()).clamp(0.0, 255.0) as u8;
                image::Rgb(colour.map(near))
            };
            image::RgbImage::from_fn(32, 32, |_, _| pixel()).save(path.join(format!("{i:03}.png"))).unwrap();
        }
    }
    let spec = Spec { side: 8, ..Spec::new(ImageSource::find(folder.to_str().unwrap()).unwrap()) };
    Labelled::of(&DataSet::open(&spec).unwrap()).unwrap()
}

fn quick() -> ProbeConfig {
    ProbeConfig {
        epochs: 12,
        batch: 6,
        rate: 3e-3,
        trunk_rate: 1e-3,
        validation: 6,
        ..ProbeConfig::default()
    }
}

/// A model that has learned nothing but the statistics that its norm asks for.
fn model(config: &Config) -> MultigridModel {
    let data = portraits(8).subset(&(0..24).map(|i| i * 37).collect::<Vec<_>>()).unwrap();
    MultigridModel::of(Learning::new(config, &data, CPU).unwrap().artefact(0).unwrap(), CPU).unwrap()
}

fn bits(params: &Params) -> Vec<Vec<u32>> {
    let of =
        |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().map(|v| v.to_bits()).collect();
    params.iter().map(|(_, t)| of(t)).collect()
}

#[test]
fn the_paper_s_features_are_those_of_its_padding() {
    let features = |sets: &[&str]| {
        let mut sources = vec![Layer::preset(METHODS, "full").unwrap()];
        sources.extend(sets.iter().map(|set| Layer::assignment(set).unwrap()));
        let config = resolve(METHODS, &sources).unwrap();
        let probe = Probe::from_scratch(&of(&config), 10, Key::new(0), CPU).unwrap();
        assert_eq!(probe.head_params().get("classifier.weight").unwrap().dims(), [10, probe.features()]);
        probe.features()
    };
    assert_eq!(features(&[]), 64 * (2 * 2 + 8 * 8 + 16 * 16)); // 20,736
    // Table 3 counts three layers of the 16x16 grid, whose net has four in section 6.1.
    let three = "model.nets=[[[96,5,2],[128,3,1],[256,3,1]],[[96,5,2],[128,3,1],[256,3,1]],[[96,5,2],[128,3,2],[256,3,1]]]";
    assert_eq!(features(&["model.padding=two", three]), 34_624);
    assert_eq!(features(&["model.padding=two"]), 64 * (6 * 6 + 14 * 14 + 19 * 19));
}

#[test]
fn the_first_loss_is_the_logarithm_of_the_number_of_classes() {
    for classes in [2, 10] {
        let probe = Probe::from_scratch(&settings(&[]), classes, Key::new(3), CPU).unwrap();
        let images = normal(&[6, 3, 8, 8], Key::new(1));
        let loss = probe.gradients(&images, &[0, 1, 1, 0, 0, 1], None).unwrap().loss;
        assert!((loss - (classes as f64).ln()).abs() < 1e-6, "{loss} with {classes} classes");
    }
}

#[test]
fn a_frozen_trunk_stays_and_its_kept_maps_are_those_of_its_nets() {
    let model = model(&tiny(&["model.norm=batch"]));
    let set =
        Labelled::of(&portraits(8).subset(&(0..CHUNK as u64 + 30).collect::<Vec<_>>()).unwrap()).unwrap();
    let probe = Probe::on_model(&model, 2, Key::new(0)).unwrap();
    let extractor = probe.extractor().unwrap();
    let kept = Maps::of(&extractor, &set, CPU).unwrap();
    let some = [CHUNK as u64 + 3, 7, CHUNK as u64, CHUNK as u64 - 1];
    let computed = extractor.maps(&set.data().batch(&some, &[], CPU).unwrap()).unwrap();
    for (a, b) in kept.batch(&some).unwrap().iter().zip(&computed) {
        let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(values(a), values(b));
    }

    let folder = tempfile::tempdir().unwrap();
    let toy = toy(folder.path(), 12);
    let probe = Probe::on_model(&model, 3, Key::new(0)).unwrap();
    let draw = toy.draw(18, 6, Key::new(1)).unwrap();
    let fitted = |learns| fit(&probe, &draw, learns, &quick(), Key::new(2), &mut |_| {}).unwrap().probe;
    let (frozen, tuned) = (fitted(Learns::Head), fitted(Learns::All));
    assert_eq!(bits(&frozen.trunk_params()), bits(&probe.trunk_params()));
    assert_ne!(bits(frozen.head_params()), bits(probe.head_params()));
    let moved = bits(&tuned.trunk_params())
        .iter()
        .zip(bits(&probe.trunk_params()))
        .filter(|(a, b)| **a != *b)
        .count();
    assert_eq!(moved, probe.trunk_params().iter().len(), "tensors of the trunk that moved");
}

#[test]
fn a_separable_set_is_learned_without_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let toy = toy(folder.path(), 20);
    let draw = toy.draw(45, 6, Key::new(1)).unwrap();
    let config = ProbeConfig { epochs: 40, ..quick() };
    for (norm, learns) in
        [("none", Learns::Head), ("none", Learns::All), ("batch", Learns::All), ("group", Learns::All)]
    {
        let probe = Probe::from_scratch(&settings(&[&format!("model.norm={norm}")]), 3, Key::new(4), CPU);
        let probe = match (probe, norm) {
            (Ok(probe), _) => probe,
            (Err(error), _) => panic!("{norm}: {error}"),
        };
        let mut heard = 0;
        let fitted = fit(&probe, &draw, learns, &config, Key::new(2), &mut |_| heard += 1).unwrap();
        let errors = |set: &Labelled| fitted.probe.error_rate(set, &mut |_| {}).unwrap();
        assert_eq!(errors(&draw.learn), 0.0, "{norm} {learns:?}");
        assert_eq!(fitted.best.validation_error, Some(errors(draw.validation.as_ref().unwrap())));
        assert_eq!((heard, fitted.epochs.len()), (40, 40));
        let least = fitted.epochs.iter().map(|epoch| epoch.validation_error.unwrap()).fold(100.0, f64::min);
        let first = fitted.epochs.iter().position(|epoch| epoch.validation_error == Some(least)).unwrap();
        assert_eq!(fitted.best.number, first + 1);
    }
}

#[test]
fn a_net_takes_on_batch_normalisation_and_computes_what_it_did() {
    let x = normal(&[20, 3, 8, 8], Key::new(1)).to_dtype(DType::F64).unwrap();
    for activation in ["leaky-relu", "silu"] {
        let spec = settings(&[&format!("model.activation={activation}")]).net_spec(1).unwrap();
        let mut plain = Trunk::init(&spec, Key::new(1), DType::F64, CPU).unwrap();
        let noise = |name: &str, t: &Tensor| normal(t.dims(), Key::new(2).named(name)).to_dtype(DType::F64);
        let moved = |(name, t): (String, Tensor)| (name.clone(), (noise(&name, &t).unwrap() + t).unwrap());
        plain.take(&Params::from_entries(plain.learnable().into_iter().map(moved).collect())).unwrap();
        let normalised = plain.with_batch_norm(&x).unwrap();
        assert_eq!(normalised.learnable().len(), plain.learnable().len() + 4, "a scale and a shift a layer");
        // Channels keep their form; a leaky ReLU lets their factor be another.
        let form = |trunk: &Trunk| {
            let top = trunk.forward(&x).unwrap().0;
            let square = top.sqr().unwrap().mean_keepdim((0, 2, 3)).unwrap();
            top.broadcast_div(&square.sqrt().unwrap()).unwrap()
        };
        let gap = (form(&plain) - form(&normalised)).unwrap().abs().unwrap().max_all().unwrap();
        assert!(gap.to_scalar::<f64>().unwrap() < 1e-3, "{activation}: {gap}");
        let again = normalised.with_batch_norm(&x).unwrap();
        assert_eq!(again.learnable().len(), normalised.learnable().len());
    }
}

#[test]
fn a_net_with_batch_statistics_is_evaluated_image_by_image() {
    let folder = tempfile::tempdir().unwrap();
    let draw = toy(folder.path(), 12).draw(18, 6, Key::new(1)).unwrap();
    let probe = Probe::from_scratch(&settings(&["model.norm=batch"]), 3, Key::new(4), CPU).unwrap();
    let fitted = fit(&probe, &draw, Learns::All, &quick(), Key::new(2), &mut |_| {}).unwrap().probe;
    let images = draw.learn.data().batch(&[0, 5, 9], &[], CPU).unwrap();
    let together = fitted.scores(&images).unwrap().to_vec2::<f32>().unwrap();
    for (i, row) in together.iter().enumerate() {
        let alone = fitted.scores(&images.narrow(0, i, 1).unwrap()).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(alone[0], *row, "image {i}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bits_on_one_and_two_threads() {
    let folder = tempfile::tempdir().unwrap();
    let toy = toy(folder.path(), 12);
    let model = model(&tiny(&[]));
    let on = |threads, seed, learns| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let draw = toy.draw(18, 6, Key::new(seed)).unwrap();
            let probe = match learns {
                Learns::Head => Probe::on_model(&model, 3, Key::new(seed)).unwrap(),
                Learns::All => {
                    Probe::from_scratch(&settings(&["model.norm=batch"]), 3, Key::new(seed), CPU).unwrap()
                }
            };
            let config = ProbeConfig { epochs: 3, ..quick() };
            let fitted = fit(&probe, &draw, learns, &config, Key::new(seed), &mut |_| {}).unwrap().probe;
            (bits(fitted.head_params()), bits(&fitted.trunk_params()))
        })
    };
    for learns in [Learns::Head, Learns::All] {
        assert!(on(1, 5, learns) == on(2, 5, learns), "{learns:?}");
        assert!(on(1, 5, learns) != on(1, 6, learns), "{learns:?}");
    }
}

#[test]
fn learning_that_diverges_says_its_rate() {
    let folder = tempfile::tempdir().unwrap();
    let draw = toy(folder.path(), 12).draw(18, 6, Key::new(1)).unwrap();
    for learns in [Learns::Head, Learns::All] {
        for batch in [6, 18] {
            let config = ProbeConfig { rate: 1e300, trunk_rate: 1e300, batch, ..quick() };
            let probe = Probe::from_scratch(&settings(&[]), 3, Key::new(4), CPU).unwrap();
            let error = fit(&probe, &draw, learns, &config, Key::new(2), &mut |_| {}).unwrap_err();
            let message = error.to_string();
            assert!(matches!(error, Error::NotFinite { rate: 1e300, .. }), "{message}");
            assert!(message.contains("learning rate") && message.contains("smaller"), "{message}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_before_learning() {
    let data = portraits(8);
    let set = Labelled::of(&data).unwrap();
    for norm in ["observed", "frozen"] {
        let config = tiny(&[&format!("model.norm={norm}")]);
        let error = Probe::from_scratch(&of(&config), 2, Key::new(0), CPU).unwrap_err();
        assert!(matches!(error, Error::Unsupported(_)) && error.to_string().contains(norm), "{error}");
        // A model of this kind brings its statistics.
        Probe::on_model(&model(&config), 2, Key::new(0)).unwrap();
    }
    let conditional = tiny(&["data.class=each"]);
    let conditional = Learning::new(&conditional, &data, CPU).unwrap().model(0).unwrap();
    let error = Probe::on_model(&*conditional, 2, Key::new(0)).unwrap_err();
    assert!(error.to_string().contains("person, smiley"), "{error}");

    let settings = settings(&[]);
    assert!(Probe::from_scratch(&settings, 1, Key::new(0), CPU).is_err());
    let probe = Probe::from_scratch(&settings, 2, Key::new(0), CPU).unwrap();
    let large = Labelled::of(&portraits(16)).unwrap();
    assert!(matches!(probe.error_rate(&large, &mut |_| {}), Err(Error::Side { side: 16, finest: 8, .. })));
    let three = Probe::from_scratch(&settings, 3, Key::new(0), CPU).unwrap();
    assert!(matches!(three.error_rate(&set, &mut |_| {}), Err(Error::Setting { .. })));
    let draw = set.draw(20, 10, Key::new(0)).unwrap();
    let flips = ProbeConfig { flip: true, ..quick() };
    let error = fit(&probe, &draw, Learns::Head, &flips, Key::new(0), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("frozen"), "{error}");
}

#[test]
fn maps_that_do_not_fit_memory_are_refused_with_their_size() {
    let config = resolve(
        METHODS,
        &[Layer::preset(METHODS, "full").unwrap(), Layer::assignment("model.precision=f32").unwrap()],
    );
    let probe = Probe::from_scratch(&of(&config.unwrap()), 10, Key::new(0), CPU).unwrap();
    let extractor = probe.extractor().unwrap();
    // 256 channels on 2x2, 512 on 8x8 and 256 on 16x16, four bytes each.
    let each = 4 * (256 * 4 + 512 * 64 + 256 * 256);
    Maps::check(&extractor, 5000).unwrap();
    let error = Maps::check(&extractor, 20_000).unwrap_err();
    assert!(
        matches!(error, Error::Memory { images: 20_000, bytes, .. } if bytes == 20_000 * each),
        "{error}"
    );
}

#[test]
fn a_study_reports_every_seed_and_their_mean() {
    let folder = tempfile::tempdir().unwrap();
    let toy = toy(folder.path(), 12);
    let model = model(&tiny(&[]));
    let config = ProbeConfig { epochs: 4, ..quick() };
    let settings = settings(&[]);
    for start in
        [TrunkStart::Frozen(&model), TrunkStart::FineTuned(&model), TrunkStart::Supervised(&settings, CPU)]
    {
        let study = Study { start, config: config.clone(), labels: vec![9, 18], seeds: vec![1, 2] };
        let (mut epochs, mut measured) = (0, 0);
        let findings = study
            .run(&toy, &toy, &mut |progress| match progress {
                crate::Progress::Epoch { .. } => epochs += 1,
                crate::Progress::Measured { .. } => measured += 1,
            })
            .unwrap();
        assert_eq!((epochs, measured), (16, 4));
        assert_eq!(findings.rows.iter().map(|row| row.labels).collect::<Vec<_>>(), [9, 18]);
        for row in &findings.rows {
            let errors: Vec<f64> = row.seeds.iter().map(|outcome| outcome.test_error).collect();
            assert_eq!(row.mean, (errors[0] + errors[1]) / 2.0);
            assert!((row.std - (errors[0] - errors[1]).abs() / 2.0).abs() < 1e-12);
        }
        assert_eq!(findings.learned.is_none(), matches!(start, TrunkStart::Supervised(..)));
        assert_eq!(study.run(&toy, &toy, &mut |_| {}).unwrap(), findings);
        let json = serde_json::to_value(&findings).unwrap();
        assert_eq!(json["rows"][1]["seeds"][0]["seed"], 1);
        let none = Study { labels: vec![], ..study.clone() };
        assert!(matches!(none.run(&toy, &toy, &mut |_| {}), Err(Error::Setting { .. })));
    }
}
