//! The judges: moto's server, boto3 and the AWS CLI, in the virtual environment that `cargo xtask test` makes.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::env::{Ran, TestEnv, run};
use crate::served::wait_for;

/// Returns where a program of the judges' virtual environment is.
pub fn venv(program: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let program = root.join("target/venv/bin").join(program);
    assert!(program.exists(), "{} is not there: `cargo xtask test` makes it", program.display());
    program
}

/// Runs a Python script of the tests.
pub fn python(env: &TestEnv, script: &str, args: &[&str], variables: &[(&str, &str)]) -> Ran {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("python").join(script);
    let mut command = env.command(venv("python"));
    command
        .arg(script)
        .args(args)
        .envs(variables.iter().copied())
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    run(command, "")
}

/// Runs the AWS CLI.
pub fn aws(env: &TestEnv, args: &[&str]) -> Ran {
    aws_with(env, None, args, &[])
}

/// Runs the AWS CLI with more environment, and at another time if one is given.
pub fn aws_with(env: &TestEnv, time: Option<&str>, args: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = env.command_at(time, venv("aws"));
    command.args(args).envs(variables.iter().copied());
    run(command, "")
}

/// Moto's server on a port of its own.
pub struct Moto {
    child: Child,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
}

impl Moto {
    /// Starts it.
    pub fn new(env: &TestEnv) -> Self {
        // The port is free a moment before; two tests that draw the same one are told apart by the wait below.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let mut command: Command = env.command(venv("moto_server"));
        command
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().expect("moto starts");
        let moto = Self { child, url: format!("http://127.0.0.1:{port}") };
        wait_for("moto", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        moto
    }

    /// Returns the environment that points a client at it.
    pub fn env(&self) -> Vec<(&str, &str)> {
        vec![
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            ("AWS_ENDPOINT_URL", self.url.as_str()),
        ]
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
