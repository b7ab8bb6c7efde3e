//! What a host demands of a new password, worked out from its PAM stacks. Pure.

use palisade_sys::pam::{Pam, Rule};

/// The modules that can refuse a weak password, the one that decides first.
const QUALITY: [&str; 3] = ["pam_pwquality", "pam_cracklib", "pam_passwdqc"];
/// The four classes by their credit: lower case, upper case, digits, others.
const CREDITS: [&str; 4] = ["lcredit", "ucredit", "dcredit", "ocredit"];

/// What the quality module enforces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The fewest characters with which a password can pass.
    pub length: u32,
    /// How many of the four classes it must have.
    pub classes: u32,
    /// The rule and the values that decide, as captured.
    pub evidence: String,
}

/// The policy, or `None` if no module checks quality or the one that does only warns.
pub fn policy(pam: &Pam) -> Option<Policy> {
    let passwords = || pam.rules.iter().filter(|rule| rule.kind == "password");
    let rule = QUALITY.iter().find_map(|module| passwords().find(|rule| rule.module == *module))?;
    match rule.module.as_str() {
        "pam_passwdqc" => passwdqc(rule),
        "pam_cracklib" => Some(credits(rule, &|name| rule.arg(name).map(str::to_owned), 9, 1)),
        _ => {
            // arguments of the module win over the files (pam_pwquality(8))
            let value = |name: &str| {
                rule.arg(name).map(str::to_owned).or_else(|| pam.pwquality.get(name).map(|v| v.value.clone()))
            };
            let warns_only = value("enforcing").as_deref() == Some("0");
            (!warns_only).then(|| with_files(credits(rule, &value, 8, 0), rule, pam))
        }
    }
}

/// Length and classes by `minlen`, `minclass` and the credits: a negative credit demands that many
/// characters of its class, a positive one shortens the length by that many.
fn credits(rule: &Rule, value: &dyn Fn(&str) -> Option<String>, minlen: i64, credit: i64) -> Policy {
    let number = |name: &str, default: i64| value(name).and_then(|v| v.parse().ok()).unwrap_or(default);
    let credits = CREDITS.map(|name| number(name, credit));
    let bonus: i64 = credits.iter().filter(|c| **c > 0).fold(0, |sum: i64, c| sum.saturating_add(*c));
    let demanded = credits.iter().filter(|c| **c < 0).count() as i64;
    // neither module lets fewer than six characters pass
    let length = number("minlen", minlen).max(6).saturating_sub(bonus).clamp(6, 1_000);
    let classes = number("minclass", 0).max(demanded).clamp(0, 4);
    Policy { length: length as u32, classes: classes as u32, evidence: rule.to_string() }
}

fn with_files(policy: Policy, rule: &Rule, pam: &Pam) -> Policy {
    let names = ["minlen", "minclass"].into_iter().chain(CREDITS);
    let read = names.filter(|name| rule.arg(name).is_none()).filter_map(|name| {
        let value = pam.pwquality.get(name)?;
        Some(format!("{name} = {}, {}:{}", value.value, value.file, value.line))
    });
    let evidence = std::iter::once(policy.evidence).chain(read).collect::<Vec<_>>().join("\n");
    Policy { evidence, ..policy }
}

/// `min=N0,N1,N2,N3,N4` of passwdqc: the shortest password of one class, two, a phrase, three, four.
fn passwdqc(rule: &Rule) -> Option<Policy> {
    if rule.arg("enforce") == Some("none") {
        return None;
    }
    let given = rule.arg("min").unwrap_or("disabled,24,11,8,7");
    let min: Vec<Option<u32>> = given.split(',').map(|n| n.parse().ok()).collect();
    let at = |i: usize| min.get(i).copied().flatten();
    let kinds = [(1, at(0)), (2, at(1)), (3, at(3)), (4, at(4))];
    let allowed = || kinds.into_iter().filter_map(|(classes, length)| Some((classes, length?)));
    Some(Policy {
        length: allowed().map(|(_, length)| length).min().unwrap_or(0),
        classes: allowed().map(|(classes, _)| classes).min().unwrap_or(0),
        evidence: rule.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_sys::pam::{rules, values};

    fn of(password: &str, conf: &str) -> Option<(u32, u32)> {
        let pam = Pam {
            rules: rules("common-password", password),
            pwquality: values("pwquality.conf", conf),
            ..Pam::default()
        };
        policy(&pam).map(|p| (p.length, p.classes))
    }

    #[test]
    fn without_a_quality_module_there_is_no_policy() {
        assert_eq!(of("password required pam_unix.so obscure minlen=12\n", "minlen = 14\n"), None);
    }

    #[test]
    fn the_module_s_arguments_win_over_its_files() {
        assert_eq!(of("password requisite pam_pwquality.so minlen=10\n", "minlen = 14\nminclass = 4\n"), Some((10, 4)));
        assert_eq!(of("password requisite pam_pwquality.so retry=3\n", ""), Some((8, 0)));
        assert_eq!(of("password requisite pam_pwquality.so\n", "enforcing = 0\n"), None);
    }

    #[test]
    fn negative_credits_demand_and_positive_ones_shorten() {
        let all = "lcredit=-1 ucredit=-1 dcredit=-1 ocredit=-1";
        assert_eq!(of(&format!("password requisite pam_pwquality.so minlen=8 {all}\n"), ""), Some((8, 4)));
        assert_eq!(of("password requisite pam_cracklib.so minlen=10\n", ""), Some((6, 0)));
        assert_eq!(of("password requisite pam_pwquality.so minlen=10\n", "dcredit = 2\n"), Some((8, 0)));
    }

    #[test]
    fn passwdqc_is_as_weak_as_the_weakest_kind_that_it_allows() {
        assert_eq!(of("password requisite pam_passwdqc.so\n", ""), Some((7, 2)));
        assert_eq!(
            of("password requisite pam_passwdqc.so min=disabled,disabled,disabled,disabled,12\n", ""),
            Some((12, 4))
        );
    }

    #[test]
    fn huge_numbers_and_nonsense_do_no_harm() {
        assert_eq!(
            of("password requisite pam_pwquality.so minlen=99999999999999 minclass=-7 dcredit=x\n", ""),
            Some((1_000, 0))
        );
        assert_eq!(
            of(
                "password requisite pam_pwquality.so minlen=9223372036854775807 dcredit=9223372036854775807 ucredit=9223372036854775807\n",
                ""
            ),
            Some((6, 0))
        );
    }
}
