//! Checksums inside texts that people read, so that a text which is no longer what was written is not taken for it.

use std::borrow::Cow;

/// What stands before the checksum of a line of JSON, which is its last value, and after it.
const IN_LINE: (&str, &str) = (",\"crc32\":\"", "\"}");
/// What stands before the checksum of a text, in a line of its own.
const IN_TEXT: &str = "# Checksum of all that follows; delete this line when you change something by hand: ";
/// Hexadecimal digits of a checksum.
const DIGITS: usize = 8;

/// A JSON object, in one line, with its checksum as its last value.
pub(crate) fn sealed_line(json: &str) -> String {
    let open = json.strip_suffix('}').unwrap_or(json);
    format!("{open}{}{}{}", IN_LINE.0, checksum(json), IN_LINE.1)
}

/// What [`sealed_line`] sealed; `None` of a line that has been altered. A line without checksum is taken as it is: runs of
/// before have such.
pub(crate) fn opened_line(line: &str) -> Option<Cow<'_, str>> {
    let Some((json, sum)) = split_line(line) else { return Some(Cow::Borrowed(line)) };
    let json = format!("{json}}}");
    (checksum(&json) == sum).then_some(Cow::Owned(json))
}

fn split_line(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_suffix(IN_LINE.1)?;
    let (json, sum) = rest.split_at_checked(rest.len().checked_sub(DIGITS)?)?;
    Some((json.strip_suffix(IN_LINE.0)?, sum))
}

/// A text in whose syntax `#` begins a comment, with its checksum before it.
pub(crate) fn sealed_text(text: &str) -> String {
    // Should the end of the line be lost, nothing that means something becomes part of the comment.
    let text = format!("\n{text}");
    format!("{IN_TEXT}{}\n{text}", checksum(&text))
}

/// Whether a text is what [`sealed_text`] sealed, whatever stands before that; a text without checksum is.
pub(crate) fn is_sound_text(text: &str) -> bool {
    let sealed = text.split_once(IN_TEXT).and_then(|(_, rest)| rest.split_once('\n'));
    sealed.is_none_or(|(sum, text)| sum.trim_end() == checksum(text))
}

fn checksum(text: &str) -> String {
    format!("{:0DIGITS$x}", crc32fast::hash(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All texts that differ from this one in a bit and are still texts.
    fn flipped(text: &str) -> impl Iterator<Item = String> {
        (0..8 * text.len()).filter_map(move |bit| {
            let mut bytes = text.as_bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            String::from_utf8(bytes).ok()
        })
    }

    #[test]
    fn a_line_with_another_bit_is_refused_or_says_the_same() {
        let json = r#"{"iteration":3,"grid16.gap":-0.25,"class":"a}"}"#;
        let sealed = sealed_line(json);
        assert_eq!(opened_line(&sealed).as_deref(), Some(json));
        assert_eq!(opened_line(json).as_deref(), Some(json));
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        for line in flipped(&sealed) {
            let opened = opened_line(&line);
            let Some(Ok(mut read)) =
                opened.map(|text| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text))
            else {
                continue;
            };
            // A checksum under another name is a text that nobody reads.
            read.retain(|name, _| value.get(name).is_some());
            assert_eq!(serde_json::Value::Object(read), value, "{line}");
        }
        assert_eq!(opened_line("é").as_deref(), Some("é"));
    }

    #[test]
    fn a_text_with_another_bit_is_refused_or_says_the_same() {
        let text = "seed = 3\n[learn]\nrate = 0.5\n";
        let sealed = format!("# Every key.\n{}", sealed_text(text));
        assert!(is_sound_text(&sealed) && is_sound_text(text));
        let table: toml::Table = text.parse().unwrap();
        for text in flipped(&sealed).filter(|text| is_sound_text(text)) {
            if let Ok(read) = text.parse::<toml::Table>() {
                assert_eq!(read, table, "{text}");
            }
        }
        assert!(!is_sound_text(&sealed.replace("0.5", "0.6")));
    }
}
