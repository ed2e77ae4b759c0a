/// A named layer of configuration; the comments of its text say where every number comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// What it is, in a line.
    pub summary: &'static str,
    /// Its TOML.
    pub text: &'static str,
}
