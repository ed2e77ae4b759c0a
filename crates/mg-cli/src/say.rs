/// A line on standard output. Unlike `println!` it returns an error when the reader has gone, which `problem` takes
/// for the end of the matter.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        writeln!(std::io::stdout(), $($text)*)?
    }};
}
