use mg_data::{DataSet, Order};
use mg_random::Key;

use crate::config::{ClassChoice, Config};
use crate::selection::no_class;
use crate::{Class, Error, Result};

/// The classes that `data.class` asks for, in the order of their labels.
///
/// # Errors
/// When the data have no labels, or no such class, or a class has no image.
pub fn classes(config: &Config, data: &DataSet) -> Result<Vec<Class>> {
    let names = data.class_names();
    let key = Key::new(config.seed).named("order");
    let class = |name: &str, data: DataSet| {
        let order = Order::new(key.named(name), data.len(), config.learn.batch as u64)?;
        Ok(Class { name: name.to_string(), data, order })
    };
    let of = |label: usize| class(&names[label], data.only_class(label as u32)?);
    let wanted = match &config.data.class {
        ClassChoice::All => return Ok(vec![class("all", data.clone())?]),
        wanted if names.is_empty() => {
            return Err(Error::Class(format!(
                "data.class is \"{wanted}\", but these images have no labels; use class sub-folders, or data.class = \"all\""
            )));
        }
        ClassChoice::Each => return (0..names.len()).map(of).collect(),
        ClassChoice::Named(wanted) => wanted,
    };
    match names.iter().position(|name| name == wanted) {
        Some(label) => Ok(vec![of(label)?]),
        None => Err(no_class(wanted, names)),
    }
}
