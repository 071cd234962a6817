//! Config files as people have them, and as they get them wrong.

use muster_core::config::{
    ConfigFile, Format, Origin, Overrides, Problem, Settings, Severity, Tool, line_and_column, resolve,
    schema, to_toml,
};
use muster_core::lint;

/// The article's config with its section pasted in, byte for byte as people have it.
const ARTICLE: &str = include_str!("../../../examples/article.json");

fn load(text: &str, format: Format, tool: Tool, given: &Overrides) -> (Settings, Vec<Problem>) {
    let (file, mut problems) = ConfigFile::parse(text, format);
    let (settings, more) = resolve(file.as_ref(), tool, given);
    problems.extend(more);
    (settings, problems)
}

fn groups(settings: &Settings) -> Vec<String> {
    settings.taxonomy.groups().map(|(name, role)| format!("{name} ({role})")).collect()
}

fn patterns(settings: &Settings) -> Vec<Option<&str>> {
    settings
        .taxonomy
        .categories
        .iter()
        .map(|c| c.rule.pattern.as_ref().map(muster_core::pattern::Pattern::as_str))
        .collect()
}

/// Each problem as `line:column: message`.
fn told(text: &str, problems: &[Problem]) -> Vec<String> {
    let line = |problem: &Problem| {
        let place = problem.span.as_ref().map(|span| {
            let (line, column) = line_and_column(text, span.start);
            format!("{line}:{column}: ")
        });
        format!("{:?} {}{}", problem.severity, place.unwrap_or_default(), problem.message)
    };
    problems.iter().map(line).collect()
}

#[test]
fn the_articles_config_loads_as_it_is() {
    let (settings, problems) = load(ARTICLE, Format::Recipes, Tool::SortUsers, &Overrides::default());
    assert_eq!(told(ARTICLE, &problems), Vec::<String>::new());
    assert_eq!(
        groups(&settings),
        [
            "AllUsers (common)",
            "AllHumanUsers (category)",
            "AllHeadlessUsers (category)",
            "AllMisconfiguredUsers (category)"
        ]
    );
    assert_eq!(patterns(&settings), [None, Some("^Headless-(.*)"), Some("^MisconfiguredUser-(.*)")]);
    assert!(settings.force_common_group && !settings.create_groups);
    assert_eq!(ConfigFile::parse(ARTICLE, Format::Recipes).0.unwrap().profile_name(), Some("isecpartners"));
}

#[test]
fn the_articles_first_block_loads_too() {
    let start = ARTICLE.find("\"aws_sort_users.py\"").unwrap();
    let first_block = format!("{}}}", ARTICLE[..start].trim_end().trim_end_matches(','));
    let (settings, problems) = load(&first_block, Format::Recipes, Tool::SortUsers, &Overrides::default());
    assert!(problems.is_empty(), "{problems:?}");
    assert!(!settings.force_common_group);
}

#[test]
fn the_later_json_keeps_its_keys_under_shared() {
    let text = r#"{ "shared": { "common_groups": ["A"], "category_groups": ["B", "C"], "category_regex": ["", "c-"] },
                    "awsrecipes_sort_iam_users.py": { "force_common_group": true, "common_groups": ["Z"] } }"#;
    let (sort, problems) = load(text, Format::Recipes, Tool::SortUsers, &Overrides::default());
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(groups(&sort), ["Z (common)", "B (category)", "C (category)"]);
    assert!(sort.force_common_group);
    // The section is the one tool's alone (W11: both tools read sections alike).
    let (create, _) = load(text, Format::Recipes, Tool::CreateDefaultGroups, &Overrides::default());
    assert_eq!(groups(&create)[0], "A (common)");
    assert!(!create.force_common_group);
}

#[test]
fn the_command_line_wins_over_the_section_over_the_top_level() {
    let text = r#"{ "common_groups": ["Top"], "category_groups": ["B"], "force_common_group": false,
                    "sort-users": { "common_groups": ["Section"], "force_common_group": true } }"#;
    let given = Overrides { common_groups: Some(vec!["Line".to_owned()]), ..Overrides::default() };
    let (settings, problems) = load(text, Format::Recipes, Tool::SortUsers, &given);
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(groups(&settings), ["Line (common)", "B (category)"]);
    let origin = |key: &str| settings.shown.iter().find(|setting| setting.key == key).unwrap().origin.clone();
    assert_eq!(origin("common_groups"), Origin::CommandLine);
    assert!(matches!(origin("force_common_group"), Origin::Section(name, _) if name == "sort-users"));
    assert!(matches!(origin("category_groups"), Origin::File(_)));
    assert_eq!(origin("create_groups"), Origin::Default);
}

#[test]
fn the_native_form_says_more() {
    let text = r#"
common_groups = ["AllUsers"]
account = "123456789012"
path_prefix = "/people/"
disabled_group = "Disabled"

[[category]]
group = "Humans"
credentials = { password = true, mfa = true, access_key = false }
policies = ["enforce-mfa"]

[[category]]
group = "Robots"
pattern = '^robot-'
path = "/robots/"
tags = { kind = "robot" }

[policy.enforce-source-ip]
source_ip = ["203.0.113.0/24"]

[recipients]
alice = "age1example"

[[protected]]
user = "^break-glass"
reason = "for emergencies"

[[exempt]]
rule = "old-access-key"
user = "^legacy-"
reason = "is replaced this year"
until = "2026-12-31"

[sort-users]
force_common_group = true
"#;
    let (settings, problems) = load(text, Format::Native, Tool::SortUsers, &Overrides::default());
    assert_eq!(told(text, &problems), Vec::<String>::new());
    assert!(settings.force_common_group);
    assert_eq!(settings.accounts, ["123456789012"]);
    let robots = &settings.taxonomy.categories[1];
    assert_eq!((robots.rule.path.as_deref(), robots.rule.tags.len()), (Some("/robots/"), 1));
    assert!(settings.taxonomy.categories[0].credentials.unwrap().mfa);
    assert_eq!(settings.taxonomy.protected[0].reason, "for emergencies");
    assert_eq!(settings.policies[0].1["source_ip"][0], "203.0.113.0/24");
    assert_eq!(settings.exempt[0].until, "2026-12-31");
    assert_eq!(settings.recipients, [("alice".to_owned(), "age1example".to_owned())]);
}

/// W10: wrong types, unknown keys, wrong lengths and wrong patterns are all told, in one go.
#[test]
fn every_problem_is_told_with_its_place() {
    let text = r#"{
  "common_groups": "AllUsers",
  "category_groups": ["A b", "a", "A", "C"],
  "category_regex": ["", "(", "x"],
  "force_common_grup": true,
  "create_groups": "yes"
}"#;
    let (_, problems) = load(text, Format::Recipes, Tool::SortUsers, &Overrides::default());
    assert_eq!(
        told(text, &problems),
        [
            "Error 2:20: `common_groups` must be a list of texts, and this is a text",
            "Warning 5:3: `force_common_grup` is no key of a config, and is ignored",
            "Error 6:20: `create_groups` must be true or false, and this is a text",
            "Error 4:21: `category_regex` has 3 patterns and `category_groups` has 4 groups; both lists must have the same length",
            "Error 4:26: the pattern `(` is wrong: this group is not closed (at character 1)",
            "Error 3:23: `A b` cannot be the name of a group: IAM does not allow ' ' in it, only letters, digits and + = , . @ _ -",
            "Error 3:35: the group `A` is named twice (as `a`; IAM ignores case)",
        ]
    );
    assert_eq!(problems[1].help.as_deref(), Some("did you mean `force_common_group`?"));
}

#[test]
fn a_wrong_pattern_is_told_with_its_place() {
    let text = "common_groups = []\n[[category]]\ngroup = \"A\"\npattern = \"(a\"\n";
    let (_, problems) = load(text, Format::Native, Tool::SortUsers, &Overrides::default());
    assert_eq!(
        told(text, &problems),
        ["Error 4:11: the pattern `(a` is wrong: this group is not closed (at character 1)"]
    );
}

#[test]
fn files_that_are_no_config_are_told_so() {
    let deep = "[".repeat(100_000);
    for (text, format, word) in [
        ("", Format::Recipes, "empty"),
        ("[]", Format::Recipes, "table"),
        ("{\"a\": }", Format::Recipes, "not JSON"),
        ("{'a': 1}", Format::Recipes, "not JSON"),
        ("a = = 1", Format::Native, "not TOML"),
        ("{\"x\": 1, \"x\": 2}", Format::Recipes, "twice"),
        (deep.as_str(), Format::Recipes, "not JSON"),
        (deep.as_str(), Format::Native, "not TOML"),
    ] {
        let (_, problems) = ConfigFile::parse(text, format);
        assert!(
            problems.iter().any(|p| p.severity == Severity::Error && p.message.contains(word)),
            "{word}: {problems:?}"
        );
    }
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_fine() {
    let text = format!("\u{feff}{}", ARTICLE.replace('\n', "\r\n"));
    let (settings, problems) = load(&text, Format::Recipes, Tool::SortUsers, &Overrides::default());
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(groups(&settings).len(), 4);
}

#[test]
fn a_list_on_the_command_line_replaces_the_files() {
    let given = |groups: &[&str], regex: Option<&[&str]>| Overrides {
        category_groups: Some(groups.iter().map(|g| (*g).to_owned()).collect()),
        category_regex: regex.map(|regex| regex.iter().map(|r| (*r).to_owned()).collect()),
        ..Overrides::default()
    };
    let (_, problems) = load(ARTICLE, Format::Recipes, Tool::SortUsers, &given(&["X", "Y"], None));
    assert!(problems[0].message.contains("3 patterns"), "{problems:?}");
    let (settings, problems) =
        load(ARTICLE, Format::Recipes, Tool::SortUsers, &given(&["X", "Y"], Some(&["", "y-"])));
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(patterns(&settings), [None, Some("y-")]);
    // On the tables of the native form, a group keeps the rule it has there.
    let native = "[[category]]\ngroup = \"X\"\npattern = \"x-\"\n[[category]]\ngroup = \"Y\"\n";
    let (settings, problems) = load(native, Format::Native, Tool::SortUsers, &given(&["Y", "x"], None));
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(patterns(&settings), [None, Some("x-")]);
}

#[test]
fn the_toml_of_a_json_config_means_the_same() {
    let (file, _) = ConfigFile::parse(ARTICLE, Format::Recipes);
    let (toml, problems) = to_toml(&file.unwrap());
    assert!(problems.is_empty());
    insta::assert_snapshot!(toml, @r#"
    profile_name = "isecpartners"
    common_groups = ["AllUsers"]
    force_common_group = true

    [[category]]
    group = "AllHumanUsers"
    # no pattern: a person decides who belongs to it

    [[category]]
    group = "AllHeadlessUsers"
    pattern = "^Headless-(.*)"

    [[category]]
    group = "AllMisconfiguredUsers"
    pattern = "^MisconfiguredUser-(.*)"

    [sort-users]
    create_groups = false
    "#);
    let (before, _) = load(ARTICLE, Format::Recipes, Tool::SortUsers, &Overrides::default());
    let (after, problems) = load(&toml, Format::Native, Tool::SortUsers, &Overrides::default());
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(before.taxonomy, after.taxonomy);
    assert_eq!(before.force_common_group, after.force_common_group);
}

#[test]
fn the_schema_knows_every_key() {
    let schema = schema();
    let properties = schema["properties"].as_object().unwrap();
    for key in muster_core::config::KEYS {
        assert_eq!(properties[key.name]["description"], key.meaning);
    }
    assert!(properties.contains_key("aws_sort_users.py") && properties.contains_key("shared"));
    assert_eq!(properties["category"]["items"]["properties"]["pattern"]["type"], "string");
}

#[test]
fn the_articles_contradiction_is_pointed_out() {
    let (settings, _) = load(ARTICLE, Format::Recipes, Tool::SortUsers, &Overrides::default());
    let told: Vec<String> = lint::config(&settings.taxonomy, None).into_iter().map(|p| p.message).collect();
    assert_eq!(
        told,
        [
            "nobody is assigned to `AllHumanUsers` by itself: it has no pattern",
            "the pattern `^Headless-(.*)` does not match names that start with `HeadlessUser-`, which the group \
             `AllHeadlessUsers` suggests",
        ]
    );
}

#[test]
fn a_default_category_must_be_a_category() {
    let given = Overrides { default_category: Some("Nobody".to_owned()), ..Overrides::default() };
    let (_, problems) = load(ARTICLE, Format::Recipes, Tool::SortUsers, &given);
    assert_eq!(
        told(ARTICLE, &problems),
        ["Error `default_category` is `Nobody`, which is no category group"]
    );
}

/// A protection that protects nobody, or everybody, is an error: silently it would be the worst accident.
#[test]
fn a_selector_that_picks_nobody_or_everybody_is_an_error() {
    for (text, word) in [
        ("[[protected]]\nuser = \"\"\nreason = \"r\"\n", "protects nobody"),
        ("[[protected]]\nreason = \"r\"\n", "protects nobody"),
        ("[[protected]]\nuser = \"a\"\npath = \"\"\nreason = \"r\"\n", "must start with `/`"),
        ("[[category]]\ngroup = \"A\"\npath = \"people/\"\n", "must start with `/`"),
        ("\"sort-users\" = true\n", "must be a table"),
        ("max_changes = -1\n", "a whole number"),
    ] {
        let (_, problems) = load(text, Format::Native, Tool::SortUsers, &Overrides::default());
        assert!(
            problems.iter().any(|p| p.severity == Severity::Error && p.message.contains(word)),
            "{text}: {problems:?}"
        );
    }
    let (settings, _) = load("max_changes = 0x10\n", Format::Native, Tool::SortUsers, &Overrides::default());
    assert_eq!(settings.max_changes, Some(16));
}

#[test]
fn a_converted_config_with_lists_in_a_section_loads() {
    let text = r#"{"category_groups": ["A", "B"], "category_regex": ["", "b\\d"],
                   "aws_sort_users.py": {"category_groups": ["C", "D"], "category_regex": ["c", ""]}}"#;
    let (file, _) = ConfigFile::parse(text, Format::Recipes);
    let (toml, _) = to_toml(&file.unwrap());
    for tool in [Tool::SortUsers, Tool::CreateUser] {
        let (before, _) = load(text, Format::Recipes, tool, &Overrides::default());
        let (after, problems) = load(&toml, Format::Native, tool, &Overrides::default());
        assert!(problems.is_empty(), "{problems:?}\n{toml}");
        assert_eq!(before.taxonomy, after.taxonomy);
    }
}

#[test]
fn a_file_of_ninety_thousand_keys_is_read_in_no_time() {
    let keys: Vec<String> = (0..90_000).map(|i| format!("\"k{i}\":1")).collect();
    let groups: Vec<String> = (0..60_000).map(|i| format!("\"g{i}\"")).collect();
    let text = format!("{{{},\"category_groups\":[{}]}}", keys.join(","), groups.join(","));
    let start = std::time::Instant::now();
    let (_, problems) = load(&text, Format::Recipes, Tool::SortUsers, &Overrides::default());
    assert_eq!(problems.len(), 90_000);
    assert!(start.elapsed().as_secs() < 60, "quadratic: {:?}", start.elapsed());
}

#[test]
fn too_many_common_groups_are_pointed_out() {
    let groups: Vec<String> = (0..10).map(|i| format!("\"g{i}\"")).collect();
    let text = format!("common_groups = [{}]\n[[category]]\ngroup = \"c\"\n", groups.join(", "));
    let (_, problems) = load(&text, Format::Native, Tool::SortUsers, &Overrides::default());
    assert!(
        problems[0].severity == Severity::Warning && problems[0].message.contains("10 groups"),
        "{problems:?}"
    );
}

#[test]
fn policies_are_checked_before_anything_is_called() {
    for (policies, tables, says) in [
        (r#""enforce-tls", "policies/own.json""#, "", None),
        (r#""enforce-source-ip""#, "[policy.enforce-source-ip]\nsource_ip = \"203.0.113.0/24\"", None),
        (r#""enforce-mfs""#, "", Some("there is no policy `enforce-mfs`")),
        ("", "[policy.whatever]\nx = 1", Some("there is no policy `whatever`")),
        (r#""enforce-source-ip""#, "", Some("`enforce-source-ip` needs its parameter `source_ip`")),
        ("", "[policy.enforce-mfa]\nmax_age = \"1h\"", Some("`enforce-mfa` has no parameter `max_age`")),
        (
            "",
            "[policy.enforce-mfa]\nmax_session_age = 12",
            Some("`max_session_age` of `enforce-mfa` is a time"),
        ),
    ] {
        let text = format!(
            "common_groups = [\"AllUsers\"]\n[[category]]\ngroup = \"Humans\"\npolicies = [{policies}]\n{tables}\n"
        );
        let (_, problems) = load(&text, Format::Native, Tool::SortUsers, &Overrides::default());
        let told = told(&text, &problems);
        match says {
            None => assert_eq!(told, Vec::<String>::new(), "{text}"),
            Some(says) => assert!(told.len() == 1 && told[0].contains(says), "{text}{told:?}"),
        }
        assert!(problems.iter().all(|problem| problem.span.is_some()), "{problems:?}");
    }
}
