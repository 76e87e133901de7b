//! `cargo xtask`: the commands that the README names.

mod api;
mod bench;
mod compatibility;
mod coverage;
mod documents;
mod excerpt;
mod features;
mod guide;
mod instructions;
mod layering;
mod limits;
mod msrv;
mod official;
mod package;
mod packaging;
mod paths;
mod run;
mod stages;
mod tables;
mod test_names;
mod test_programs;
mod tools;
mod workflows;
mod workspace;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask test [STAGE ...]     all checks and tests, or only these; --list names them
cargo xtask api [--update]       holds the public API against <crate>/api.txt; or keeps the new one
cargo xtask coverage [PACKAGE]   which behaviours of the official suites have a test; with a package, its missing ids
cargo xtask instructions [--update | --runs N]
                                 counts the instructions of the hot paths, held against benches/instructions.txt;
                                 or keeps the new counts; or says how far several counts are apart
cargo xtask layering [CRATE [FOLDER]]
                                 fails if modules form a cycle or violate the layers of tests/layering.txt; with
                                 a crate, prints an order of its modules that the code allows
cargo xtask package KIND [--binary FILE]
                                 packs the program of the gateway: deb, npm, wheel or rootfs
cargo xtask official SUITE --checkout DIR [--runs N] [--retries N]
                                 runs an official suite (eio, eio-client, sio, sio-client) against our server";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["package", rest @ ..] => packaging::run(rest),
        ["test", "--list"] => {
            stages::list();
            Ok(())
        }
        ["test", names @ ..] => stages::run(names),
        ["api"] => api::report(),
        ["api", "--update"] => api::update(),
        ["bench", rest @ ..] => bench::run(rest),
        ["coverage"] => coverage::report(None),
        ["coverage", package] => coverage::report(Some(package)),
        ["instructions", rest @ ..] => instructions::run(rest),
        ["layering"] => layering::check(),
        ["layering", name] => layering::propose(name, ""),
        ["layering", name, folder] => layering::propose(name, folder),
        ["official", rest @ ..] => official::run(rest),
        _ => Err(format!("{USAGE}\n{}", bench::USAGE)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
