//! The words of configurations, which are those of the feature `serde`.
#![cfg(feature = "serde")]

use std::fmt::Debug;

use mg_data::{OnBadImage, Resize, ResizeKind, Split};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn is_written<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T, word: &str) {
    let json = format!("\"{word}\"");
    assert_eq!(serde_json::to_string(&value).unwrap(), json);
    assert_eq!(serde_json::from_str::<T>(&json).unwrap(), value);
}

#[test]
fn words_are_those_of_configurations() {
    for (split, word) in [
        (Split::Train, "train"),
        (Split::Test, "test"),
        (Split::Validation, "validation"),
        (Split::Extra, "extra"),
    ] {
        is_written(split, word);
        assert_eq!(split.to_string(), word);
    }
    is_written(OnBadImage::Skip, "skip");
    is_written(OnBadImage::Refuse, "refuse");
    is_written(ResizeKind::Squash, "squash");
    is_written(ResizeKind::Crop, "crop");
    is_written(Resize::Crop(108), "crop:108");
}

#[test]
fn splits_have_the_other_words_that_are_parsed() {
    for word in ["valid", "val"] {
        assert_eq!(serde_json::from_str::<Split>(&format!("\"{word}\"")).unwrap(), word.parse().unwrap());
    }
    assert!(serde_json::from_str::<Split>("\"auto\"").is_err());
}
