//! Claims about linear support vector machines and Radford's protocol.

use candle_core::{DType, Device, Tensor};
use mg_eval::Error;
use mg_eval::svm::{LabelledFeatures, LinearSvm, RadfordProtocol, RadfordScore};
use mg_random::Key;
use proptest::prelude::*;
use serde_json::Value;

const CPU: &Device = &Device::Cpu;

fn numbers(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn list(json: &Value) -> Vec<f64> {
    json.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

fn matrix(json: &Value) -> Tensor {
    let rows: Vec<Vec<f64>> = json.as_array().unwrap().iter().map(list).collect();
    let width = rows[0].len();
    Tensor::from_vec(rows.concat(), (rows.len(), width), CPU).unwrap()
}

fn labels(json: &Value) -> Vec<u32> {
    list(json).iter().map(|label| *label as u32).collect()
}

/// Rows of `classes` classes in turn, with shifted means: [n, d] in f32.
fn rows(n: usize, d: usize, classes: usize, seed: u64) -> (Tensor, Vec<u32>) {
    let (mut values, mut means) = (vec![0f32; n * d], vec![0f32; classes * d]);
    Key::new(seed).named("rows").fill_normal(&mut values);
    Key::new(seed).named("means").fill_normal(&mut means);
    for (i, row) in values.chunks_exact_mut(d).enumerate() {
        let mean = &means[i % classes * d..][..d];
        row.iter_mut().zip(mean).for_each(|(value, mean)| *value += 0.5 * mean);
    }
    (Tensor::from_vec(values, (n, d), CPU).unwrap(), (0..n).map(|i| (i % classes) as u32).collect())
}

fn fit(features: &Tensor, labels: &[u32], c: f64) -> LinearSvm {
    let classes = labels.iter().max().unwrap() + 1;
    LinearSvm::fit(features, labels, classes as usize, c).unwrap()
}

/// The largest difference, as a share of the largest value.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    let largest = a.iter().chain(b).fold(1e-300, |m: f64, v| m.max(v.abs()));
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / largest
}

#[test]
fn objectives_decisions_and_predictions_are_those_of_scikit_learn() {
    let golden: Value = serde_json::from_str(include_str!("../golden/svm.json")).unwrap();
    let problems = golden["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 4);
    for problem in problems {
        let (name, queries) = (&problem["name"], matrix(&problem["queries"]));
        let (features, labels_) = (matrix(&problem["features"]), labels(&problem["labels"]));
        for expected in problem["fits"].as_array().unwrap() {
            let c = expected["c"].as_f64().unwrap();
            let svm = fit(&features, &labels_, c);
            for (ours, theirs) in svm.objectives().zip(list(&expected["objectives"])) {
                // Theirs ends where its tolerance lets it, never below the minimum.
                assert!(ours <= theirs * (1.0 + 1e-12), "{name}, C = {c}: {ours} above {theirs}");
                assert!(theirs - ours <= 1e-8 * theirs, "{name}, C = {c}: {ours} for {theirs}");
            }
            let decisions = matrix(&expected["decisions"]);
            let gap = distance(&numbers(&svm.decision(&queries).unwrap()), &numbers(&decisions));
            assert!(gap < 1e-4, "{name}, C = {c}: decisions {gap} apart");
            assert_eq!(svm.predict(&queries).unwrap(), labels(&expected["predictions"]), "{name}, C = {c}");
        }
    }
}

#[test]
fn two_points_have_their_closed_form() {
    // w^2 / 2 + 2 C (1 - a w)^2 has its minimum at w = 4 C a / (1 + 4 C a^2), where it is 2 C / (1 + 4 C a^2).
    for (a, c) in [(1.0, 0.5), (3.0, 1e-4), (0.1, 1e4), (20.0, 1e3)] {
        let features = Tensor::new(&[[-a, 0.0], [a, 0.0]], CPU).unwrap();
        let svm = fit(&features, &[0, 1], c);
        let (w, least) = (4.0 * c * a / (1.0 + 4.0 * c * a * a), 2.0 * c / (1.0 + 4.0 * c * a * a));
        assert!(distance(&numbers(svm.weights()), &[-w, w, 0.0, 0.0]) < 1e-9, "a = {a}, C = {c}");
        assert!(svm.objectives().all(|objective| (objective / least - 1.0).abs() < 1e-9));
        assert!(numbers(svm.intercepts()).iter().all(|b| b.abs() < 1e-9 * w));
    }
}

#[test]
fn a_row_beyond_its_margin_has_no_say() {
    // The minimum for -1 and 1 at C = 50 has |f(10)| > 1, so a third row at 10 changes nothing but the intercept's
    // symmetry, which it does not touch either.
    let two = fit(&Tensor::new(&[[-1f32], [1.0]], CPU).unwrap(), &[0, 1], 50.0);
    let three = fit(&Tensor::new(&[[-1f32], [1.0], [10.0]], CPU).unwrap(), &[0, 1, 1], 50.0);
    assert!(distance(&numbers(two.weights()), &numbers(three.weights())) < 1e-9);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// At the minimum, w = 2 C sum_i y_i max(0, 1 - y_i f_i) x_i, the intercept included.
    #[test]
    fn the_optimality_conditions_hold(
        n in 4usize..60,
        d in 1usize..60,
        classes in 2usize..4,
        decade in -4f64..2.0,
        seed: u64,
    ) {
        let (features, labels) = rows(n, d, classes, seed);
        let c = 10f64.powf(decade);
        let svm = fit(&features, &labels, c);
        for fit in svm.fits() {
            prop_assert!(fit.gap <= 1e-10 * fit.objective, "{:?}", fit);
        }
        let (x, f) = (numbers(&features), numbers(&svm.decision(&features).unwrap()));
        let (weights, intercepts) = (numbers(svm.weights()), numbers(svm.intercepts()));
        for k in 0..classes {
            let sign = |i: usize| if labels[i] == k as u32 { 1.0 } else { -1.0 };
            let dual = |i: usize| 2.0 * c * sign(i) * (1.0 - sign(i) * f[i * classes + k]).max(0.0);
            let sum = |value: &dyn Fn(usize) -> f64| (0..n).map(|i| dual(i) * value(i)).sum::<f64>();
            let expected: Vec<f64> =
                (0..d).map(|j| sum(&|i| x[i * d + j])).chain([sum(&|_| 1.0)]).collect();
            let mut found: Vec<f64> = (0..d).map(|j| weights[j * classes + k]).collect();
            found.push(intercepts[k]);
            prop_assert!(distance(&found, &expected) < 1e-5, "class {k}: {}", distance(&found, &expected));
        }
    }

    /// Twice the rows at half the C: the same problem, with a singular Gram matrix, or in the other space.
    #[test]
    fn rows_given_twice_at_half_the_c_change_nothing(
        n in 4usize..40,
        d in 4usize..40,
        decade in -4f64..1.0,
        seed: u64,
    ) {
        let (features, labels) = rows(n, d, 2, seed);
        let c = 10f64.powf(decade);
        let twice = Tensor::cat(&[&features, &features], 0).unwrap();
        let (once, twice) = (fit(&features, &labels, c), fit(&twice, &labels.repeat(2), c / 2.0));
        prop_assert!(distance(&numbers(once.weights()), &numbers(twice.weights())) < 1e-6);
        for (a, b) in once.objectives().zip(twice.objectives()) {
            prop_assert!((a / b - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn the_order_of_rows_changes_nothing_but_rounding(n in 6usize..40, d in 2usize..50, seed: u64) {
        let (features, labels) = rows(n, d, 3, seed);
        let order: Vec<u32> = Key::new(seed).permutation(n as u64).iter().map(|i| i as u32).collect();
        let shuffled = features.index_select(&Tensor::new(&order[..], CPU).unwrap(), 0).unwrap();
        let shuffled_labels: Vec<u32> = order.iter().map(|&i| labels[i as usize]).collect();
        let (a, b) = (fit(&features, &labels, 0.1), fit(&shuffled, &shuffled_labels, 0.1));
        prop_assert!(distance(&numbers(a.weights()), &numbers(b.weights())) < 1e-7);
    }
}

#[test]
fn fits_are_the_same_to_the_bit_on_one_and_two_threads_and_in_f32_and_f64() {
    for (n, d) in [(300, 700), (700, 40)] {
        let (features, labels) = rows(n, d, 3, 5);
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            numbers(pool.install(|| fit(&features, &labels, 1e-2)).weights())
        };
        assert!(on(1) == on(2));
        let wide = fit(&features.to_dtype(DType::F64).unwrap(), &labels, 1e-2);
        assert!(on(1) == numbers(wide.weights()));
    }
}

#[test]
fn what_cannot_be_fitted_is_an_error_that_says_why() {
    let (features, labels) = rows(6, 2, 3, 1);
    let fails = |features: &Tensor, labels: &[u32], classes: usize, c: f64, words: &[&str]| {
        let error = LinearSvm::fit(features, labels, classes, c).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    };
    fails(&features, &labels[..5], 3, 1.0, &["5 labels", "6 rows"]);
    fails(&features, &[], 3, 1.0, &["0 labels"]);
    fails(&features, &[0, 1, 2, 0, 1, 3], 3, 1.0, &["label 3", "row 5", "3"]);
    fails(&features, &[0, 1, 1, 0, 1, 1], 3, 1.0, &["class 2 has no row"]);
    fails(&features, &[0; 6], 1, 1.0, &["at least 2 classes"]);
    for c in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        fails(&features, &labels, 3, c, &["C is", "positive"]);
    }
    fails(&features.flatten_all().unwrap(), &labels, 3, 1.0, &["[n, d]", "[12]"]);
    fails(&Tensor::zeros((0, 2), DType::F32, CPU).unwrap(), &[], 3, 1.0, &["[0, 2]"]);
    for bad in [f32::NAN, f32::INFINITY] {
        let mut values = vec![0f32; 12];
        values[7] = bad;
        let features = Tensor::from_vec(values, (6, 2), CPU).unwrap();
        fails(&features, &labels, 3, 1.0, &["row 3", "column 1"]);
    }
    fails(&(features.to_dtype(DType::F64).unwrap() * 1e200).unwrap(), &labels, 3, 1.0, &["overflow"]);
    let svm = LinearSvm::fit(&features, &labels, 3, 1.0).unwrap();
    let error = svm.predict(&Tensor::zeros((2, 5), DType::F32, CPU).unwrap()).unwrap_err();
    assert!(matches!(error, Error::Widths { width: 5, expected: 2, .. }), "{error}");
    assert!(svm.decision(&Tensor::zeros(2, DType::F32, CPU).unwrap()).is_err());
}

fn set(what: &'static str, n: usize, d: usize, seed: u64) -> LabelledFeatures {
    // One key for the means, so that sets agree; another part of the rows for each.
    let (features, labels) = rows(3 * 300, d, 3, 7);
    let first = seed as usize * 300;
    LabelledFeatures::new(what, &features.narrow(0, first, n).unwrap(), &labels[first..first + n], 3).unwrap()
}

fn protocol() -> RadfordProtocol {
    RadfordProtocol { labels_per_class: 5, c_grid: vec![1e-2, 1e-4, 1e-3], draws_per_c: 3, final_draws: 10 }
}

fn run(protocol: &RadfordProtocol, d: usize, seed: u64) -> RadfordScore {
    let sets = [set("training", 150, d, 0), set("validation", 150, d, 1), set("test", 300, d, 2)];
    protocol.run(&sets[0], &sets[1], &sets[2], Key::new(seed), &mut |_, _| {}).unwrap()
}

#[test]
fn features_that_tell_classes_apart_have_small_errors_and_more_labels_smaller_ones() {
    let few = run(&protocol(), 40, 1);
    let many = run(&RadfordProtocol { labels_per_class: 40, ..protocol() }, 40, 1);
    assert_eq!((few.labels, many.labels, few.test_error.n), (15, 120, 10));
    assert!(many.test_error.mean < few.test_error.mean && few.test_error.mean < 40.0, "{few} {many}");
    let grid: Vec<f64> = few.validation.iter().map(|(c, _)| *c).collect();
    assert_eq!(grid, [1e-4, 1e-3, 1e-2]);
    let best = few.validation.iter().map(|(_, accuracy)| accuracy.mean).fold(0.0, f64::max);
    assert!(few.validation.iter().find(|(_, a)| a.mean == best).is_some_and(|(c, _)| *c == few.c));
}

#[test]
fn labels_without_meaning_are_guessed() {
    let (features, mut labels) = rows(900, 30, 3, 3);
    let order = Key::new(9).permutation(900);
    labels = order.iter().map(|i| labels[i as usize]).collect();
    let part = |what, first, n| {
        let features = features.narrow(0, first, n).unwrap();
        LabelledFeatures::new(what, &features, &labels[first..first + n], 3).unwrap()
    };
    let (train, validation, test) = (part("training", 0, 200), part("v", 200, 200), part("t", 400, 500));
    let score = protocol().run(&train, &validation, &test, Key::new(1), &mut |_, _| {}).unwrap();
    // 2/3 are wrong by chance; the standard error of 500 images is 2.1 %.
    assert!((score.test_error.mean - 66.7).abs() < 8.0, "{score}");
}

#[test]
fn a_score_depends_on_the_key_and_not_on_threads() {
    let on = |threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(&protocol(), 40, seed))
    };
    assert_eq!(on(1, 1), on(2, 1));
    assert_ne!(on(1, 1), on(1, 2));
}

#[test]
fn progress_counts_every_fit() {
    let sets = [set("training", 150, 8, 0), set("validation", 150, 8, 1), set("test", 300, 8, 2)];
    let mut heard = vec![];
    let mut hear = |done, of| heard.push((done, of));
    protocol().run(&sets[0], &sets[1], &sets[2], Key::new(1), &mut hear).unwrap();
    assert!(heard.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert!(heard.iter().all(|(_, of)| *of == 3 * 3 + 10));
    assert_eq!(heard.last(), Some(&(19, 19)));
}

#[test]
fn protocols_that_cannot_be_are_errors_that_say_why() {
    let (train, other) = (set("training", 150, 8, 0), set("validation", 150, 9, 1));
    let fails = |protocol: RadfordProtocol, validation: &LabelledFeatures, words: &[&str]| {
        let outcome = protocol.run(&train, validation, &train, Key::new(1), &mut |_, _| {});
        let error = outcome.unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    };
    fails(protocol(), &other, &["validation", "9", "training", "8"]);
    fails(RadfordProtocol { labels_per_class: 51, ..protocol() }, &train, &["class 0 has 50", "51"]);
    fails(RadfordProtocol { labels_per_class: 0, ..protocol() }, &train, &["labels_per_class"]);
    fails(RadfordProtocol { draws_per_c: 0, ..protocol() }, &train, &["draws_per_c"]);
    fails(RadfordProtocol { final_draws: 0, ..protocol() }, &train, &["final_draws"]);
    fails(RadfordProtocol { c_grid: vec![], ..protocol() }, &train, &["c_grid"]);
    fails(RadfordProtocol { c_grid: vec![1.0, -1.0], ..protocol() }, &train, &["C is -1"]);
    let four = LabelledFeatures::new("test", train.features(), train.labels(), 4).unwrap();
    let error = protocol().run(&train, &train, &four, Key::new(1), &mut |_, _| {}).unwrap_err().to_string();
    assert!(error.contains("4") && error.contains("classes"), "{error}");
}
