//! Measures, always beside something else and in one run. Prints Markdown for `docs/benchmarks.md`.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::{Problem, cargo, root, setup};

/// One setting of the embedded account.
struct Setting {
    users: usize,
    faults: &'static str,
}

const USERS: [usize; 3] = [100, 1000, 5000];
const FAULTS: [&str; 3] = ["", "latency=50ms", "latency=50ms,rate=20,burst=40"];

/// Runs the named benchmarks, or all.
pub(crate) fn run(names: &[&str]) -> Result<(), Problem> {
    let wants = |name: &str| names.is_empty() || names.contains(&name);
    setup::all()?;
    cargo(&["build", "--release"], &[])?;
    if wants("start") {
        start()?;
    }
    if wants("calls") {
        cargo(&["build", "--release", "--package", "muster-aws", "--example", "sdk_adaptive"], &[])?;
        calls()?;
    }
    if wants("audit") {
        audit()?;
    }
    if wants("decide") {
        cargo(&["bench", "--package", "muster-core"], &[])?;
    }
    Ok(())
}

fn muster() -> PathBuf {
    root().join("target/release/muster")
}

fn start() -> Result<(), Problem> {
    let size = std::fs::metadata(muster()).map_err(|error| error.to_string())?.len();
    let mut times_ms: Vec<f64> = Vec::new();
    for _ in 0..50 {
        let start = Instant::now();
        let output = Command::new(muster()).arg("--version").output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err("muster --version failed".to_owned());
        }
        times_ms.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    times_ms.sort_by(f64::total_cmp);
    #[allow(clippy::cast_precision_loss, reason = "megabytes with two digits")]
    let megabytes = size as f64 / 1e6;
    println!(
        "`muster --version`: median {:.1} ms of 50; the stripped binary has {megabytes:.1} MB\n",
        times_ms[25]
    );
    Ok(())
}

/// What one run of a client cost.
struct Cost {
    wall_s: f64,
    peak_mib: f64,
    sent: usize,
    writes: usize,
    refused: usize,
}

fn calls() -> Result<(), Problem> {
    let folder = root().join("target/bench");
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let config = root().join("examples/bench.toml");
    let boto3 = root().join("crates/testkit/python/sort_with_boto3.py");
    println!("| users | account | client | calls | writes | refused | wall | peak |");
    println!("| ---: | --- | --- | ---: | ---: | ---: | ---: | ---: |");
    for setting in FAULTS.iter().flat_map(|faults| USERS.map(|users| Setting { users, faults })) {
        let muster = |rate: &str, dry: bool| {
            let mut command = Command::new(muster());
            command.args(["sort-users", "--no-input", "--output", "json", "--rate", rate, "--config"]);
            command.arg(&config).args(dry.then_some("--dry-run"));
            command
        };
        let python = |dry: bool| {
            let mut command = Command::new(root().join("target/venv/bin/python"));
            command.arg(&boto3).args(dry.then_some("--dry-run"));
            command
        };
        let mut clients = vec![
            ("muster --dry-run", muster("auto", true)),
            ("boto3, reading only", python(true)),
            ("muster", muster("auto", false)),
            ("boto3", python(false)),
            ("the SDK's adaptive retries", Command::new(root().join("target/release/examples/sdk_adaptive"))),
        ];
        if !setting.faults.contains("rate=") {
            clients.push(("muster --rate 10000", muster("10000", false)));
        }
        for (name, command) in clients {
            let cost = measure(&folder, &setting, command)?;
            let account = if setting.faults.is_empty() { "no latency" } else { setting.faults };
            println!(
                "| {} | {account} | {name} | {} | {} | {} | {:.2} s | {:.1} MiB |",
                setting.users, cost.sent, cost.writes, cost.refused, cost.wall_s, cost.peak_mib
            );
            if setting.faults.contains("rate=20") && cost.writes > 40 {
                #[allow(clippy::cast_precision_loss, reason = "a few thousand calls")]
                let (writes, sent, refused) = (cost.writes as f64, cost.sent as f64, cost.refused as f64);
                let share = cost.wall_s / ((writes - 40.0) / 20.0);
                println!(
                    "| | | ↳ of (writes − burst) / rate: {share:.3}; refused {:.2} % | | | | | |",
                    100.0 * refused / sent
                );
            }
        }
    }
    println!();
    Ok(())
}

/// Audits, with the credential report, and beside it a look at each user.
fn audit() -> Result<(), Problem> {
    let folder = root().join("target/bench");
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    println!("| users | account | client | calls | wall | peak |");
    println!("| ---: | --- | --- | ---: | ---: | ---: |");
    for setting in
        ["", "latency=50ms"].iter().flat_map(|faults| [1000, 5000].map(|users| Setting { users, faults }))
    {
        let page = folder.join("audit.html");
        let muster = |args: &[&str]| {
            let mut command = Command::new(muster());
            command.args(args).arg("--config").arg(root().join("examples/governed.toml"));
            command
        };
        let report = format!("html={}", page.display());
        let mut clients = vec![
            ("muster plan", muster(&["plan"])),
            ("muster audit", muster(&["audit"])),
            ("muster audit, with its page", muster(&["audit", "--report", &report])),
        ];
        // A look at each of 5,000 users with latency takes minutes, and says nothing that 1,000 do not.
        if setting.users == 1000 || setting.faults.is_empty() {
            let mut each = Command::new(root().join("target/venv/bin/python"));
            each.arg(root().join("crates/testkit/python/audit_with_boto3.py"));
            clients.push(("boto3, user by user", each));
        }
        for (name, command) in clients {
            let _ = std::fs::remove_file(&page);
            let cost = measure(&folder, &setting, command)?;
            let account = if setting.faults.is_empty() { "no latency" } else { setting.faults };
            println!(
                "| {} | {account} | {name} | {} | {:.2} s | {:.1} MiB |",
                setting.users, cost.sent, cost.wall_s, cost.peak_mib
            );
        }
    }
    println!();
    Ok(())
}

/// Runs a client against a fresh copy of the account, served in a process of its own.
fn measure(folder: &Path, setting: &Setting, mut command: Command) -> Result<Cost, Problem> {
    let account = folder.join("account.json");
    let log = folder.join("requests.log");
    for path in [&account, &log] {
        let _ = std::fs::remove_file(path);
    }
    let mut made = Command::new(muster());
    made.args(["sandbox", "new"])
        .arg(&account)
        .args(["--users", &setting.users.to_string()])
        .stderr(Stdio::null());
    let made = made.status().map_err(|error| error.to_string())?;
    if !made.success() {
        return Err("the account was not made".to_owned());
    }
    let (server, url) = serve(&account, &log, setting.faults)?;
    let usage = folder.join("usage");
    let mut timed = Command::new(root().join("target/venv/bin/python"));
    timed
        .arg(root().join("crates/testkit/python/usage.py"))
        .arg(&usage)
        .arg(command.get_program())
        .args(command.get_args());
    command = timed;
    command
        .env("AWS_ENDPOINT_URL", &url)
        .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("HOME", folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().map_err(|error| error.to_string())?;
    stop(server)?;
    let usage = std::fs::read_to_string(&usage).map_err(|error| format!("the client failed: {error}"))?;
    let mut fields = usage.split_whitespace().map(|field| field.parse::<f64>().unwrap_or(f64::NAN));
    let (wall_s, peak_mib) = (fields.next().unwrap_or(f64::NAN), fields.next().unwrap_or(f64::NAN));
    let requests = std::fs::read_to_string(&log).map_err(|error| error.to_string())?;
    let has = |line: &&str, text: &str| line.contains(text);
    let refused = requests.lines().filter(|line| has(line, "\"code\":\"Throttling\"")).count();
    let writes =
        requests.lines().filter(|line| has(line, "AddUserToGroup") && has(line, "\"code\":null")).count();
    Ok(Cost { wall_s, peak_mib, sent: requests.lines().count(), writes, refused })
}

fn serve(account: &Path, log: &Path, faults: &str) -> Result<(Child, String), Problem> {
    let mut command = Command::new(muster());
    command.args(["sandbox", "serve", "--state"]).arg(account).arg("--log").arg(log);
    if !faults.is_empty() {
        command.args(["--faults", faults]);
    }
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
    let stdout = child.stdout.take().ok_or("no stdout")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
    let url = line.trim().strip_prefix("listening on ").ok_or("the account is not served")?;
    Ok((child, url.to_owned()))
}

fn stop(mut server: Child) -> Result<(), Problem> {
    crate::run(Command::new("kill").args(["-INT", &server.id().to_string()]))?;
    server.wait().map(drop).map_err(|error| error.to_string())
}
