//! Started under the recipes' names.

use testkit::TestEnv;

use super::{ARTICLE, article, env};

#[test]
fn the_recipes_own_option_spellings_work_through_a_link_and_everywhere() {
    let (env, account) = article();
    env.muster(&["install-links", &env.text_path("bin")]).exits(0);
    let run = |name: &str, args: &[&str]| {
        let linked = TestEnv::new(&env.text_path(&format!("bin/{name}")));
        let home = env.text_path("");
        linked.muster_with(args, &[("HOME", &home), ("MUSTER_SANDBOX", &account)], "")
    };
    let dry =
        run("awsrecipes_create_default_iam_groups.py", &["--dry", "--common_groups", "Everybody"]).exits(0);
    assert!(dry.stdout.contains("Everybody") && dry.stdout.contains("would be created"), "{}", dry.stdout);
    let args = [
        "--create_groups",
        "--force_common_group",
        "--category_regex",
        "",
        "^Headless-(.*)",
        "^Mis(.*)",
        "--common_groups",
        "AllUsers",
        "--users",
        "Headless-ci",
        "--dry",
        "--output",
        "json",
        "--no-input",
    ];
    let report = run("awsrecipes_sort_iam_users.py", &args).exits(0).json();
    assert_eq!(report["users"][0]["added"], serde_json::json!(["AllHeadlessUsers", "AllUsers"]));
    let args: Vec<&str> = ["sort-users", "--sandbox", &account].into_iter().chain(args).collect();
    assert_eq!(env.muster(&args).exits(0).json()["users"], report["users"]);
}

#[test]
fn links_leave_what_is_there_alone() {
    let env = env();
    env.write("bin/aws_iam_sort_users.py", "#!/usr/bin/env python\n");
    env.muster(&["install-links", &env.text_path("bin")]).exits(0).says("exists already and is left alone");
    assert!(env.read("bin/aws_iam_sort_users.py").starts_with("#!/usr/bin/env python"));
    assert!(env.path("bin/awsrecipes_sort_iam_users.py").is_symlink());
    env.muster(&["install-links", &env.text_path("bin")]).exits(0);
}

#[test]
fn a_config_under_every_place_and_name_is_found_in_order() {
    let env = env();
    let found = |env: &TestEnv| {
        env.muster(&["config", "show", "--output", "json"]).exits(0).json()[0]["value"].clone()
    };
    env.write(".aws/opinel/default.json", "{\"shared\": {\"common_groups\": [\"Opinel\"]}}");
    assert_eq!(found(&env), serde_json::json!(["Opinel"]));
    env.write(".aws/recipes/default.json", ARTICLE);
    assert_eq!(found(&env), serde_json::json!(["AllUsers"]));
    env.write(".aws/muster/default.toml", "common_groups = [\"Native\"]\n");
    assert_eq!(found(&env), serde_json::json!(["Native"]));
    let other = env.write("other.json", "{\"common_groups\": [\"Named\"]}");
    let named =
        env.muster_with(&["config", "show", "--output", "json"], &[("MUSTER_CONFIG", &other)], "").exits(0);
    assert_eq!(named.json()[0]["value"], serde_json::json!(["Named"]));
}
