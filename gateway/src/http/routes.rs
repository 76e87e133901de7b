//! What there is, by path and method.

use http::Method;

use super::page::{self, File};

/// Something that can be asked for over HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    /// With which method.
    pub(crate) method: Method,
    /// At which path.
    pub(crate) path: &'static str,
    /// What for.
    pub(crate) about: &'static str,
    pub(super) action: Action,
}

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Home,
    Info,
    PageFile(&'static File),
    Live,
    Ready,
}

const fn get(path: &'static str, action: Action, about: &'static str) -> Route {
    Route { method: Method::GET, path, about, action }
}

/// All routes.
pub(crate) static ROUTES: &[Route] = &[
    get("/", Action::Home, "The page, for browsers; for others the same as /info"),
    get("/info", Action::Info, "What this is, and how many are connected"),
    get("/page.css", Action::PageFile(&page::STYLE), "A part of the page"),
    get("/page.js", Action::PageFile(&page::SCRIPT), "A part of the page"),
    get("/console.js", Action::PageFile(&page::CONSOLE), "A part of the page"),
    get("/clients.js", Action::PageFile(&page::CLIENTS), "A part of the page"),
    get("/health", Action::Ready, "The same as /health/ready"),
    get("/health/live", Action::Live, "Whether the process answers"),
    get("/health/ready", Action::Ready, "Whether new clients are taken: 503 while shutting down"),
];
