//! Methods that learn to classify from few labels have all of the product too.

use std::path::Path;

use serde_json::Value;

use crate::fetch::{succeeds, with_hub};
use crate::server::Loopback;
use crate::support::{fails, files, ok, read, state, workplace};

/// Small nets of every method on the embedded portraits, whose classes are person and smiley.
const METHODS: [(&str, &str); 4] = [
    ("vat", "--set model.side=16 --set model.width=16"),
    ("vat-conv", "--set model.side=16 --set model.width=4"),
    ("adgm", "--set model.side=8 --set model.width=16 --set model.latent=4 --set learn.samples=2"),
    (
        "dgn",
        "--set model.side=8 --set model.width=16 --set model.components=20 --set model.features=6 --set model.initial=0.1",
    ),
];

fn train(method: &str) -> String {
    let (_, more) = METHODS.iter().find(|(name, _)| *name == method).expect("a method");
    format!(
        "train --preset {method} {more} --set learn.batch=16 --set learn.labels=12 --set learn.labelled_batch=8 \
         --set output.checkpoint_every=2 --set output.sheet_every=4 --set output.sheet_images=4"
    )
}

fn classified(dir: &Path, words: &str) -> Value {
    serde_json::from_str(&ok(dir, &format!("classify {words} --data portraits --json"))).unwrap()
}

#[test]
fn every_classifier_goes_on_to_the_same_bits_on_any_number_of_threads() {
    let dir = workplace();
    let dir = dir.path();
    for (method, _) in METHODS {
        for precision in ["f32", "bf16"] {
            let train = format!("{} --precision {precision}", train(method));
            let (whole, parts) =
                (format!("{method}-{precision}-whole"), format!("{method}-{precision}-parts"));
            ok(dir, &format!("{train} --steps 7 --threads 2 --run {whole}"));
            ok(dir, &format!("{train} --steps 3 --threads 1 --run {parts}"));
            ok(dir, &format!("train --resume --run {parts} --steps 7 --threads 2"));
            assert!(state(&dir.join(&whole)) == state(&dir.join(&parts)), "{method} {precision}");
            let found = [format!("{whole} --threads 2"), format!("{parts} --threads 1")];
            let found = found.map(|words| classified(dir, &words));
            assert_eq!(found[0], found[1]);
            assert_eq!(found[0]["categories"], serde_json::json!(["person", "smiley"]));
        }
    }
}

#[test]
fn a_dozen_labels_tell_persons_from_smileys() {
    let dir = workplace();
    let dir = dir.path();
    for method in ["vat", "adgm"] {
        let more = "--set learn.rate=3e-3 --set output.checkpoint_every=100 --set output.sheet_every=100";
        ok(dir, &format!("{} {more} --steps 100 --run {method}", train(method)));
        // Nine of ten are persons, so each class counts for itself.
        let recalls = classified(dir, method)["recalls"].clone();
        assert!(
            recalls.as_array().unwrap().iter().all(|recall| recall.as_f64().unwrap() > 0.8),
            "{method}: {recalls}"
        );
    }
}

#[test]
fn deep_generative_models_draw_images_of_a_class() {
    let dir = workplace();
    let dir = dir.path();
    for method in ["adgm", "dgn"] {
        ok(dir, &format!("{} --steps 4 --run {method}", train(method)));
        assert_eq!(files(&dir.join(method).join("sheets")).len(), 1);
        let folder = |what: &str| format!("{method}-{what}");
        ok(dir, &format!("sample {method} -n 130 --seed 3 --out {}", folder("all")));
        ok(dir, &format!("sample {method} -n 3 --seed 3 --out {} --threads 1", folder("few")));
        ok(dir, &format!("sample {method} -n 3 --seed 3 --class smiley --out {}", folder("smiley")));
        let image = |what: &str, i: usize| read(dir.join(folder(what)).join(format!("{i:05}.png")));
        assert_eq!(image("all", 2), image("few", 2));
        // The classes take turns.
        assert_eq!(image("few", 1), image("smiley", 1));
        assert_ne!(image("few", 0), image("smiley", 0));
        let error = fails(dir, &format!("sample {method} -n 3 --class nobody --out other"));
        assert!(error.contains("no class \"nobody\"; this model has person, smiley"), "{error}");
        let error = fails(dir, &format!("sample {method} -n 3 --chain-steps 3 --out other"));
        assert!(error.contains("it makes an image at once"), "{error}");
    }
}

#[test]
fn labels_that_are_missing_or_too_few_are_refused() {
    let dir = workplace();
    let dir = dir.path();
    std::fs::create_dir(dir.join("plain")).unwrap();
    for i in 0..20 {
        let image = image::RgbImage::from_pixel(20, 20, image::Rgb([10 * i, 0, 0]));
        image.save(dir.join(format!("plain/{i}.png"))).unwrap();
    }
    for (more, expected) in [
        ("--data plain", "plain has no labels; use a table with a label column"),
        ("--set data.class=each", "data.class is \"person\", but a classifier tells classes apart"),
        ("--set learn.labels=888", "are needed for 888 labels; ask for fewer labels"),
        ("--set learn.labels=1", "learn.labels is 1; it must be a whole number of at least 2"),
    ] {
        let error = fails(dir, &format!("{} {more} --run other", train("vat")));
        assert!(error.contains(expected), "{more}\n{error}");
        // The folder is free for the corrected command.
        assert!(!dir.join("other").exists());
    }
    let error = fails(dir, &format!("{} --set model.side=18 --run other", train("vat-conv")));
    assert!(error.contains("model.side is 18; it must be a multiple of 4"), "{error}");
    let error = fails(dir, &format!("{} --set model.components=500 --run other", train("dgn")));
    assert!(
        error.contains("model.components is 500; it must be at most the 192 numbers of an image"),
        "{error}"
    );
    let error = fails(dir, &format!("{} --set model.pixels=coins --run other", train("dgn")));
    assert!(
        error.contains("model.components is 20; it must be 0 where model.pixels is \"coins\""),
        "{error}"
    );
}

#[test]
fn what_a_classifier_cannot_do_is_said_with_what_it_can() {
    let dir = workplace();
    let dir = dir.path();
    ok(dir, &format!("{} --steps 2 --run run", train("vat")));
    ok(
        dir,
        "train --preset dcgan --set model.side=16 --set model.width=4 --set model.generator_width=4 --set learn.batch=8 --steps 1 --run dcgan",
    );
    for words in [
        "sample run -n 2 --out a",
        "inpaint run --input portraits",
        "svm run --data portraits --test portraits",
    ] {
        let error = fails(dir, words);
        assert!(
            error.contains("a classifier model cannot") && error.contains("it can classify images"),
            "{error}"
        );
    }
    let error = fails(dir, "classify run --data portraits --background");
    assert!(error.contains("this model classifies by itself"), "{error}");
    let error = fails(dir, "classify dcgan --data portraits");
    assert!(error.contains("a generator model cannot classify images; it can draw images"), "{error}");
}

#[test]
fn a_classifier_is_published_and_pulled() {
    let (loopback, here, elsewhere) = (Loopback::start(), workplace(), workplace());
    let (here, elsewhere) = (here.path(), elsewhere.path());
    ok(here, &format!("{} --steps 4 --run run", train("vat")));
    let ours = ok(here, "classify run --data portraits");
    let mut publish = with_hub(&loopback, here, "publish run me/judge --out copy");
    publish.env("HF_TOKEN", "secret");
    succeeds(publish);
    assert_eq!(succeeds(with_hub(&loopback, elsewhere, "classify hf:me/judge --data portraits")), ours);
    let card = String::from_utf8(read(here.join("copy/README.md"))).unwrap();
    for words in
        ["pipeline_tag: image-classification", "tells person, smiley apart", "mg classify hf:me/judge"]
    {
        assert!(card.contains(words), "{words}\n{card}");
    }
}
