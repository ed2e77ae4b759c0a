//! Claims about grids that learn without the chains of coarser ones.

use mg_train::Learning;

use crate::support::{CPU, data, step, tiny};

#[test]
fn a_flow_learns_the_velocities_of_images() {
    // Without draws to begin at, most of a velocity can be known.
    let sets = ["model.law=flow", "model.activation=silu", "learn.rate=0.01", "chains.upscale=smooth"];
    let config = tiny(&sets);
    let data = data(&config);
    let mut learning = Learning::new(&config, &data, CPU).unwrap();
    let errors: Vec<f64> = (0..60).map(|i| step(&mut learning, i).values["grid16.error"]).collect();
    let mean = |errors: &[f64]| errors.iter().sum::<f64>() / errors.len() as f64;
    let (first, last) = (mean(&errors[..10]), mean(&errors[50..]));
    assert!(last < 0.9 * first, "mean squared errors {first} at first, {last} at last");
}

#[test]
fn grids_that_begin_at_observed_images_do_not_depend_on_coarser_ones() {
    // The finer grid's scores after two iterations, whatever the coarser grid learns.
    let finer = |sets: &[&str]| {
        let config = tiny(&[&["chains.start=reduced"], sets].concat());
        let mut learning = Learning::new(&config, &data(&config), CPU).unwrap();
        step(&mut learning, 0);
        step(&mut learning, 1).values["grid16.score"]
    };
    assert_eq!(finer(&[]), finer(&["learn.rate=[0, 1e-3]"]));
    assert_ne!(finer(&[]), finer(&["learn.rate=[1e-3, 0]"]));
}
