/// The path below `root` that a program means by `path`, `None` of one that lies elsewhere; that of `root` itself is empty.
pub(crate) fn below(root: &[u8], path: &[u8]) -> Option<Vec<u8>> {
    let absolute = if path.starts_with(b"/") { path.to_vec() } else { [&here(), &b"/"[..], path].concat() };
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in absolute.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let plain = [&b"/"[..], &parts.join(&b'/'), b"/"].concat();
    let rest = plain.strip_prefix(root)?;
    Some(rest.strip_suffix(b"/").unwrap_or(rest).to_vec())
}

/// The folder that relative paths begin in.
fn here() -> Vec<u8> {
    use std::os::unix::ffi::OsStringExt;
    std::env::current_dir().map_or_else(|_| Vec::new(), |path| path.into_os_string().into_vec())
}
