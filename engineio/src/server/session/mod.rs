//! A session outside its task: the handle, the registry, the commands for the task, and translators.

pub(crate) mod command;
pub(crate) mod handle;
pub(crate) mod registry;
pub(crate) mod translator;
