//! Which namespaces the page shows.

use std::sync::Arc;

/// Whether the namespace of this name is shown.
pub(crate) type Shows = Arc<dyn Fn(&str) -> bool + Send + Sync>;
