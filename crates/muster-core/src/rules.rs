//! The policies that a config wants its groups to carry, written for one account.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::Severity;
use crate::document::{self, Fault, MANAGED_CHARS_MAX};
use crate::name::GroupName;
use crate::taxonomy::Taxonomy;
use crate::templates::{self, OwnTemplate, Place, TemplateError};

/// The path of managed policies that are muster's: what is elsewhere is never touched.
pub const POLICY_PATH: &str = "/muster/";

/// What names of inline policies that are muster's begin with.
pub const INLINE_PREFIX: &str = "muster-";

/// What names of inline policies begin with that hold denials while a plan is carried out.
pub const INTERIM_PREFIX: &str = "muster-interim-";

/// How groups carry policies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CarriedAs {
    /// Customer managed policies, each there once.
    #[default]
    Managed,
    /// A copy in each group.
    Inline,
}

/// A policy that groups carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Its JSON text.
    pub document: String,
}

/// What the config wants of policies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// How they are carried.
    pub carried_as: CarriedAs,
    /// The policies, by name.
    pub policies: BTreeMap<String, Wanted>,
    /// Names of the policies that each group carries.
    pub groups: BTreeMap<GroupName, Vec<String>>,
}

/// Why the policies of a config cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// A template makes none of it.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The file of a template was not there to be read.
    #[error("there is no template `{0}`")]
    NoTemplate(String),
    /// What came of a template is no policy that AWS takes.
    #[error("the policy `{name}` is one that AWS would refuse: {}", faults.join("; "))]
    Refused {
        /// The policy.
        name: String,
        /// Everything that is wrong with it.
        faults: Vec<String>,
    },
    /// It is too long.
    #[error(
        "the policy `{name}` has {chars} characters without white space, and IAM takes {MANAGED_CHARS_MAX}"
    )]
    TooLong {
        /// The policy.
        name: String,
        /// Its length.
        chars: usize,
    },
}

impl Rules {
    /// Writes the policies for a place; returns what looks wrong with them, too.
    ///
    /// `common` are the policies that the first common group carries, as every user is in all of them.
    ///
    /// # Errors
    ///
    /// With the first policy that cannot be written, or that AWS would refuse.
    pub fn write(
        taxonomy: &Taxonomy,
        common: &[String],
        parameters: &[(String, Value)],
        own: &[OwnTemplate],
        carried_as: CarriedAs,
        place: &Place,
    ) -> Result<(Self, Vec<String>), RulesError> {
        let mut rules = Self { carried_as, ..Self::default() };
        let mut warnings = Vec::new();
        let first_common = taxonomy.common.first().map(|group| (group, common)).into_iter();
        let categories = taxonomy.categories.iter().map(|category| (&category.group, &category.policies[..]));
        for (group, names) in first_common.chain(categories) {
            for name in names {
                let given = parameters.iter().find(|(known, _)| known == name).map(|(_, given)| given);
                let (wanted, mut found) = write(name, given, own, place)?;
                let policies = rules.groups.entry(group.clone()).or_default();
                if !policies.contains(&wanted.name) {
                    policies.push(wanted.name.clone());
                }
                if rules.policies.insert(wanted.name.clone(), wanted).is_none() {
                    warnings.append(&mut found);
                }
            }
        }
        Ok((rules, warnings))
    }

    /// Returns the names of the policies that a group is to carry.
    pub fn of(&self, group: &GroupName) -> &[String] {
        self.groups.get(group).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Writes one policy.
fn write(
    name: &str,
    given: Option<&Value>,
    own: &[OwnTemplate],
    place: &Place,
) -> Result<(Wanted, Vec<String>), RulesError> {
    let (name, policy) = match templates::find(name) {
        Some(template) => (template.name.to_owned(), template.policy(given, place)?),
        None => {
            let template = own.iter().find(|template| template.file == name);
            let template = template.ok_or_else(|| RulesError::NoTemplate(name.to_owned()))?;
            (template.name.clone(), template.policy(given, place)?)
        }
    };
    let (errors, warnings): (Vec<Fault>, Vec<Fault>) =
        document::check(&policy).into_iter().partition(|fault| fault.severity == Severity::Error);
    if !errors.is_empty() {
        let faults = errors.into_iter().map(|fault| fault.message).collect();
        return Err(RulesError::Refused { name, faults });
    }
    let document = policy.to_string();
    let chars = document::chars(&document);
    if chars > MANAGED_CHARS_MAX {
        return Err(RulesError::TooLong { name, chars });
    }
    let warnings = warnings.into_iter().map(|fault| format!("policy `{name}`: {}", fault.message)).collect();
    Ok((Wanted { name, document }, warnings))
}
