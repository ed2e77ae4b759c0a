//! What commands leave beside their tables: JSON, plots, images.

use std::fs::{self, File, TryLockError};
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use candle_core::Tensor;
use mg_figures::{Panels, Sheet};
use serde::Serialize;

/// Whether numbers are written as JSON, and where.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct JsonArgs {
    /// Print the numbers as JSON in place of the table; `--json=FILE` writes them to a file beside the table
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = PRINT)]
    json: Option<PathBuf>,
}

/// Numbers with the version of their names, which changes when one is renamed or goes.
#[derive(Serialize)]
struct Versioned<'a, T> {
    version: u32,
    #[serde(flatten)]
    numbers: &'a T,
}

/// In place of a file: standard output.
const PRINT: &str = "-";

impl JsonArgs {
    /// Whether JSON is printed, and so no table.
    pub(crate) fn is_printed(&self) -> bool {
        self.json.as_deref() == Some(Path::new(PRINT))
    }

    /// Refuses a file that cannot be written, before hours are spent on what would go there.
    pub(crate) fn check(&self) -> Result<()> {
        self.file().map_or(Ok(()), |path| check_folder("--json", path))
    }

    /// Prints the numbers or writes them where that was asked for; true when a table is still to be printed.
    pub(crate) fn write(&self, numbers: &impl Serialize) -> Result<bool> {
        let text = serde_json::to_string_pretty(&Versioned { version: 1, numbers })?;
        match self.file() {
            Some(path) => mg_files::write(path, format!("{text}\n").as_bytes())
                .with_context(|| format!("cannot write {}", path.display()))?,
            None if self.is_printed() => say!("{text}"),
            None => {}
        }
        Ok(!self.is_printed())
    }

    fn file(&self) -> Option<&Path> {
        self.json.as_deref().filter(|_| !self.is_printed())
    }
}

/// Whether a plot is drawn, and where.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct PlotArgs {
    /// Draw the numbers; the ending says in which form
    #[arg(long, value_name = "FILE.svg|FILE.png")]
    plot: Option<PathBuf>,
}

impl PlotArgs {
    /// Whether a plot is wanted.
    pub(crate) fn is_wanted(&self) -> bool {
        self.plot.is_some()
    }

    fn check(&self) -> Result<()> {
        let Some(path) = &self.plot else { return Ok(()) };
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        ensure!(
            ["svg", "png"].iter().any(|known| ending.eq_ignore_ascii_case(known)),
            "--plot draws SVG and PNG: give {} the ending .svg or .png",
            path.display()
        );
        check_folder("--plot", path)
    }

    /// Draws what was asked for.
    pub(crate) fn save(&self, panels: impl FnOnce() -> Result<Panels>) -> Result<()> {
        if let Some(path) = &self.plot {
            panels()?.save(path)?;
        }
        Ok(())
    }
}

/// JSON and a plot.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct OutputArgs {
    #[command(flatten)]
    pub(crate) json: JsonArgs,
    #[command(flatten)]
    pub(crate) plot: PlotArgs,
}

impl OutputArgs {
    /// Refuses files that cannot be written, before hours are spent on what would go there.
    pub(crate) fn check(&self) -> Result<()> {
        self.json.check()?;
        self.plot.check()
    }
}

/// Refuses a path that no file can have.
pub(crate) fn check_folder(option: &str, path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    ensure!(
        folder.is_dir() && !path.is_dir(),
        "{option} {}: name a file in a folder that exists",
        path.display()
    );
    Ok(())
}

/// A folder that holds numbered images and nothing else, so that it is a set of images. One process at a time writes to it.
pub(crate) struct ImageFolder {
    folder: PathBuf,
    /// Locked while this value lives.
    _lock: File,
}

/// What the images of a folder were made by: they are gone on with when it is the same.
const RECIPE: &str = ".recipe";

impl ImageFolder {
    /// The folder for `n` images that a `recipe` determines, made if need be. Images of another recipe are deleted from it.
    ///
    /// # Errors
    /// When it has no name that a sheet can lie beside, something lies in it that these images would not replace, or another
    /// process writes to it.
    pub(crate) fn make(folder: &Path, n: usize, recipe: &str) -> Result<Self> {
        beside(folder, "")?;
        make_folder(folder)?;
        let lock = lock(folder)?;
        mg_files::remove_abandoned(folder);
        let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
        let is_new = |name: &str| {
            let number = name.strip_suffix(".png").and_then(|number| number.parse().ok());
            number.is_some_and(|number| number < n && name == file_name(number))
        };
        let mut old = vec![];
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            ensure!(
                name.starts_with('.') || is_new(&name),
                "{} holds {name} already, which would lie among the new images; empty it or name another folder",
                folder.display()
            );
            old.extend(is_new(&name).then(|| entry.path()));
        }
        let (path, recipe) = (folder.join(RECIPE), format!("{n} images: {recipe}\n"));
        if fs::read(&path).ok().as_deref() != Some(recipe.as_bytes()) {
            for path in old {
                fs::remove_file(&path).with_context(|| format!("cannot delete {}", path.display()))?;
            }
            mg_files::write(&path, recipe.as_bytes())
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(ImageFolder { folder: folder.to_owned(), _lock: lock })
    }

    /// Whether these images are there.
    pub(crate) fn has(&self, mut numbers: Range<usize>) -> bool {
        numbers.all(|number| self.folder.join(file_name(number)).is_file())
    }

    /// Writes [n, c, s, s] as 00000.png, 00001.png, ..., from number `first` on.
    pub(crate) fn write(&self, first: usize, images: &Tensor) -> Result<()> {
        for (i, image) in mg_figures::to_rgb_images(images)?.iter().enumerate() {
            mg_figures::save_png(image, self.folder.join(file_name(first + i)))?;
        }
        Ok(())
    }

    /// Writes a contact sheet beside the folder, not among its images.
    pub(crate) fn write_sheet(&self, sheet: &Sheet) -> Result<PathBuf> {
        let path = beside(&self.folder, "-sheet.png")?;
        sheet.save(&path)?;
        Ok(path)
    }
}

/// A lock on a folder: on the folder itself where the system can, else on a file in it.
fn lock(folder: &Path) -> Result<File> {
    let file = if cfg!(unix) { File::open(folder) } else { File::create(folder.join(".lock")) };
    let file = file.with_context(|| format!("cannot open {}", folder.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!(
                "another process writes images to {}; wait for it, or name another folder",
                folder.display()
            )
        }
        Err(TryLockError::Error(error)) => Err(error).context(format!("cannot lock {}", folder.display())),
    }
}

/// The path whose name is that of `folder` with something after it.
pub(crate) fn beside(folder: &Path, ending: &str) -> Result<PathBuf> {
    let name = folder.file_name().with_context(|| {
        format!("{} has no name of its own; name a folder, such as `samples`", folder.display())
    })?;
    let mut name = name.to_os_string();
    name.push(ending);
    Ok(folder.with_file_name(name))
}

fn file_name(number: usize) -> String {
    format!("{number:05}.png")
}

pub(crate) fn make_folder(folder: &Path) -> Result<()> {
    mg_files::create_dir_all(folder).with_context(|| format!("cannot create folder {}", folder.display()))
}
