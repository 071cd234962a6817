//! A test's own home, with the environment cleared.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A folder that is home to one test.
pub struct TestEnv {
    folder: TempDir,
    muster: PathBuf,
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    /// The exit status; 128 and the signal's number if a signal ended it.
    pub status: i32,
    /// stdout.
    pub stdout: String,
    /// stderr.
    pub stderr: String,
}

impl Ran {
    /// Asserts the exit status.
    #[track_caller]
    pub fn exits(self, status: i32) -> Self {
        assert_eq!(self.status, status, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Asserts that stderr says something.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "`{text}` is not in stderr:\n{}", self.stderr);
        self
    }

    /// Asserts that stdout holds something.
    #[track_caller]
    pub fn prints(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "`{text}` is not in stdout:\n{}", self.stdout);
        self
    }

    /// Reads stdout as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        let parsed = serde_json::from_str(&self.stdout);
        parsed.unwrap_or_else(|error| panic!("{error}\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr))
    }
}

impl TestEnv {
    /// Makes a home for a test of the binary at `muster`.
    pub fn new(muster: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("muster-test-").tempdir().expect("a temporary folder");
        Self { folder, muster: PathBuf::from(muster) }
    }

    /// Returns the path of a file in the home.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the same as text.
    pub fn text_path(&self, name: &str) -> String {
        self.path(name).to_str().expect("temporary folders are UTF-8").to_owned()
    }

    /// Writes a file in the home, and the folders it is in.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a file is in a folder"))
            .expect("folders in a temporary one");
        std::fs::write(&path, text).expect("a file in a temporary folder");
        self.text_path(name)
    }

    /// Reads a file in the home.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("the file was written before")
    }

    /// Returns a command with nothing in its environment but this home.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", "/usr/bin:/bin")
            .env("LANG", "C.UTF-8")
            // Nothing may look for an instance role: no test talks to anything but this machine.
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .current_dir(self.folder.path());
        command
    }

    /// Runs muster with nothing on stdin.
    #[must_use = "assert the exit status, or what was printed"]
    pub fn muster(&self, args: &[&str]) -> Ran {
        self.muster_with(args, &[], "")
    }

    /// Runs muster with more environment, and a text on stdin.
    #[must_use = "assert the exit status, or what was printed"]
    pub fn muster_with(&self, args: &[&str], env: &[(&str, &str)], stdin: &str) -> Ran {
        let mut command = self.command(&self.muster);
        command.args(args).envs(env.iter().copied());
        run(command, stdin)
    }

    /// Runs muster at another time, such as `+13h`: the clock of that process alone is put on.
    #[must_use = "assert the exit status, or what was printed"]
    pub fn muster_at(&self, time: &str, args: &[&str], env: &[(&str, &str)], stdin: &str) -> Ran {
        let mut command = self.command_at(Some(time), &self.muster);
        command.args(args).envs(env.iter().copied());
        run(command, stdin)
    }

    /// Returns a command as [`TestEnv::command`] does, at another time if one is given.
    pub fn command_at(&self, time: Option<&str>, program: impl AsRef<Path>) -> Command {
        let Some(time) = time else { return self.command(program) };
        let mut command = self.command("faketime");
        command.args(["-f", time]).arg(program.as_ref());
        command
    }

    /// Returns where the binary is.
    pub fn binary(&self) -> &Path {
        &self.muster
    }

    /// Makes an embedded account in the file `account.json`, with options of `sandbox new`.
    pub fn sandbox(&self, options: &[&str]) -> String {
        let file = self.text_path("account.json");
        let args: Vec<&str> = ["sandbox", "new", &file].into_iter().chain(options.iter().copied()).collect();
        self.muster(&args).exits(0);
        file
    }

    /// Returns the groups of a user of the embedded account in `account.json`.
    pub fn groups_of(&self, user: &str) -> Vec<String> {
        let account: Value =
            serde_json::from_str(&self.read("account.json")).expect("an account's file is JSON");
        let users = account["users"].as_array().expect("an account has users");
        let user =
            users.iter().find(|u| u["name"] == user).unwrap_or_else(|| panic!("there is no user {user}"));
        let keys = user["groups"].as_array().expect("a user has groups");
        keys.iter().map(|key| key.as_str().expect("a key is a text").to_owned()).collect()
    }
}

/// Runs a command to its end, with nothing to read.
pub fn run_command(command: Command) -> Ran {
    run(command, "")
}

/// Runs a command to its end.
pub(crate) fn run(mut command: Command, stdin: &str) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut input = child.stdin.take().expect("stdin is piped");
    let text = stdin.to_owned();
    // A program that ends early closes its stdin; that is no failure of the test.
    let writer = std::thread::spawn(move || drop(input.write_all(text.as_bytes())));
    let output = child.wait_with_output().expect("the program ends");
    writer.join().expect("writing to a pipe does not panic");
    Ran {
        status: exit_status(output.status),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn exit_status(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}
