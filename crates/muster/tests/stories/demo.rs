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
