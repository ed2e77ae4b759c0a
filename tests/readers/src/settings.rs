use std::str::from_utf8;

use mg_baselines::METHODS;
use mg_train::config::{Layer, resolve};

use crate::watch::watched;

/// A configuration file. One that is accepted is accepted again as it is written down.
pub fn config(bytes: &[u8]) {
    watched(|| {
        if let Ok(text) = from_utf8(bytes)
            && let Ok(layer) = Layer::text("a file", text)
        {
            resolved(layer);
        }
    });
}

/// What stands behind `--set`.
pub fn assignment(bytes: &[u8]) {
    watched(|| {
        if let Ok(text) = from_utf8(bytes)
            && let Ok(layer) = Layer::assignment(text)
        {
            resolved(layer);
        }
    });
}

fn resolved(layer: Layer) {
    let Ok(config) = resolve(METHODS, &[layer]) else { return };
    let text = config.to_toml();
    let again = Layer::text("what was accepted", &text).and_then(|layer| resolve(METHODS, &[layer]));
    match again {
        Ok(again) => assert_eq!(again.values(), config.values(), "written and read: {text}"),
        Err(error) => panic!("what was accepted is refused when it is read again: {error}\n{text}"),
    }
}
