//! What is wrong with a command line, in plain words.

use std::error::Error as _;
use std::num::{IntErrorKind, ParseFloatError, ParseIntError};

use clap::Error;
use clap::error::{ContextKind, ErrorKind};

/// Tells the error, or the help that was asked for, and ends the process.
pub(crate) fn end(error: &Error) -> ! {
    match in_plain_words(error) {
        Some(message) => Error::raw(ErrorKind::ValueValidation, message).exit(),
        None => error.exit(),
    }
}

/// The message about a number that is none, which the standard library words for programmers.
fn in_plain_words(error: &Error) -> Option<String> {
    let value = error.get(ContextKind::InvalidValue)?.to_string();
    let option = error.get(ContextKind::InvalidArg)?;
    let source = error.source()?;
    let reason = match source.downcast_ref::<ParseIntError>() {
        Some(error) => of_whole_number(error.kind(), &value),
        None => source.downcast_ref::<ParseFloatError>().map(|_| "it must be a number, such as 0.5")?,
    };
    Some(format!("{option} is '{value}'; {reason}\n\nFor more information, try '--help'.\n"))
}

fn of_whole_number(kind: &IntErrorKind, value: &str) -> &'static str {
    match kind {
        IntErrorKind::Zero => "it must be at least 1",
        IntErrorKind::PosOverflow => "that is more than any computer counts to",
        _ if value.starts_with('-') => "it must not be negative",
        _ => "it must be a whole number, such as 64",
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use clap::{Arg, Command, value_parser};

    use super::*;

    #[test]
    fn numbers_that_are_none_are_told_without_names_of_types() {
        let command = Command::new("mg")
            .arg(Arg::new("n").short('n').allow_hyphen_values(true).value_parser(value_parser!(usize)))
            .arg(Arg::new("seed").long("seed").value_parser(value_parser!(u64)))
            .arg(Arg::new("every").long("every").value_parser(value_parser!(NonZeroUsize)))
            .arg(Arg::new("rate").long("rate").value_parser(value_parser!(f64)));
        for (words, reason) in [
            (["mg", "-n", "many"], "-n <n> is 'many'; it must be a whole number, such as 64"),
            (["mg", "-n", "-3"], "-n <n> is '-3'; it must not be negative"),
            (["mg", "--seed", "99999999999999999999"], "that is more than any computer counts to"),
            (["mg", "--every", "0"], "--every <every> is '0'; it must be at least 1"),
            (["mg", "--rate", "fast"], "--rate <rate> is 'fast'; it must be a number, such as 0.5"),
        ] {
            let error = command.clone().try_get_matches_from(words).unwrap_err();
            let message = in_plain_words(&error).unwrap();
            assert!(message.contains(reason), "{message}");
        }
        let unknown = command.clone().try_get_matches_from(["mg", "--none"]).unwrap_err();
        assert_eq!(in_plain_words(&unknown), None);
    }
}
