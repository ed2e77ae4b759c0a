//! The compared systems have all of the product: they learn, go on to the same bits, are drawn from, scored, judged by their
//! features and published, and say what they cannot do.

use std::process::Stdio;
use std::time::Duration;

use crate::fetch::{succeeds, with_hub};
use crate::server::Loopback;
use crate::support::{fails, files, mg, ok, read, state, workplace};

/// Small nets of every method on the embedded portraits.
const TINY: &str = "--set model.side=16 --set model.width=4 --set model.generator_width=4 --set learn.batch=16 \
                    --set output.checkpoint_every=2 --set output.sheet_every=4 --set output.sheet_images=4";
/// Methods with a generator, and what a few of their iterations need.
const GENERATORS: [(&str, &str); 4] = [
    ("dcgan", ""),
    ("adversarial-cd", ""),
    ("wgan", "--set learn.warm_steps=2 --set learn.critic_steps=2"),
    ("deep-directed", "--set model.experts=8"),
];

fn train(method: &str, more: &str) -> String {
    format!("train --preset {method} {TINY} {more}")
}

#[test]
fn every_generator_goes_on_to_the_same_bits_on_any_number_of_threads() {
    let dir = workplace();
    let dir = dir.path();
    for (method, more) in GENERATORS {
        for precision in ["f32", "bf16"] {
            let train = format!("{} --precision {precision}", train(method, more));
            let (whole, parts) =
                (format!("{method}-{precision}-whole"), format!("{method}-{precision}-parts"));
            ok(dir, &format!("{train} --steps 7 --threads 2 --run {whole}"));
            ok(dir, &format!("{train} --steps 3 --threads 1 --run {parts}"));
            ok(dir, &format!("train --resume --run {parts} --steps 7 --threads 2"));
            assert!(state(&dir.join(&whole)) == state(&dir.join(&parts)), "{method} {precision}");
            assert_eq!(files(&dir.join(&whole).join("sheets")).len(), 1);
        }
    }
}

#[test]
fn a_context_encoder_goes_on_to_the_same_bits_and_fills_in_hidden_pixels() {
    let dir = workplace();
    let dir = dir.path();
    let train = train("context-encoder", "--set model.latent=20 --set learn.hidden_square=8");
    ok(dir, &format!("{train} --steps 7 --threads 2 --run whole"));
    ok(dir, &format!("{train} --steps 3 --threads 1 --run parts"));
    ok(dir, "train --resume --run parts --steps 7 --threads 2");
    assert!(state(&dir.join("whole")) == state(&dir.join("parts")));
    assert_eq!(read(dir.join("whole/sheets/00000004.png")), read(dir.join("parts/sheets/00000004.png")));
    ok(dir, "inpaint whole --input portraits --mask doodle -n 5 --out a");
    ok(dir, "inpaint parts --input portraits --mask doodle -n 5 --out b --threads 1");
    let images = |folder: &str| files(&dir.join(folder)).into_iter().map(read).collect::<Vec<_>>();
    assert!(images("a").len() == 5 && images("a") == images("b"));
    let words = "--data portraits --test portraits --labels 20 --validation 100 --choice-draws 1 --draws 1";
    ok(dir, &format!("svm whole {words}"));
    ok(dir, "publish whole me/filler --dry-run --out copy");
    let card = String::from_utf8(read(dir.join("copy/README.md"))).unwrap();
    assert!(
        card.contains("pipeline_tag: image-to-image") && card.contains("mg inpaint hf:me/filler"),
        "{card}"
    );
    let error = fails(dir, "sample whole -n 2 --out c");
    let can = "it can fill in hidden pixels, give features";
    assert!(error.contains("a context-encoder model cannot draw images") && error.contains(can), "{error}");
    let error = fails(dir, "inpaint whole --input portraits --chain-steps 3 --out c");
    assert!(error.contains("it makes an image at once"), "{error}");
    let error = fails(dir, &format!("{train} --set learn.hidden_square=17 --run other"));
    assert!(error.contains("learn.hidden_square is 17; it must be at most 16"), "{error}");
}

#[test]
fn cooperative_learning_goes_on_to_the_same_bits_and_has_every_use() {
    let dir = workplace();
    let dir = dir.path();
    let train = train("cooperative", "--set chains.count=10 --set chains.steps=3 --set guard.max_gap=1e9");
    let train = train.replace("--set model.width=4 ", ""); // it has no discriminator
    ok(dir, &format!("{train} --steps 5 --threads 2 --run whole"));
    ok(dir, &format!("{train} --steps 3 --threads 1 --run parts"));
    ok(dir, "train --resume --run parts --steps 5 --threads 2");
    assert!(state(&dir.join("whole")) == state(&dir.join("parts")));
    ok(dir, "sample whole -n 70 --seed 3 --out all");
    ok(dir, "sample whole -n 3 --seed 3 --out few --threads 1");
    assert_eq!(read(dir.join("all/00002.png")), read(dir.join("few/00002.png")));
    ok(dir, "sample whole -n 3 --seed 3 --chain-steps 0 --noise off --out begun");
    assert_ne!(read(dir.join("all/00002.png")), read(dir.join("begun/00002.png")));
    // Chains do not depend on each other, nor on how many there are.
    ok(dir, "inpaint whole --input portraits -n 70 --out filled");
    ok(dir, "inpaint whole --input portraits -n 3 --out few-filled --threads 1");
    let filled = |folder: &str| read(files(&dir.join(folder)).remove(2));
    assert_eq!(filled("filled"), filled("few-filled"));
    ok(dir, "ood whole --in portraits --out all -n 20");
    ok(
        dir,
        "svm whole --data portraits --test portraits --labels 20 --validation 100 --choice-draws 1 --draws 1",
    );
    ok(dir, &format!("{train} --set model.descriptor=multi-grid --steps 2 --run ladder"));
}

#[test]
fn a_killed_game_goes_on_as_if_nothing_had_happened() {
    let dir = workplace();
    let dir = dir.path();
    let train = train("wgan", "--set learn.warm_steps=3");
    ok(dir, &format!("{train} --steps 60 --run whole"));
    let (mut begin, mut killed) = (format!("{train} --steps 60 --run killed"), 0);
    for round in 1..=6u64 {
        let mut child =
            mg(dir, &begin).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        std::thread::sleep(Duration::from_millis(150 + 60 * round));
        killed += u64::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        if dir.join("killed/config.toml").exists() {
            begin = "train --resume --run killed".into();
        }
    }
    assert!(killed > 0, "every run had ended before it was killed");
    ok(dir, &begin);
    assert!(state(&dir.join("whole")) == state(&dir.join("killed")));
}

#[test]
fn generators_are_drawn_from_scored_and_judged_by_their_features() {
    let dir = workplace();
    let dir = dir.path();
    for (method, more) in GENERATORS {
        ok(dir, &format!("{} --steps 4 --run {method}", train(method, more)));
        let (all, few) = (format!("{method}-all"), format!("{method}-few"));
        ok(dir, &format!("sample {method} -n 70 --seed 3 --out {all}"));
        ok(dir, &format!("sample {method} -n 3 --seed 3 --out {few} --threads 1"));
        for name in ["00000.png", "00002.png"] {
            assert_eq!(read(dir.join(&all).join(name)), read(dir.join(&few).join(name)), "{method}");
        }
        let scores = ok(dir, &format!("eval --input {method} --ref {all} -n 40 --fid --json --side 16"));
        let scores: serde_json::Value = serde_json::from_str(&scores).unwrap();
        assert!(scores["frechet_distance"].as_f64().is_some_and(f64::is_finite), "{scores}");
        let words = "--data portraits --test portraits --labels 20 --validation 100 --choice-draws 1 --draws 1 --json";
        let scores = ok(dir, &format!("svm {method} {words}"));
        let scores: serde_json::Value = serde_json::from_str(&scores).unwrap();
        // Layers of 4 and 8 channels, 4x4 each.
        assert!(scores.to_string().contains(&(12 * 16).to_string()), "{scores}");
    }
}

#[test]
fn discriminators_that_are_energies_tell_foreign_images_and_classes() {
    let dir = workplace();
    let dir = dir.path();
    for method in ["adversarial-cd", "deep-directed"] {
        let (_, more) = GENERATORS.iter().find(|(name, _)| *name == method).unwrap();
        ok(dir, &format!("{} --steps 4 --run {method}", train(method, more)));
        ok(dir, &format!("sample {method} -n 30 --seed 3 --out {method}-all"));
        let words = format!("ood {method} --in portraits --out {method}-all -n 30 --samples 9 --json");
        let scores: serde_json::Value = serde_json::from_str(&ok(dir, &words)).unwrap();
        let means = scores["sets"].as_array().unwrap().iter().map(|set| set["energy"]["mean"].as_f64());
        assert!(means.clone().count() == 3 && means.flatten().all(f64::is_finite), "{scores}");
        let error = fails(dir, &format!("loglik {method} --data portraits"));
        assert!(error.contains("a generator-with-energy model cannot give nets f below a p0"), "{error}");
        let classes =
            format!("{} --steps 4 --set data.class=each --run {method}-classes", train(method, more));
        ok(dir, &classes);
        assert!(ok(dir, &format!("classify {method}-classes --data portraits -n 60")).contains("accuracy"));
        assert!(
            fails(dir, &format!("classify {method}-classes --data portraits --background")).contains("a p0")
        );
    }
}

#[test]
fn what_a_generator_cannot_do_is_said_with_what_it_can() {
    let dir = workplace();
    let dir = dir.path();
    ok(dir, &format!("{} --steps 2 --run run", train("dcgan", "")));
    let can = "it can draw images, give features";
    for words in
        ["inpaint run --input portraits", "ood run --in portraits --out run", "loglik run --data portraits"]
    {
        let error = fails(dir, words);
        assert!(error.contains("a generator model cannot") && error.contains(can), "{words}: {error}");
    }
    let error = fails(dir, "sample run -n 2 --chain-steps 3 --out a");
    assert!(error.contains("it makes an image at once"), "{error}");
    let error = fails(dir, "train --preset dcgan,recovery --run other");
    assert!(error.contains("chains.hidden_square"), "{error}");
    let error = fails(dir, "train --preset dcgan --set model.side=48 --run other");
    assert!(error.contains("model.side is 48; it must be 8, 16, 32, 64, 128 or 256"), "{error}");
    assert!(!dir.join("other").exists());
    // A checkpoint of another method, under this one's configuration.
    ok(dir, &format!("{} --steps 2 --run wgan", train("wgan", "")));
    let checkpoint = files(&dir.join("wgan/checkpoints")).pop().unwrap();
    let own = files(&dir.join("run/checkpoints")).pop().unwrap();
    let (before, ours) = (read(dir.join("run/metrics.jsonl")), read(&own));
    std::fs::write(&own, read(checkpoint)).unwrap();
    let error = fails(dir, "train --resume --run run --steps 3");
    assert!(error.contains("its checkpoint is of the method wgan, its configuration of dcgan"), "{error}");
    std::fs::write(&own, ours).unwrap();
    assert_eq!(read(dir.join("run/metrics.jsonl")), before);
    ok(dir, "train --resume --run run --steps 3");
}

#[test]
fn a_generator_has_a_pair_of_nets_for_each_class() {
    let dir = workplace();
    let dir = dir.path();
    ok(dir, &format!("{} --steps 4 --set data.class=each --run run", train("dcgan", "")));
    ok(dir, "sample run -n 4 --out both");
    ok(dir, "sample run -n 4 --class person --out person");
    ok(dir, "sample run -n 4 --class smiley --out smiley");
    let image = |folder: &str, i: usize| read(dir.join(folder).join(format!("{i:05}.png")));
    // The classes take turns.
    assert_eq!((image("both", 0), image("both", 1)), (image("person", 0), image("smiley", 1)));
    assert_ne!(image("person", 0), image("smiley", 0));
    assert!(fails(dir, "svm run --data portraits --test portraits --labels 20").contains("person, smiley"));
}

#[test]
fn a_generator_is_published_and_pulled() {
    let (loopback, here, elsewhere) = (Loopback::start(), workplace(), workplace());
    let (here, elsewhere) = (here.path(), elsewhere.path());
    ok(here, &format!("{} --steps 4 --run run", train("dcgan", "")));
    ok(here, "sample run -n 3 --seed 5 --out a");
    let mut publish = with_hub(&loopback, here, "publish run me/game -n 4 --out copy");
    publish.env("HF_TOKEN", "secret");
    succeeds(publish);
    succeeds(with_hub(&loopback, elsewhere, "sample hf:me/game -n 3 --seed 5 --out a"));
    for name in ["00000.png", "00002.png"] {
        assert_eq!(read(here.join("a").join(name)), read(elsewhere.join("a").join(name)));
    }
    let card = String::from_utf8(read(here.join("copy/README.md"))).unwrap();
    assert!(card.contains("generator"), "{card}");
}
