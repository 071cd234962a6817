//! The credential report, read by the names of its columns.
//!
//! Source: IAM User Guide, "Get credential reports for your AWS account": columns may be added, so their order says nothing;
//! `N/A`, `no_information` and `not_supported` stand where there is no value. It names no keys, so nothing is deleted by it.

use std::collections::BTreeMap;

use super::Known;
use crate::name::UserName;
use crate::roster::User;

/// The row of the account's own user.
const ROOT: &str = "<root_account>";

/// The credentials of an account at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CredentialReport {
    /// When it was made, in seconds since 1970.
    pub made_s: i64,
    /// Rows of users, by name.
    pub users: BTreeMap<UserName, CredentialRow>,
    /// The root user's row.
    pub root: Option<CredentialRow>,
    /// Why users whom the report does not know could not be looked at themselves.
    pub unseen: BTreeMap<UserName, String>,
}

/// The credentials of a user. All times are in seconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CredentialRow {
    /// When the user was created.
    pub created_s: Option<i64>,
    /// It can sign in to the console.
    pub password: bool,
    /// It certainly has none. Of a root user the report often does not say.
    pub has_no_password: bool,
    /// When the password was last used, if ever.
    pub password_used_s: Option<i64>,
    /// When the password was set.
    pub password_changed_s: Option<i64>,
    /// It has an MFA device.
    pub mfa: bool,
    /// Its access keys.
    pub keys: Vec<KeyRow>,
    /// Read from the account itself, later than the report was made, as the report does not know the user.
    pub read_s: Option<i64>,
}

/// An access key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyRow {
    /// It can be used.
    pub active: bool,
    /// When it was made.
    pub made_s: Option<i64>,
    /// When it was last used, if ever.
    pub used_s: Option<i64>,
}

/// Why a report cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// It is no CSV.
    #[error("the credential report cannot be read: {0}")]
    Csv(#[from] csv::Error),
    /// A column is not there.
    #[error("the credential report has no column `{0}`")]
    Column(&'static str),
    /// A value is none of those that the column has.
    #[error("the credential report has `{value}` in the column `{column}`, which is no {wanted}")]
    Value {
        /// The column.
        column: &'static str,
        /// What is in it.
        value: String,
        /// What should be.
        wanted: &'static str,
    },
}

impl Known<CredentialReport> {
    /// Takes a report that is older than this for none.
    #[must_use]
    pub fn not_older_than(self, hours_max: u32, now_s: i64) -> Self {
        match self {
            Self::Yes(report) => {
                let age_s = now_s.saturating_sub(report.made_s);
                // AWS gives the same report for four hours; a minute for the way.
                if age_s <= i64::from(hours_max) * 3_600 + 60 {
                    return Self::Yes(report);
                }
                let hours = age_s / 3_600;
                Self::No(format!(
                    "it is {hours} hours old, and `report_age_hours` is {hours_max}; AWS makes a new one every four hours"
                ))
            }
            other => other,
        }
    }
}

impl CredentialReport {
    /// Returns a user's row; none where the report knows nobody of that name, or only somebody who bore it before.
    pub fn row(&self, user: &User) -> Option<&CredentialRow> {
        let row = self.users.get(&user.name)?;
        let same = user.created_s.is_none() || row.created_s.is_none() || user.created_s == row.created_s;
        Some(row).filter(|_| same)
    }

    /// Reads a report.
    ///
    /// # Errors
    ///
    /// Where a column that is needed is not there, or holds something else: half a report would let half the account pass.
    pub fn read(text: &[u8], made_s: i64) -> Result<Self, ReportError> {
        let mut reader = csv::Reader::from_reader(text);
        let head = reader.headers()?.clone();
        let place = |column: &'static str| {
            head.iter().position(|name| name == column).ok_or(ReportError::Column(column))
        };
        let user = place("user")?;
        let columns = Columns::find(&place)?;
        let mut report = Self { made_s, ..Self::default() };
        for record in reader.records() {
            let record = record?;
            let row = columns.row(&record)?;
            match record.get(user).unwrap_or_default() {
                ROOT => report.root = Some(row),
                name => {
                    report.users.insert(UserName::new(name), row);
                }
            }
        }
        Ok(report)
    }
}

/// Where the columns are.
struct Columns {
    created: usize,
    password: usize,
    used: usize,
    changed: usize,
    mfa: usize,
    keys: [[usize; 3]; 2],
}

impl Columns {
    fn find(place: &impl Fn(&'static str) -> Result<usize, ReportError>) -> Result<Self, ReportError> {
        Ok(Self {
            created: place("user_creation_time")?,
            password: place("password_enabled")?,
            used: place("password_last_used")?,
            changed: place("password_last_changed")?,
            mfa: place("mfa_active")?,
            keys: [
                [
                    place("access_key_1_active")?,
                    place("access_key_1_last_rotated")?,
                    place("access_key_1_last_used_date")?,
                ],
                [
                    place("access_key_2_active")?,
                    place("access_key_2_last_rotated")?,
                    place("access_key_2_last_used_date")?,
                ],
            ],
        })
    }

    fn row(&self, record: &csv::StringRecord) -> Result<CredentialRow, ReportError> {
        let get = |place: usize| record.get(place).unwrap_or_default();
        let mut keys = Vec::new();
        for [active, made, used] in self.keys {
            let key = KeyRow {
                active: flag("access_key_N_active", get(active))?,
                made_s: time("access_key_N_last_rotated", get(made))?,
                used_s: time("access_key_N_last_used_date", get(used))?,
            };
            // An inactive key keeps the date on which it was made; without one there is no key.
            if key.active || key.made_s.is_some() {
                keys.push(key);
            }
        }
        Ok(CredentialRow {
            created_s: time("user_creation_time", get(self.created))?,
            password: flag("password_enabled", get(self.password))?,
            has_no_password: get(self.password).eq_ignore_ascii_case("false"),
            password_used_s: time("password_last_used", get(self.used))?,
            password_changed_s: time("password_last_changed", get(self.changed))?,
            mfa: flag("mfa_active", get(self.mfa))?,
            keys,
            read_s: None,
        })
    }
}

fn flag(column: &'static str, value: &str) -> Result<bool, ReportError> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" | "n/a" | "not_supported" => Ok(false),
        _ => Err(ReportError::Value { column, value: value.to_owned(), wanted: "truth value" }),
    }
}

fn time(column: &'static str, value: &str) -> Result<Option<i64>, ReportError> {
    match value.to_ascii_lowercase().as_str() {
        "n/a" | "no_information" | "not_supported" | "" => Ok(None),
        _ => match value.parse::<jiff::Timestamp>() {
            Ok(time) => Ok(Some(time.as_second())),
            Err(_) => Err(ReportError::Value { column, value: value.to_owned(), wanted: "time" }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "arn,user,user_creation_time,password_enabled,password_last_used,password_last_changed,\
                        password_next_rotation,mfa_active,access_key_1_active,access_key_1_last_rotated,\
                        access_key_1_last_used_date,access_key_2_active,access_key_2_last_rotated,\
                        access_key_2_last_used_date,additional_credentials_info";

    #[test]
    fn a_report_is_read_by_the_names_of_its_columns() {
        let text = format!(
            "{HEAD}\na,<root_account>,2014-05-13T16:53:20Z,not_supported,no_information,not_supported,not_supported,\
             TRUE,false,N/A,N/A,false,N/A,N/A,x\n\
             b,Alice,2020-01-01T00:00:00+00:00,true,2020-02-01T00:00:00Z,2020-01-02T00:00:00Z,N/A,false,false,\
             2020-01-03T00:00:00Z,N/A,true,2020-01-04T00:00:00Z,2020-01-05T00:00:00Z,x"
        );
        let report = CredentialReport::read(text.as_bytes(), 7).unwrap();
        let root = report.root.unwrap();
        assert!(root.mfa && !root.password && root.keys.is_empty());
        let alice = &report.users[&UserName::new("alice")];
        assert!(alice.password && !alice.mfa);
        assert_eq!(alice.created_s, Some(1_577_836_800));
        assert_eq!(alice.keys.len(), 2);
        assert!(!alice.keys[0].active && alice.keys[0].used_s.is_none());
        assert!(alice.keys[1].active && alice.keys[1].used_s.is_some());
        assert_eq!(report.made_s, 7);
    }

    #[test]
    fn half_a_report_is_an_error() {
        let error = |text: &str| CredentialReport::read(text.as_bytes(), 0).unwrap_err().to_string();
        assert_eq!(error("user,arn\nx,y"), "the credential report has no column `user_creation_time`");
        assert_eq!(error(""), "the credential report has no column `user`");
        let row = "b,x,N/A,perhaps,N/A,N/A,N/A,false,false,N/A,N/A,false,N/A,N/A,x";
        let says = error(&format!("{HEAD}\n{row}"));
        assert!(says.contains("`perhaps` in the column `password_enabled`"), "{says}");
        assert!(error(&format!("{HEAD}\nb,x,yesterday,true")).contains("cannot be read"));
    }
}
