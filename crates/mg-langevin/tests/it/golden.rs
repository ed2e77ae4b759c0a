//! The same numbers as a reference implementation.

use mg_langevin::{
    bulk_effective_sample_size, effective_sample_size, rank_r_hat, split_r_hat, tail_effective_sample_size,
};
use serde_json::Value;

use crate::support::Outcome;

#[test]
fn diagnoses_agree_with_arviz() -> Outcome {
    let golden: Value = serde_json::from_str(include_str!("../golden/diagnosis.json"))?;
    let cases = golden["cases"].as_array().ok_or("no cases")?;
    assert_eq!(cases.len(), 7);
    for case in cases {
        let chains: Vec<Vec<f64>> = serde_json::from_value(case["chains"].clone())?;
        for (found, name) in [
            (effective_sample_size(&chains)?, "effective_sample_size"),
            (bulk_effective_sample_size(&chains)?, "bulk"),
            (tail_effective_sample_size(&chains)?, "tail"),
            (split_r_hat(&chains)?, "split_r_hat"),
            (rank_r_hat(&chains)?, "rank_r_hat"),
        ] {
            let Some(expected) = case[name].as_f64() else { continue };
            let what = case["name"].as_str().ok_or("no name")?;
            assert!((found / expected - 1.0).abs() < 1e-9, "{what}: {name} is {found}, not {expected}");
        }
    }
    Ok(())
}
