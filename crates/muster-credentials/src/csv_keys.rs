//! Access keys in the CSV files that AWS's console hands out.

use secrecy::SecretString;
use zeroize::Zeroizing;

/// An access key in a CSV file.
#[derive(Debug)]
pub struct CsvKey {
    /// Whose it is, where the file says so.
    pub user: Option<String>,
    /// `AKIA…`.
    pub id: String,
    /// The secret half.
    pub secret: SecretString,
    /// The file also holds the user's password.
    pub has_password: bool,
}

/// Why a CSV file has no key to take.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CsvKeysError {
    /// It is no CSV, or has other columns.
    #[error(
        "it is none of the CSV files that AWS's console hands out with an access key: its first line has to name \
         `Access key ID` and `Secret access key`"
    )]
    OtherKind,
    /// It is the one that comes with a password.
    #[error(
        "it holds a password and no access key: make one in the console under Security credentials, or ask an \
         administrator for one"
    )]
    OnlyPassword,
    /// A line has no key where one should be.
    #[error("line {line} has no access key, or only half of one")]
    NoKey {
        /// Which, from 1.
        line: u64,
    },
    /// There is a heading and nothing under it.
    #[error("there is no line under its heading")]
    Empty,
}

/// Reads both kinds: `Access key ID,Secret access key`, and the one with user name and password. Columns are known by
/// their names, which AWS has written in several ways over the years.
pub fn read_csv_keys(bytes: &[u8]) -> Result<Vec<CsvKey>, CsvKeysError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Some(key) = root_key(bytes) {
        return Ok(vec![key]);
    }
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(bytes);
    let head = reader.headers().map_err(|_| CsvKeysError::OtherKind)?;
    let plain = |name: &str| {
        name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
    };
    let names: Vec<String> = head.iter().map(plain).collect();
    let column = |wanted: &[&str]| names.iter().position(|name| wanted.contains(&name.as_str()));
    let password = column(&["password"]);
    let ids = column(&["accesskeyid", "awsaccesskeyid"]);
    let (Some(id), Some(secret)) = (ids, column(&["secretaccesskey", "awssecretkey", "awssecretaccesskey"]))
    else {
        return Err(if password.is_some() { CsvKeysError::OnlyPassword } else { CsvKeysError::OtherKind });
    };
    let user = column(&["username", "user"]);
    let mut keys = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|_| CsvKeysError::OtherKind)?;
        let line = record.position().map_or(0, csv::Position::line);
        let get = |column: Option<usize>| column.and_then(|c| record.get(c)).filter(|text| !text.is_empty());
        let (Some(id), Some(secret)) = (get(Some(id)), get(Some(secret))) else {
            return Err(CsvKeysError::NoKey { line });
        };
        keys.push(CsvKey {
            user: get(user).map(str::to_owned),
            id: id.to_owned(),
            secret: SecretString::from(secret),
            has_password: get(password).is_some(),
        });
    }
    if keys.is_empty() { Err(CsvKeysError::Empty) } else { Ok(keys) }
}

/// Reads the file that came with a key of the account itself: `AWSAccessKeyId=…` and `AWSSecretKey=…`, a line each.
fn root_key(bytes: &[u8]) -> Option<CsvKey> {
    let text = Zeroizing::new(std::str::from_utf8(bytes).ok()?.to_owned());
    let value = |name: &str| {
        let mut lines = text.lines();
        lines.find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
    };
    let (id, secret) = (value("AWSAccessKeyId")?, Zeroizing::new(value("AWSSecretKey")?));
    Some(CsvKey { user: None, id, secret: SecretString::from(secret.as_str()), has_password: false })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn every_file_of_the_console_is_read() {
        for (text, user, has_password) in [
            ("Access key ID,Secret access key\nAKIAEXAMPLE,EXAMPLE/+\n", None, false),
            ("\u{feff}Access key ID,Secret access key\r\nAKIAEXAMPLE,EXAMPLE/+", None, false),
            (
                "User name,Password,Access key ID,Secret access key,Console login link\nme,\"p,w\",AKIAEXAMPLE,EXAMPLE/+,https://x\n",
                Some("me"),
                true,
            ),
            (
                "User Name,Access Key Id,Secret Access Key\r\n\"me\",AKIAEXAMPLE,EXAMPLE/+\r\n",
                Some("me"),
                false,
            ),
            (
                "User name,Password,Access key ID,Secret access key\nme,,AKIAEXAMPLE,EXAMPLE/+\n",
                Some("me"),
                false,
            ),
            ("AWSAccessKeyId=AKIAEXAMPLE\r\nAWSSecretKey=EXAMPLE/+\r\n", None, false),
        ] {
            let keys = read_csv_keys(text.as_bytes()).unwrap();
            let [key] = keys.as_slice() else { panic!("{text}") };
            assert_eq!((key.user.as_deref(), key.has_password), (user, has_password), "{text}");
            assert_eq!((key.id.as_str(), key.secret.expose_secret()), ("AKIAEXAMPLE", "EXAMPLE/+"), "{text}");
        }
    }

    #[test]
    fn what_is_no_such_file_is_told_apart_and_not_repeated() {
        let refused = |text: &str| read_csv_keys(text.as_bytes()).unwrap_err().to_string();
        assert!(refused("a,b\nSECRET,SECRET\n").contains("none of the CSV files"));
        assert!(refused("").contains("none of the CSV files"));
        assert!(
            refused("User name,Password,Console sign-in URL\nme,SECRET,https://x\n")
                .contains("a password and no")
        );
        assert!(refused("Access key ID,Secret access key\n").contains("no line"));
        assert_eq!(
            refused("Access key ID,Secret access key\nAKIA\n"),
            "line 2 has no access key, or only half of one"
        );
    }
}
