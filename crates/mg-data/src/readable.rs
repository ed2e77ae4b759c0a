use std::ffi::OsStr;

/// A name as text: what is no UTF-8 as `\xb9`, what a terminal would take for a command as `\u{1b}`. Different names stay
/// different, unless one was made to look like another.
pub(crate) fn readable(name: &OsStr) -> String {
    readable_bytes(name.as_encoded_bytes())
}

/// The same of bytes that should be UTF-8.
pub(crate) fn readable_bytes(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character.is_control() {
                true => text.extend(character.escape_default()),
                false => text.push(character),
            }
        }
        chunk.invalid().iter().for_each(|byte| text += &format!("\\x{byte:02x}"));
    }
    text
}
