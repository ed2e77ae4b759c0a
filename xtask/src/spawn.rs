//! Other programs, run from the root of the repository.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// Runs a program, its output going to ours, and returns the seconds it took.
pub(crate) fn run(root: &Path, program: &str, args: &[&str], env: &[(&str, &str)]) -> Result<f64> {
    let line = line(program, args, env);
    println!("$ {line}");
    let start = Instant::now();
    let status = Command::new(program)
        .args(args)
        .envs(env.iter().copied())
        .current_dir(root)
        .status()
        .with_context(|| format!("cannot start `{program}`; is it installed and on the PATH?"))?;
    if !status.success() {
        bail!("`{line}` failed with {status}");
    }
    Ok(start.elapsed().as_secs_f64())
}

/// Runs a program and returns what it printed on standard output.
pub(crate) fn output(root: &Path, program: &str, args: &[&str]) -> Result<String> {
    let line = line(program, args, &[]);
    let output = Command::new(program)
        .args(args)
        .current_dir(root)
        .output()
        .with_context(|| format!("cannot start `{program}`; is it installed and on the PATH?"))?;
    if !output.status.success() {
        bail!("`{line}` failed with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` printed bytes that are not UTF-8"))
}

/// Runs a program that reads `input` on standard input.
pub(crate) fn feed(root: &Path, program: &str, args: &[&str], input: &str) -> Result<()> {
    let line = line(program, args, &[]);
    let mut child = Command::new(program)
        .args(args)
        .current_dir(root)
        .stdin(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{program}`; is it installed and on the PATH?"))?;
    // A program that ends before it has read all says why itself.
    let fed = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
    let status = child.wait()?;
    if !status.success() {
        bail!("`{line}` failed with {status}");
    }
    fed.transpose().with_context(|| format!("`{line}` did not read its input"))?;
    Ok(())
}

/// Where cargo puts what it builds here.
pub(crate) fn target_dir(root: &Path) -> Result<PathBuf> {
    let text = output(root, "cargo", &["metadata", "--no-deps", "--format-version", "1", "--locked"])?;
    let metadata: serde_json::Value =
        serde_json::from_str(&text).context("cargo metadata printed no JSON")?;
    let dir = metadata["target_directory"].as_str().context("cargo metadata names no target_directory")?;
    Ok(PathBuf::from(dir))
}

/// A command line that can be pasted into a shell.
pub(crate) fn line(program: &str, args: &[&str], env: &[(&str, &str)]) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%".contains(c);
    let quote = |s: &str| match s.chars().all(is_plain) {
        true => s.to_string(),
        false => format!("'{}'", s.replace('\'', r"'\''")),
    };
    let env = env.iter().map(|(name, value)| format!("{name}={}", quote(value)));
    let words = std::iter::once(program).chain(args.iter().copied()).map(quote);
    env.chain(words).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_means_to_a_shell_what_was_run() {
        let words = ["model.grids=[1,4]", r#"chains.start=["coarser"]"#, "it's", "a b", "plain/x.y"];
        let line = line("printf", &[&["%s|"], &words[..]].concat(), &[]);
        assert!(line.ends_with(" plain/x.y"), "{line}");
        if let Ok(shell) = Command::new("sh").args(["-c", &line]).output() {
            assert_eq!(String::from_utf8_lossy(&shell.stdout), words.join("|") + "|");
        }
    }
}
