//! `demo`

use super::env;

#[test]
fn the_demo_tells_the_story_and_leaves_nothing_behind() {
    let env = env();
    std::fs::create_dir(env.path("tmp")).unwrap();
    let tmp = env.text_path("tmp");
    let ran = env.muster_with(&["demo"], &[("TMPDIR", &tmp)], "").exits(0);
    for text in [
        "287 users",
        "20 uncategorized, 2 conflicting, 1 misfiled",
        "AllMisconfiguredUsers  category  created",
        "muster sandbox serve",
    ] {
        assert!(ran.stdout.contains(text), "`{text}` is not in\n{}", ran.stdout);
    }
    assert_eq!(std::fs::read_dir(env.path("tmp")).unwrap().count(), 0, "the temporary folder is gone");
    assert_eq!(std::fs::read_dir(env.path("")).unwrap().count(), 1, "nothing but tmp");
}

#[test]
fn the_demos_account_can_be_kept_and_gone_on_with() {
    let env = env();
    let keep = env.text_path("demo.json");
    env.muster(&["demo", "--keep", &keep]).exits(0).prints("--sandbox");
    let config = env.text_path("demo.config.json");
    let args = [
        "sort-users",
        "--sandbox",
        &keep,
        "--config",
        &config,
        "--no-input",
        "--resolve-conflicts",
        "pattern",
        "--move-misfiled",
    ];
    env.muster(&args).exits(3).prints("266 sorted, 20 uncategorized, 1 conflicting, 0 misfiled; 2 changed");
    env.muster(&["demo", "--keep", &keep]).exits(2).says("is not overwritten");
}

const README: &str = include_str!("../../../../README.md");

/// The transcript in the README is what the demo prints, to the letter.
#[test]
fn the_readme_shows_what_the_demo_prints() {
    let env = env();
    let ran = env.muster(&["demo"]).exits(0);
    assert!(README.contains(&ran.stdout), "put this into the README:\n{}", ran.stdout);
}

/// Every line of the README's tour works as it is printed.
#[test]
fn the_tour_of_the_readme_works_as_printed() {
    let env = env();
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    std::os::unix::fs::symlink(examples, env.path("examples")).unwrap();
    let (_, tour) = README.split_once("## The article's story, in a dozen lines").unwrap();
    let (_, tour) = tour.split_once("```console\n").unwrap();
    let (tour, _) = tour.split_once("```").unwrap();
    let lines: Vec<&str> = tour.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    assert_eq!(lines.len(), 12, "{lines:?}");
    let recipient = age::x25519::Identity::generate().to_public().to_string();
    let folder = env.binary().parent().unwrap().to_str().unwrap().to_owned();
    let path = format!("{folder}:/usr/bin:/bin");
    let mut exports = String::new();
    for line in lines {
        if line.starts_with("export ") {
            exports = line.to_owned();
        }
        // The placeholders: the record of the run before, and a key.
        let newest = "$(ls -t test.json.muster/records/*.jsonl | tail -n 1)";
        let line = line.replace("test.json.muster/records/RUN.jsonl", newest).replace("age1…", &recipient);
        let script = format!("{exports}\n{line}");
        let mut command = env.command("/bin/bash");
        command.args(["-c", &script]).env("PATH", &path).stdin(std::process::Stdio::piped());
        let mut child = command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        drop(std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"y\n1\ny\n2\nn\n"));
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0 | 3)), "{line}: {:?}\n{said}", output.status);
    }
    assert!(env.read("matrix.csv").starts_with("username, AllUsers"));
    assert!(
        env.path("users/Headless-new.zip").exists() && env.path("users/Headless-new.deleted.json").exists()
    );
}
