//! The connectors for other languages: their own tests, with the program.

use std::path::{Path, PathBuf};

const PROGRAM: &str = env!("CARGO_BIN_EXE_service-bus");

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn suite(path: &str) -> PathBuf {
    package().join("connectors").join(path)
}

#[tokio::test]
async fn the_connector_for_python_works() {
    tests::python::run_file(&suite("python/tests/suite.py"), &[PROGRAM]).await;
}

#[tokio::test]
async fn the_connector_for_javascript_works() {
    let systems = package().join("..");
    tests::node::run_with(&systems, &suite("javascript/tests/suite.mjs"), &[PROGRAM]).await;
}
