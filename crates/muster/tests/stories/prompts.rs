//! Questions answered through a pipe, line by line.

use super::{CONFIG, GROUPS, account_of, article_with_groups};

const FIRST: &str = "User 'asmith' does not belong to any of the category group (AllHumanUsers, AllHeadlessUsers, \
                     AllMisconfiguredUsers). Do you want to remediate this now (y/n)?";

#[test]
fn the_articles_questions_take_numbers_and_names() {
    let (env, account) = article_with_groups();
    let ran = env
        .muster_with(&["sort-users", "--sandbox", &account], &[], "y\n1\ny\nallheadlessusers\nn\n")
        .exits(3);
    let ran = ran.says(FIRST).says("Which category group should 'asmith' belong to?");
    assert!(ran.stderr.find(FIRST) < ran.stderr.find("User 'bwayne' does not belong"));
    assert_eq!(env.groups_of("asmith"), ["allhumanusers", "allusers"]);
    assert_eq!(env.groups_of("bwayne"), ["allheadlessusers", "allusers"]);
    assert_eq!(env.groups_of("jdoe"), ["allusers"]);
}

#[test]
fn the_common_groups_question_is_the_articles() {
    let (env, account) = article_with_groups();
    let args = [
        "sort-users",
        "--sandbox",
        &account,
        "--force-common-group=false",
        "--user-name",
        "Headless-ci",
        "jdoe",
    ];
    let ran = env.muster_with(&args, &[], "yes\nNO\nn\n").exits(3);
    ran.says(
        "User 'Headless-ci' does not belong to the mandatory common group 'AllUsers'. Do you want to remediate this \
         now (y/n)?",
    );
    assert_eq!(env.groups_of("Headless-ci"), ["allheadlessusers", "allusers"]);
    assert_eq!(env.groups_of("jdoe"), Vec::<String>::new());
}

/// `yes |` answers the first question and can never choose a group.
#[test]
fn yes_never_chooses_a_group() {
    let (env, account) = article_with_groups();
    let ran = env.muster_with(&["sort-users", "--sandbox", &account], &[], &"y\n".repeat(100)).exits(3);
    ran.says("Skipped after five answers that name no group.");
    assert_eq!(env.groups_of("asmith"), ["allusers"]);
}

#[test]
fn a_wrong_answer_is_asked_again_five_times() {
    let (env, account) = article_with_groups();
    let ran = env
        .muster_with(
            &["sort-users", "--sandbox", &account, "--user-name", "asmith"],
            &[],
            "x\n?\ny\n0\n9\n1\n",
        )
        .exits(0);
    assert_eq!(ran.stderr.matches(FIRST).count(), 3);
    assert_eq!(env.groups_of("asmith"), ["allhumanusers", "allusers"]);
    let ran = env
        .muster_with(&["sort-users", "--sandbox", &account, "--user-name", "bwayne"], &[], &"?\n".repeat(9))
        .exits(3);
    ran.says("Skipped after five answers that are neither yes nor no.");
}

/// The end of the input skips all that is left; what was answered counts.
#[test]
fn the_end_of_the_input_skips_the_rest() {
    let (env, account) = article_with_groups();
    env.muster_with(&["sort-users", "--sandbox", &account], &[], "y\n1\ny").exits(3);
    assert_eq!(env.groups_of("asmith"), ["allhumanusers", "allusers"]);
    assert_eq!(env.groups_of("bwayne"), ["allusers"]);
    assert_eq!(env.groups_of("Headless-ci"), ["allheadlessusers", "allusers"]);
}

#[test]
fn yes_to_all_still_lets_a_person_choose_the_group() {
    let (env, account) = article_with_groups();
    let args = ["sort-users", "--sandbox", &account, "--yes", "--force-common-group=false"];
    let ran = env.muster_with(&args, &[], "2\n2\n2\n").exits(0);
    ran.says("Do you want to remediate this now (y/n)? y");
    assert_eq!(env.groups_of("jdoe"), ["allheadlessusers", "allusers"]);
}

#[test]
fn nothing_is_asked_with_no_input() {
    let (env, account) = article_with_groups();
    let ran = env.muster_with(&["sort-users", "--sandbox", &account, "--no-input"], &[], "y\n1\n").exits(3);
    assert!(!ran.stderr.contains("(y/n)?"), "{}", ran.stderr);
    assert_eq!(env.groups_of("asmith"), ["allusers"]);
}

/// With --yes and nobody to choose a group, the questions that need no choice still have their answer.
#[test]
fn yes_answers_all_that_needs_no_choice() {
    let (env, account) = article_with_groups();
    let args = ["sort-users", "--sandbox", &account, "--yes", "--no-input", "--force-common-group=false"];
    env.muster(&args).exits(3);
    for user in ["asmith", "jdoe", "Headless-ci"] {
        assert!(env.groups_of(user).contains(&"allusers".to_owned()), "{user}");
    }
}

/// What a person answered can be written down beforehand, common groups too.
#[test]
fn decisions_name_common_groups_too() {
    let (env, account) = article_with_groups();
    let file = env.write(
        "d.csv",
        "# written down\nuser,group\njdoe,AllUsers\njdoe,AllHumanUsers\nHeadless-ci,AllHumanUsers\n",
    );
    let args = [
        "sort-users",
        "--sandbox",
        &account,
        "--no-input",
        "--force-common-group=false",
        "--decisions",
        &file,
    ];
    env.muster(&args).exits(3).says("the decision about `Headless-ci` is not needed, and not used");
    assert_eq!(env.groups_of("jdoe"), ["allhumanusers", "allusers"]);
    assert_eq!(env.groups_of("asmith"), Vec::<String>::new());
}

/// A conflict is settled on a terminal, by the name, or not at all: never by a scripted answer.
#[test]
fn conflicts_are_not_asked_about_through_a_pipe() {
    let (env, account) =
        account_of(CONFIG, &GROUPS, &[("kknuth", &["AllUsers", "AllHumanUsers", "AllBots"])]);
    let ran = env.muster_with(&["sort-users", "--sandbox", &account], &[], "y\n1\n").exits(3);
    assert!(!ran.stderr.contains("(y/n)?"), "{}", ran.stderr);
    assert_eq!(env.groups_of("kknuth"), ["allbots", "allhumanusers", "allusers"]);
}
