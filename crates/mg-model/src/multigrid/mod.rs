//! Models with an energy per grid, sampled from coarse to fine: what multi-grid learning, single-grid learning and the
//! variants of contrastive divergence make.

mod flow;
mod keys;
mod model;
mod nets;
mod per_grid;
mod recovery;
mod sampler;
mod settings;
mod starts;
mod statistics;
mod synthesis;

pub use flow::Paths;
pub use keys::{KEYS, KEYS_TEXT};
pub use model::{KIND, MultigridClass, MultigridModel};
pub use per_grid::PerGrid;
pub use sampler::{Place, RANGE, Sampled, Sampler, with_levels};
pub use settings::{ChainStart, ChainsConfig, Law, ModelConfig, NetFamily, Nets, SamplerKind, Settings};
pub use starts::{ChainStarts, DrawnGrid};
pub use statistics::{restore_statistics, save_statistics};

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::Settings;

    /// The defaults, with some keys changed.
    pub(crate) fn settings(changes: &[(&str, Value)]) -> Settings {
        let mut config = json!({ "model": {}, "chains": {}, "learn": { "batch": 6 } });
        for key in super::KEYS.iter() {
            let (section, name) = key.name.split_once('.').expect("a section");
            let value = serde_json::from_str(&key.default).expect("JSON that is TOML too");
            config[section][name] = value;
        }
        for (pointer, value) in changes {
            *config.pointer_mut(pointer).expect("a key") = value.clone();
        }
        Settings::of_config(&config).expect("valid settings")
    }

    #[test]
    fn every_key_has_a_meaning_and_a_default_in_its_range() {
        for key in super::KEYS.iter() {
            assert!(key.meaning.len() > 10, "{}", key.name);
            key.check(&serde_json::from_str(&key.default).unwrap()).unwrap();
        }
        assert_eq!(settings(&[]).sides(), [4, 16, 64]);
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let config = |changes: &[(&str, Value)]| {
            let mut config = serde_json::to_value(settings(&[]).model).unwrap();
            config = json!({ "model": config, "chains": settings(&[]).chains, "learn": { "batch": 6 } });
            changes.iter().for_each(|(at, value)| *config.pointer_mut(at).unwrap() = value.clone());
            Settings::of_config(&config)
        };
        for (at, value) in [
            ("/model/grids", json!([4, 16])),
            ("/model/grids", json!([1])),
            ("/model/grids", json!([1, 16, 4])),
            ("/model/width", json!(0)),
            ("/model/norm", json!("layer")),
            ("/chains/steps", json!([1, 2])),
            ("/chains/hidden_square", json!(65)),
            ("/chains/steps", json!(1_000_000_000_000_000_u64)),
            ("/learn/batch", json!(0)),
            ("/learn/batch", json!(1 << 20)),
        ] {
            let error = config(&[(at, value.clone())]).unwrap_err().to_string();
            assert!(!error.is_empty() && !error.contains("serde"), "{at} {value}: {error}");
        }
        let flow = [("/model/law", json!("flow"))];
        assert!(config(&flow).unwrap_err().to_string().contains("silu"));
        let silu = ("/model/activation", json!("silu"));
        let smooth = [flow[0].clone(), silu.clone()];
        assert!(config(&smooth).is_ok_and(|settings| settings.is_flow(0) && settings.is_flow(2)));
        let mixed = ("/model/law", json!(["flow", "flow", "density"]));
        assert!(config(&[mixed, silu.clone()]).is_ok_and(|settings| !settings.is_flow(2)));
        for other in [("/model/norm", json!("group")), ("/chains/start", json!("data"))] {
            let error = config(&[flow[0].clone(), silu.clone(), other.clone()]).unwrap_err().to_string();
            assert!(error.contains("4x4") && error.contains(&other.0[1..].replace('/', ".")), "{error}");
        }
        let coupled = [("/model/norm", json!("batch")), ("/chains/sampler", json!("mala"))];
        assert!(config(&coupled).unwrap_err().to_string().contains("couple"));
    }
}
