//! Learning that diverges, by configurations that nobody should choose.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::dice::Dice;
use super::kind::Kind;
use super::program::{Ending, Place};
use super::tensors;
use super::tree::{self, Entry, Tree};
use super::workshop::Workshop;

/// Cases are configurations that the dice choose.
pub(super) struct Divergences<'a> {
    workshop: &'a Workshop,
    before: Tree,
}

const CASES: usize = 150;
const STEPS: u64 = 12;

const TRAIN: &str = "train --data set.mgpack --run run --steps 12 --threads 1 --set model.width=0.08 \
    --set model.grids=[1,4,8] --set learn.batch=8 --set output.sheet_images=4";
const SAMPLE: &str = "sample run -n 8 --out drawn --threads 1";

impl<'a> Divergences<'a> {
    pub(super) fn new(workshop: &'a Workshop) -> Result<Self> {
        let before = workshop.made_by("divergences", &["data pack photos --side 8 --out set.mgpack"])?;
        Ok(Divergences { workshop, before })
    }
}

/// A configuration: rates and steps of any size, and choices that make either worse.
fn words(case: usize) -> String {
    let mut dice = Dice::of("divergences", case);
    let mut sets = Vec::new();
    let mut power = |dice: &mut Dice, key: &str, low: f64, high: f64| {
        let exponent = low + (high - low) * dice.share();
        sets.push(format!("{key}={:.3e}", 10f64.powf(exponent)));
    };
    let cause = dice.below(3);
    if cause != 1 {
        power(&mut dice, "learn.rate", -1.0, 12.0);
    }
    if cause != 0 {
        power(&mut dice, "chains.step_size", 2.0, 9.0);
    }
    if dice.coin() {
        power(&mut dice, "chains.noise_scale", -3.0, 3.0);
    }
    if dice.coin() {
        power(&mut dice, "data.noise", -3.0, 3.0);
    }
    let choices: [&[&str]; 8] = [
        &["learn.optimizer=adam", "learn.optimizer=sgd"],
        &["model.norm=none", "model.norm=batch", "model.norm=observed", "model.norm=group"],
        &["model.reference=uniform", "model.reference=gaussian"],
        &["chains.sampler=langevin", "chains.sampler=mala", "chains.sampler=hmc"],
        &["chains.clamp=true", "chains.clamp=false"],
        &["learn.ema=0.99", "learn.ema=0"],
        &["chains.start=coarser", "chains.start=persistent"],
        &["guard.patience=1", "guard.patience=3", "guard.patience=8"],
    ];
    sets.extend(choices.iter().map(|choice| (*dice.one_of(choice)).to_owned()));
    sets.push(format!("chains.steps={}", 1 + dice.below(6)));
    sets.push(format!("output.checkpoint_every={}", 1 + dice.below(4)));
    sets.push(format!("seed={case}"));
    let precision = dice.one_of(&["f32", "bf16"]);
    let sets: String = sets.iter().map(|set| format!(" --set {set}")).collect();
    format!("{TRAIN} --precision {precision}{sets}")
}

impl Kind for Divergences<'_> {
    fn cases(&self) -> usize {
        CASES
    }

    fn describe(&self, case: usize) -> String {
        format!("mg {}", words(case))
    }

    fn check(&self, case: usize, folder: &Path) -> Result<&'static str> {
        let (place, _hub) = self.workshop.place(folder, &self.before)?;
        let ending = self.workshop.call(&place, &words(case))?;
        let succeeded = ending.judged()?;
        let run = tree::read(&place.folder)?;
        check_states(&run)?;
        let Some(saved) = iteration_of(&run, |path| path == "run/model.safetensors")? else {
            ensure!(!succeeded, "it succeeded and left no model");
            return Ok("refused");
        };
        let ending = check_last_words(&ending, saved, &run)?;
        self.check_samples(&place, saved)?;
        Ok(ending)
    }
}

/// Every state that was saved is made of numbers.
fn check_states(run: &Tree) -> Result<()> {
    for (path, entry) in run.iter().filter(|(path, _)| path.ends_with(".safetensors")) {
        let Entry::File(bytes) = entry else { bail!("{path} is no file") };
        let tensors = tensors::read(bytes).with_context(|| path.clone())?;
        ensure!(tensors.count > 0, "{path} holds nothing");
    }
    Ok(())
}

/// The iteration of the last of some files.
fn iteration_of(run: &Tree, is_one: impl Fn(&str) -> bool) -> Result<Option<u64>> {
    match run.iter().rfind(|(path, _)| is_one(path)) {
        Some((_, Entry::File(bytes))) => Ok(Some(tensors::read(bytes)?.iteration)),
        _ => Ok(None),
    }
}

/// What a run says at its end is so.
fn check_last_words(ending: &Ending, saved: u64, run: &Tree) -> Result<&'static str> {
    let newest = iteration_of(run, |path| path.starts_with("run/checkpoints/0"))?;
    let says = |words: &str| ending.stderr.contains(words);
    if ending.status.success() && says("finished: ") {
        let states = (saved, newest);
        ensure!(states == (STEPS, Some(STEPS)), "it says that it finished, and has saved {states:?}");
        return Ok("finished");
    }
    if ending.status.success() {
        ensure!(
            says("of which the last are not saved") && saved < STEPS,
            "it saved iteration {saved}:\n{}",
            ending.stderr
        );
        return Ok("done, and told that the end is not saved");
    }
    ensure!(says("diverged") && !says("finished"), "it failed otherwise:\n{}", ending.stderr);
    Ok("gave up")
}

impl Divergences<'_> {
    /// What a saved model draws are images.
    fn check_samples(&self, place: &Place, saved: u64) -> Result<()> {
        let ending = self.workshop.call(place, SAMPLE)?;
        ending.succeeded().context("its model cannot be sampled")?;
        let mut pixels = Vec::new();
        for (path, entry) in tree::read(&place.folder)? {
            if let (true, Entry::File(bytes)) = (path.starts_with("drawn/0"), entry) {
                pixels.extend(decode(&bytes).with_context(|| path)?);
            }
        }
        ensure!(pixels.len() == 8 * 8 * 8, "it drew {} pixels", pixels.len());
        ensure!(!ending.stderr.contains("mean NaN"), "it drew pixels that are no numbers");
        // What has learned nothing yet may draw anything.
        let ends = pixels.iter().flatten().filter(|value| matches!(value, 0 | 255)).count();
        let is_dead = ends as f64 > MOST_AT_ENDS * (3 * pixels.len()) as f64
            || pixels.iter().all(|pixel| *pixel == pixels[0]);
        ensure!(saved == 0 || !is_dead, "the model of iteration {saved} draws black, white or nothing");
        Ok(())
    }
}

/// Of the values of all pixels, as a share, at the ends of their range; of the images that are learned few are there.
const MOST_AT_ENDS: f64 = 0.9;

/// The pixels of a PNG.
fn decode(bytes: &[u8]) -> Result<Vec<[u8; 3]>> {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info()?;
    let mut buffer = vec![0; reader.output_buffer_size().context("it is too large")?];
    let info = reader.next_frame(&mut buffer)?;
    Ok(buffer[..info.buffer_size()].chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect())
}
