//! On a real terminal: menus, filters, colours, narrow screens, Ctrl-C.

use testkit::wait_for;

use super::screen::Screen;
use super::{CONFIG, GROUPS, account_of, article_with_groups};

#[test]
fn a_menu_is_filtered_by_typing() {
    let (env, account) = article_with_groups();
    let mut screen =
        Screen::new(&env, &["sort-users", "--sandbox", &account, "--user-name", "asmith", "jdoe"], 120, &[]);
    screen.shows("User 'asmith' does not belong to any of the category group");
    screen.types("y\n");
    screen.shows("Which category group should 'asmith' belong to?");
    screen.types("headl");
    wait_for("the filter", || !screen.text().contains("AllMisconfiguredUsers\n"));
    screen.types("\r");
    screen.shows("User 'jdoe' does not belong");
    screen.types("y\n");
    screen.shows("Which category group should 'jdoe' belong to?");
    // Down past the three groups, to "skip this user".
    screen.types("\x1b[B\x1b[B\x1b[B\r");
    let (status, raw) = screen.ends();
    assert_eq!(status, 3, "{raw}");
    assert!(raw.contains("\x1b["), "colours on a terminal");
    assert_eq!(env.groups_of("asmith"), ["allheadlessusers", "allusers"]);
    assert_eq!(env.groups_of("jdoe"), ["allusers"]);
}

#[test]
fn one_answer_can_hold_for_all_others_like_it() {
    let users: [(&str, &[&str]); 4] = [("svc-a", &[]), ("svc-b", &[]), ("svc-c", &[]), ("zoe", &[])];
    let (env, account) = account_of(CONFIG, &GROUPS, &users);
    let mut screen =
        Screen::new(&env, &["sort-users", "--sandbox", &account, "--force-common-group=false"], 120, &[]);
    screen.shows("mandatory common group 'AllUsers'. Do you want to remediate this now (y/n)? [a: yes to all 4, none: no to all]");
    screen.types("a\n");
    screen.shows("User 'svc-a' does not belong to any");
    screen.types("y\n");
    screen.shows("AllBots, and the same for 2 other users like 'svc-…'");
    screen.types("AllBots, and\r");
    screen.shows("User 'zoe' does not belong to any");
    screen.types("n\n");
    let (status, raw) = screen.ends();
    assert_eq!(status, 3, "{raw}");
    for user in ["svc-a", "svc-b", "svc-c"] {
        assert_eq!(env.groups_of(user), ["allbots", "allusers"]);
    }
    assert_eq!(env.groups_of("zoe"), ["allusers"]);
}

#[test]
fn a_conflict_is_asked_about() {
    let (env, account) =
        account_of(CONFIG, &GROUPS, &[("kknuth", &["AllUsers", "AllHumanUsers", "AllBots"])]);
    let mut screen = Screen::new(&env, &["sort-users", "--sandbox", &account], 120, &[]);
    screen.shows("User 'kknuth' is in AllHumanUsers and AllBots. Which one does it keep?");
    screen.types("\x1b[B\r");
    let (status, raw) = screen.ends();
    assert_eq!(status, 0, "{raw}");
    assert_eq!(env.groups_of("kknuth"), ["allbots", "allusers"]);
}

/// Ctrl-C at a question changes nothing and loses no answer.
#[test]
fn an_interrupted_dialogue_keeps_the_answers() {
    let (env, account) = article_with_groups();
    let mut screen = Screen::new(&env, &["sort-users", "--sandbox", &account], 120, &[]);
    screen.shows("User 'asmith' does not belong to any");
    screen.types("y\n");
    screen.shows("Which category group should 'asmith' belong to?");
    screen.types("\r");
    screen.shows("User 'bwayne' does not belong to any");
    screen.types("\x03");
    let (status, raw) = screen.ends();
    assert_eq!(status, 130, "{raw}");
    assert!(raw.contains("What you answered so far is kept"), "{raw}");
    assert_eq!(env.groups_of("asmith"), Vec::<String>::new());
    let folder = env.path("account.json.muster/records");
    let kept = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let kept = kept.into_iter().find(|path| path.to_string_lossy().ends_with(".decisions.csv")).unwrap();
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "asmith,AllHumanUsers\n");
    let args = ["sort-users", "--sandbox", &account, "--no-input", "--decisions", kept.to_str().unwrap()];
    env.muster(&args).exits(3);
    assert_eq!(env.groups_of("asmith"), ["allhumanusers", "allusers"]);
}

/// A dry run looks; it asks nothing on a terminal.
#[test]
fn a_dry_run_asks_nothing() {
    let (env, account) = article_with_groups();
    let screen = Screen::new(&env, &["sort-users", "--sandbox", &account, "--dry-run", "-v"], 120, &[]);
    let (status, raw) = screen.ends();
    assert_eq!(status, 3);
    assert!(!raw.contains("(y/n)?") && raw.contains("Left for a person"), "{raw}");
}

/// Ctrl-C in a menu ends the run as well.
#[test]
fn a_menu_can_be_interrupted() {
    let (env, account) = article_with_groups();
    let mut screen = Screen::new(&env, &["sort-users", "--sandbox", &account], 120, &[]);
    screen.shows("User 'asmith' does not belong to any");
    screen.types("y\n");
    screen.shows("Which category group should 'asmith' belong to?");
    screen.types("\x03");
    assert_eq!(screen.ends().0, 130);
    assert_eq!(env.groups_of("Headless-ci"), Vec::<String>::new());
}

#[test]
fn a_terminal_of_twenty_columns_is_enough() {
    let (env, account) = article_with_groups();
    let screen = Screen::new(&env, &["sort-users", "--sandbox", &account, "--no-input"], 20, &[]);
    let (status, raw) = screen.ends();
    assert_eq!(status, 3);
    assert!(raw.contains("AllHeadlessUsers\r\n  KIND category\r\n  BEFORE 0\r\n  JOINED 3"), "{raw}");
}

/// Reading and applying show how far they have come, and leave nothing of it behind.
#[test]
fn a_progress_bar_is_shown_while_it_works() {
    let users: Vec<String> = (0..60).map(|i| format!("Headless-{i:02}")).collect();
    let users: Vec<(&str, &[&str])> = users.iter().map(|name| (name.as_str(), [].as_slice())).collect();
    let (env, account) = account_of(CONFIG, &GROUPS, &users);
    let served = testkit::Served::new(&env, Some(&account), "latency=100ms");
    let screen = Screen::new(&env, &["sort-users", "--no-input", "--rate", "60"], 100, &served.env());
    screen.shows("Changing memberships");
    screen.shows("60 users: 60 sorted");
    assert!(!screen.text().contains("Changing memberships"), "{}", screen.text());
    assert_eq!(screen.ends().0, 0);
}

#[test]
fn no_color_is_respected() {
    let (env, account) = article_with_groups();
    let screen =
        Screen::new(&env, &["sort-users", "--sandbox", &account, "--no-input"], 100, &[("NO_COLOR", "1")]);
    let (_, raw) = screen.ends();
    assert!(!raw.contains("\x1b[3"), "{raw:?}");
}
