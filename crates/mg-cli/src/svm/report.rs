use mg_eval::Score;
use mg_eval::svm::RadfordScore;
use mg_figures::{Curves, Panels};
use serde_json::{Value, json};

use super::Args;
use super::features::Features;
use super::sets::Sets;

/// Above the rows: deviations are those of single draws, errors those of their mean.
pub(super) const HEADINGS: &str = " labels        C  valid. error   test error    1.96 s.d.    1.96 s.e.";

/// A line of the table.
pub(super) fn row(score: &RadfordScore) -> String {
    let percent = |value: Option<f64>| value.map_or("-".to_string(), |value| format!("{value:.2} %"));
    let chosen = score.validation.iter().find(|(c, _)| *c == score.c);
    format!(
        "{:>7}  {:>7}  {:>12}  {:>11}  {:>11}  {:>11}",
        score.labels,
        score.c,
        percent(chosen.map(|(_, accuracy)| 100.0 - accuracy.mean)),
        percent(Some(score.test_error.mean)),
        percent(Some(score.spread())),
        percent(score.mean_uncertainty())
    )
}

/// Test errors over numbers of labels, and the validation accuracies that C was chosen by.
pub(super) fn plot(scores: &[RadfordScore]) -> Panels {
    let of = |value: &dyn Fn(&RadfordScore) -> f64| -> Vec<(f64, f64)> {
        scores.iter().map(|score| (score.labels as f64, value(score))).collect()
    };
    let error = Curves::new("test error of draws", "labels", "%")
        .line("mean", of(&|score| score.test_error.mean))
        .line("mean + 1.96 s.d.", of(&|score| score.test_error.mean + score.spread()))
        .line("mean - 1.96 s.d.", of(&|score| score.test_error.mean - score.spread()));
    let choice = |curves: Curves, score: &RadfordScore| {
        let points = score.validation.iter().map(|(c, accuracy)| (*c, accuracy.mean));
        curves.line(&format!("{} labels", score.labels), points)
    };
    let choices = Curves::new("validation by C", "C", "accuracy, %").log_x();
    Panels::of([error, scores.iter().fold(choices, choice)])
}

/// All numbers, for a file.
pub(super) struct Report<'a> {
    pub(super) args: &'a Args,
    pub(super) sets: &'a Sets,
    pub(super) features: &'a Features,
    pub(super) width: usize,
    pub(super) scores: Vec<RadfordScore>,
}

impl Report<'_> {
    pub(super) fn json(&self) -> Value {
        let Report { args, sets, features, width, scores } = self;
        let grids = features.grids();
        json!({
            "run": args.run.as_ref().map(|run| run.display().to_string()),
            "data": args.data,
            "test": args.test,
            "features": if grids.is_some() { "nets" } else { "pixels" },
            "grids": grids,
            "width": width,
            "scaled": grids.is_some() && !args.raw,
            "classes": sets.train.class_names(),
            "images": {
                "training": sets.train.len(), "validation": sets.validation.len(), "test": sets.test.len(),
            },
            "seed": args.seed,
            "scores": scores.iter().map(score_json).collect::<Vec<_>>(),
        })
    }
}

/// Percentages; standard deviations with divisor n.
fn score_json(score: &RadfordScore) -> Value {
    let choice = |(c, accuracy): &(f64, Score)| json!({ "c": c, "accuracy": accuracy.mean, "std_dev": accuracy.std_dev, "draws": accuracy.n });
    json!({
        "labels": score.labels,
        "c": score.c,
        "test_error": score.test_error.mean,
        "std_dev": score.test_error.std_dev,
        "spread_1_96_std_dev": score.spread(),
        "mean_1_96_std_error": score.mean_uncertainty(),
        "draws": score.test_error.n,
        "validation": score.validation.iter().map(choice).collect::<Vec<_>>(),
    })
}
