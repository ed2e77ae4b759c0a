use std::error::Error;
use std::fmt;
use std::sync::Arc;

type Call = dyn Fn() -> Result<(), Box<dyn Error + Send + Sync>> + Send + Sync;

/// What makes sure that a source is what it should be, before images of it are decoded.
#[derive(Clone)]
pub struct Check(Arc<Call>);

impl Check {
    /// Calls this; an error keeps the source from being used.
    pub fn new(call: impl Fn() -> Result<(), Box<dyn Error + Send + Sync>> + Send + Sync + 'static) -> Self {
        Check(Arc::new(call))
    }

    pub(crate) fn call(&self) -> crate::Result<()> {
        (self.0)().map_err(crate::Error::Check)
    }
}

impl PartialEq for Check {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Check {}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Check")
    }
}
