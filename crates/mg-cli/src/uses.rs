//! What can be done with a model, as commands.

use mg_model::Model;

/// Commands for a model that is called `name`, the first thing that it is for first.
pub(crate) fn uses(model: &dyn Model, name: &str) -> Vec<String> {
    let uses = [
        model.generate().map(|_| format!("mg sample {name} -n 64")),
        model.recover().map(|_| format!("mg inpaint {name} --input photo.png --mask doodle")),
        model.classify().map(|_| format!("mg classify {name} --data FOLDER")),
    ];
    uses.into_iter().flatten().collect()
}
