//! How errors are told: what went wrong, where, and what to do next.

use std::process::ExitCode;

use mg_model::Error as Model;
use mg_probe::Error as Probe;
use mg_train::Error as Train;

use crate::progress::tell;

/// Prints the error with its causes and, where the message does not say it, what to do.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    if is_broken_pipe(error) {
        return ExitCode::SUCCESS; // the reader of our output has seen enough
    }
    let mut message = String::new();
    for cause in error.chain().map(ToString::to_string) {
        // Errors that only pass on another one repeat its words, some with an advice behind.
        if !message.contains(&cause) {
            message = if message.is_empty() { cause } else { format!("{message}: {cause}") };
        }
    }
    // A name may hold what a terminal takes for a command.
    let plain =
        |c: char| if c.is_control() && c != '\n' { c.escape_default().to_string() } else { c.to_string() };
    let message: String = message.chars().map(plain).collect();
    tell(&format!("error: {message}\nhelp: {}", help(error)));
    ExitCode::FAILURE
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.into_iter().any(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}

/// What to do, from the kind of the error.
fn help(error: &anyhow::Error) -> String {
    let training = error.chain().find_map(|cause| cause.downcast_ref::<Train>().and_then(for_training));
    let of_a_model = || error.chain().find_map(|cause| cause.downcast_ref::<Model>().and_then(for_model));
    let of_a_probe = || error.chain().find_map(|cause| cause.downcast_ref::<Probe>().and_then(for_probe));
    let of_a_set = || error.chain().find_map(|cause| cause.downcast_ref::<mg_data::Error>().map(for_data));
    let of_the_hub = || error.chain().find_map(|cause| cause.downcast_ref::<mg_hub::Error>().map(for_hub));
    training
        .or_else(of_the_hub)
        .or_else(of_a_model)
        .or_else(of_a_probe)
        .or_else(of_a_set)
        .unwrap_or_else(|| "`mg help` lists the commands, `mg help COMMAND` their options".to_string())
}

fn for_training(error: &Train) -> Option<String> {
    Some(match error {
        Train::UnknownKey { .. } | Train::ConfigValue { .. } | Train::ConfigSyntax { .. } => {
            "`mg config explain` lists every key with its meaning".into()
        }
        Train::Model(error) => return for_model(error),
        Train::UnknownPreset { .. } => {
            "presets are layered with commas, for example --preset full,single-grid".into()
        }
        Train::Pyramid(_) => "model.grids goes up from 1, for example --set model.grids=[1,4,16,64]".into(),
        Train::Data(error) => for_data(error),
        Train::Format { what: "model", .. } => {
            "give a run directory, or a model.safetensors that `mg train` wrote".into()
        }
        Train::Format { what: "checkpoint", .. } => {
            "delete the damaged file to go on from an older one, or start a new run".into()
        }
        Train::Run { path, .. } => format!("`mg runs show {}` tells what is there", path.display()),
        Train::Class(_) => {
            "`mg data info` lists the classes of a set, `mg runs show` those of a model".into()
        }
        Train::Diverged { .. } => {
            "a smaller chains.step_size or learn.rate is calmer; see `mg config explain guard`".into()
        }
        Train::OneColour { .. } => "`mg data info NAME|PATH` looks at a set".into(),
        Train::Io { .. } => "the message names the file and the reason".into(),
        _ => return None,
    })
}

fn for_model(error: &Model) -> Option<String> {
    Some(match error {
        Model::Value { key, .. } if key.contains('.') => {
            format!("`mg config explain {key}` says what it means; set it with --set {key}=VALUE")
        }
        Model::Class(_) => {
            "`mg data info` lists the classes of a set, `mg runs show` those of a model".into()
        }
        Model::NoGrid { .. } => "`mg config explain model.grids` says what grids are".into(),
        Model::Pyramid(_) => "model.grids goes up from 1, for example --set model.grids=[1,4,16,64]".into(),
        Model::Images(source) => source.downcast_ref::<mg_data::Error>().map(for_data)?,
        _ => return None,
    })
}

fn for_data(error: &mg_data::Error) -> String {
    use mg_data::Defect::{NotRgb, NotSquare, OtherSide};
    match error {
        mg_data::Error::Unlabelled(_)
        | mg_data::Error::TooFew { .. }
        | mg_data::Error::UnknownClass { .. }
        | mg_data::Error::NoSuchClass { .. } => {
            "`mg data info NAME|PATH` counts the images of every class".into()
        }
        mg_data::Error::TooLarge { .. } => {
            "name a folder for a packed copy with --cache DIR, or pack the set once with `mg data pack`"
                .into()
        }
        mg_data::Error::BadImage { defect: NotRgb(_) | NotSquare { .. } | OtherSide { .. }, .. } => {
            "--side S (and --crop PIXELS) makes RGB squares of one size of all images".into()
        }
        _ => "`mg data list` names the sets there are; `mg data info NAME|PATH` looks at one".into(),
    }
}

fn for_hub(error: &mg_hub::Error) -> String {
    use mg_hub::Error::{Damaged, Hub, Incomplete, Io, Lock, Name, Offline, Refused, Unreachable};
    match error {
        Name { .. } => "`mg data list` names the sets there are; on the hub they are OWNER/NAME".into(),
        Offline(_) => {
            "ask once with a network, without --offline and HF_HUB_OFFLINE=1: what is fetched is kept".into()
        }
        Incomplete { .. } => "`mg data fetch NAME` fetches what is missing".into(),
        Hub { .. } => {
            "HF_TOKEN says who you are, HF_ENDPOINT which hub is asked; `mg help publish` says what is needed"
                .into()
        }
        Refused { .. } => "HF_TOKEN says who you are, HF_ENDPOINT which hub is asked".into(),
        Unreachable { .. } => "try again: it goes on where it stopped; HF_HUB_OFFLINE=1 asks nobody".into(),
        Damaged { .. } => "try again later; if it stays so, the file has changed at its source".into(),
        Io { .. } | Lock { .. } => "HF_HUB_CACHE names another cache folder, on another disk perhaps".into(),
        _ => "`mg help data fetch` and `mg help publish` say what is needed".into(),
    }
}

fn for_probe(error: &Probe) -> Option<String> {
    Some(match error {
        Probe::Model(error) => return for_model(error),
        Probe::NotFinite { .. } => {
            "lower --rate and --trunk-rate; a third of each is a good next step".into()
        }
        Probe::Data(error) => for_data(error),
        _ => return None,
    })
}
