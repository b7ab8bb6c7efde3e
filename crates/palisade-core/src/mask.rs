//! Passwords on command lines do not leave the host.

/// What names a secret, before `=`, `:` or a blank.
const SECRETS: [&str; 9] =
    ["password", "passwd", "passphrase", "secret", "token", "apikey", "api-key", "api_key", "credential"];
const MASK: &str = "***";

/// The command line with the values of what looks like a secret replaced: `--password x`,
/// `--token=x`, `PASSWORD=x`, `"TOKEN": "x"`, and the password in `scheme://user:password@host`.
/// A secret without a name (`mysql -psecret`) cannot be told from anything else, and stays.
pub fn mask(line: &str) -> String {
    let mut hide_next = false;
    let masked = line.split(' ').map(|word| {
        if std::mem::take(&mut hide_next) && !word.starts_with('-') {
            return MASK.to_owned();
        }
        let lower = word.to_ascii_lowercase();
        // lower case of ASCII only, so that both have the same positions
        match lower.find(['=', ':']).filter(|at| names_secret(&lower[..*at])) {
            Some(at) if at + 1 == word.len() => {
                hide_next = lower.ends_with(':');
                word.to_owned()
            }
            Some(at) => format!("{}{MASK}", &word[..=at]),
            None if word.starts_with("--") && names_secret(&lower) => {
                hide_next = true;
                word.to_owned()
            }
            None => mask_address(word),
        }
    });
    masked.collect::<Vec<_>>().join(" ")
}

fn names_secret(word: &str) -> bool {
    let word = word.trim_end_matches(['"', '\'']);
    SECRETS.iter().any(|secret| word.contains(secret)) && !word.ends_with("file") && !word.ends_with("path")
}

fn mask_address(word: &str) -> String {
    let hidden = || {
        let (scheme, rest) = word.split_once("://")?;
        let (account, host) = rest.split('/').next()?.rsplit_once('@')?;
        let (user, _) = account.split_once(':')?;
        let after = &rest[account.len() + 1 + host.len()..];
        Some(format!("{scheme}://{user}:{MASK}@{host}{after}"))
    };
    hidden().unwrap_or_else(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_the_rest_stays() {
        let cases = [
            ("mysqld --password=abc --port=3306", "mysqld --password=*** --port=3306"),
            ("x --api-key K1 --verbose", "x --api-key *** --verbose"),
            ("env DB_PASSWORD=a=b run", "env DB_PASSWORD=*** run"),
            ("palisade agent --token-file /run/t", "palisade agent --token-file /run/t"),
            ("curl https://u:p@h.example/x?y", "curl https://u:***@h.example/x?y"),
            ("x {\"A_TOKEN\": \"t\", \"B\": 1}", "x {\"A_TOKEN\": *** \"B\": 1}"),
            ("x {\"SECRET\":\"t\"}", "x {\"SECRET\":***"),
            ("nginx: worker process é=ü", "nginx: worker process é=ü"),
            ("x --token", "x --token"),
        ];
        for (given, expected) in cases {
            assert_eq!(mask(given), expected);
        }
    }
}
