//! What a person sees of a long run: bars on a terminal, lines elsewhere; always on standard error.

use std::io::{self, IsTerminal, Write};
use std::sync::LazyLock;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// All bars, so that log lines can step aside for them.
static BARS: LazyLock<MultiProgress> =
    LazyLock::new(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));

/// True when bars make sense.
pub(crate) fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// A bar of `len` things with a message; invisible when standard error is no terminal.
pub(crate) fn bar(len: u64, unit: &str) -> ProgressBar {
    if !is_terminal() {
        return ProgressBar::hidden();
    }
    let template = format!("{{bar:28}} {{pos}}/{{len}} {unit} {{msg}}");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = BARS.add(ProgressBar::new(len));
    bar.set_style(style.progress_chars("━╸─"));
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

/// A bar whose message says how far it is.
pub(crate) fn share_bar(len: u64) -> ProgressBar {
    let bar = bar(len, "");
    let style = ProgressStyle::with_template("{bar:28} {percent:>3} % {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─"));
    bar
}

/// A bar of bytes.
pub(crate) fn bytes_bar(len: u64) -> ProgressBar {
    let bar = bar(len, "");
    let style = "{bar:28} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}";
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// "143.6 MB".
pub(crate) fn bytes(bytes: u64) -> String {
    match bytes as f64 {
        b if b < 1e3 => format!("{b} B"),
        b if b < 1e6 => format!("{:.1} kB", b / 1e3),
        b if b < 1e9 => format!("{:.1} MB", b / 1e6),
        b => format!("{:.2} GB", b / 1e9),
    }
}

/// Shows how many things of how many are done, where their number is known only as they are done.
pub(crate) fn show(bar: &ProgressBar, done: u64, of: u64) {
    bar.set_length(of);
    bar.set_position(done);
}

/// A line on standard error. What cannot be said is not said: work outlives its terminal, and a full disk under its log.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Writes log lines above the bars; those that cannot be written are lost.
#[derive(Clone, Copy)]
pub(crate) struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // An error would be told on standard error, by a macro that panics when that fails too.
        let _ = BARS.suspend(|| io::stderr().write_all(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for LogWriter {
    type Writer = LogWriter;

    fn make_writer(&'a self) -> LogWriter {
        *self
    }
}
