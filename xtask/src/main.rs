//! `cargo xtask …`: the front door for whoever works on muster. Needs nothing but cargo.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit, reason = "a tool for developers")]
#![allow(clippy::disallowed_methods, reason = "a tool for developers reads its environment and its clock")]

mod bench;
mod setup;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// What went wrong, in a sentence.
type Problem = String;

const USAGE: &str = "\
cargo xtask test [--full]    set up what the tests need in target/, then check formatting, lints and all tests
cargo xtask bench [NAME…]    measure, and print what docs/benchmarks.md holds: audit, calls, decide, start
cargo xtask setup            only the first part of `test`
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["test"] => test(false),
        ["test", "--full"] => test(true),
        ["setup"] => setup::all(),
        ["bench", names @ ..] => bench::run(names),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("xtask: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Returns the top of the workspace.
fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}

/// Runs cargo at the top of the workspace.
fn cargo(args: &[&str], env: &[(&str, &str)]) -> Result<(), Problem> {
    println!("$ cargo {}", args.join(" "));
    run(Command::new(env!("CARGO")).args(args).envs(env.iter().copied()).current_dir(root()))
}

/// Runs a command to its end.
fn run(command: &mut Command) -> Result<(), Problem> {
    let status = command.status().map_err(|error| format!("{command:?} does not start: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} failed ({status})")) }
}

fn test(full: bool) -> Result<(), Problem> {
    setup::all()?;
    cargo(&["fmt", "--all", "--check"], &[])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"], &[])?;
    // A thousand seeds of faults, and many cases of each law. The largest account that IAM allows is in every run.
    let env: &[(&str, &str)] =
        if full { &[("MUSTER_TEST_FULL", "1"), ("PROPTEST_CASES", "20000")] } else { &[] };
    cargo(&["test", "--workspace"], env)?;
    // Targets for fuzzing are run by hand, and must go on compiling.
    let fuzz = [
        "clippy",
        "--manifest-path",
        "fuzz/Cargo.toml",
        "--target-dir",
        "target/fuzz",
        "--no-default-features",
    ];
    cargo(&[&fuzz[..], &["--", "--deny", "warnings"]].concat(), &[])
}
