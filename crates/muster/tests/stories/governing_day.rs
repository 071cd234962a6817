//! The page of the guide about governing an account, run as it is printed, by the real AWS CLI.

use std::fmt::Write as _;

use testkit::{TestEnv, venv};

use super::govern::GOVERNED;
use super::{commands_of, env};

const PAGE: &str = include_str!("../../../../docs/src/governing.md");

fn script(env: &TestEnv) -> testkit::Ran {
    let muster = env.binary().parent().unwrap().display().to_string();
    let aws = venv("aws").parent().unwrap().canonicalize().unwrap().display().to_string();
    let mut text =
        format!("export PATH={muster}:{aws}:/usr/bin:/bin AWS_EC2_METADATA_DISABLED=true AWS_PAGER=\n");
    for (number, command) in commands_of(PAGE).iter().enumerate() {
        let _ = write!(text, "echo '@@ {number}'\n{command}\necho \"@@ status $?\"\n");
    }
    text.push_str("kill $!; wait\n");
    let script = env.write("page.sh", text);
    // A page that never ends is a failure, not a wait.
    let mut command = env.command("/usr/bin/timeout");
    command.args(["120", "/bin/bash"]).arg(script).current_dir(env.path("."));
    testkit::run_command(command)
}

/// From the article's config, with a category for contractors and the policies of each category: init, plan, apply, audit (clean);
/// then a human user without MFA can do nothing but set it up, a headless user cannot sign in to the console, and an employee
/// outside the corporate network is denied what a contractor at the same address may.
#[test]
fn an_account_is_brought_in_order_as_the_guide_prints_it() {
    let env = env();
    env.write("examples/governed.toml", GOVERNED);
    let commands = commands_of(PAGE);
    assert!(commands.len() >= 25, "{commands:?}");
    let ran = script(&env);
    let all = format!("{}\n{}", ran.stdout, ran.stderr);
    let ended: Vec<i32> = ran
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("@@ status "))
        .map(|status| status.parse().unwrap())
        .collect();
    assert_eq!(ended.len(), commands.len(), "{all}");
    let mut clean = false;
    for (command, status) in commands.iter().zip(&ended) {
        let wanted: &[i32] = match command {
            c if c.ends_with("# denied") => &[254, 255],
            c if c.starts_with("muster init")
                || *c == "muster plan --decisions people.csv -o reviewed.json" =>
            {
                &[0, 3]
            }
            c if c.ends_with("# there is none") => &[254, 255],
            _ => &[0],
        };
        assert!(wanted.contains(status), "`{command}` ended with {status}:\n{all}");
        clean |= command.starts_with("muster audit --report") && *status == 0;
    }
    assert!(clean, "the audit was clean:\n{all}");
    assert_eq!(ran.stderr.matches("AccessDenied").count(), 5, "{all}");
    assert!(ran.stdout.contains("users: no findings; in order"), "{all}");
    assert!(
        env.read("audit.html").contains("AllContractors") && env.read("audit.xml").contains("<testsuites")
    );
}
