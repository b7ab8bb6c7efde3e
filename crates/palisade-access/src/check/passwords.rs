//! The rules for new passwords: what PAM and login.defs demand.

use super::{AGE_DAYS_MAX, CLASSES_MIN, LENGTH_MIN, rule};
use crate::observe::Observed;
use crate::policy::policy;
use palisade_core::{Check, Fix, Severity, Verdicts};
use palisade_sys::accounts::PasswordState;
use palisade_sys::pam::{Pam, Rule};

pub(super) const LENGTH: Check = rule(
    "access.password-length",
    Severity::Medium,
    "short passwords are accepted",
    "Nothing keeps people from choosing a password of fewer than eight characters.",
    "mission: Set strong logon passwords; CIS Debian 12 5.3.3.2.2",
);
pub(super) const CLASSES: Check = rule(
    "access.password-classes",
    Severity::Medium,
    "simple passwords are accepted",
    "The mission asks for upper case, lower case, digits and special characters in every password.",
    "mission: Set strong logon passwords; CIS Debian 12 5.3.3.2.3",
);
pub(super) const HASH_POLICY: Check = rule(
    "access.hash-policy",
    Severity::High,
    "new passwords get a weak hash",
    "A hash of MD5 or DES is tried millions to billions of times a second by one graphics card.",
    "pam_unix(8), login.defs(5); CIS Debian 12 5.3.3.4.3, 5.4.1.4",
);
pub(super) const LOGIN_DEFS_MAX_DAYS: Check = rule(
    "access.login-defs-max-days",
    Severity::Low,
    "new accounts never have to change their password",
    "Accounts get their limit from `PASS_MAX_DAYS` when they are made; the mission asks for a change every six months.",
    "mission: Set strong logon passwords; CIS Debian 12 5.4.1.1",
);
pub(super) const NULLOK: Check = rule(
    "access.nullok",
    Severity::Low,
    "PAM lets accounts without a password in",
    "With `nullok` an account whose password is emptied, by mistake or by an intruder, is open at once.",
    "pam_unix(8); CIS Debian 12 5.3.3.4.1",
);
pub(super) const LOCKOUT: Check = rule(
    "access.lockout",
    Severity::Low,
    "passwords may be guessed without end",
    "No PAM module locks an account after repeated failures, so its password can be tried as often as somebody likes.",
    "pam_faillock(8); CIS Debian 12 5.3.2.2",
);

const OF_PAM: [Check; 4] = [LENGTH, CLASSES, NULLOK, LOCKOUT];
const INSTALL: &str = "Install the quality module (`libpam-pwquality`, on RHEL `libpwquality`) and set `minlen = 8` and `minclass = 4` in `/etc/security/pwquality.conf`.";
/// Hash arguments of pam_unix(8) that are not weak.
const STRONG: [&str; 6] = ["sha256", "sha512", "bcrypt", "blowfish", "yescrypt", "gost_yescrypt"];

pub(super) fn check(observed: &Observed, verdicts: &mut Verdicts) {
    let pam = &observed.policy;
    if pam.installed && pam.error.is_none() {
        quality(pam, verdicts);
        nullok(observed, verdicts);
        lockout(pam, verdicts);
    } else {
        let why =
            pam.error.as_deref().unwrap_or("there is no stack of PAM in `/etc/pam.d`: what it demands cannot be told");
        OF_PAM.iter().for_each(|check| verdicts.unknown(check, why));
    }
    hash_policy(pam, verdicts);
    login_defs(pam, verdicts);
}

fn quality(pam: &Pam, verdicts: &mut Verdicts) {
    let Some(policy) = policy(pam) else {
        let evidence =
            "no pam_pwquality, pam_cracklib or pam_passwdqc that refuses weak passwords stands in the password stacks";
        verdicts.fail(&LENGTH, "password policy", evidence, Fix::text(INSTALL));
        verdicts.fail(&CLASSES, "password policy", evidence, Fix::text(INSTALL));
        return;
    };
    let set = |what: &str| {
        Fix::text(format!("Set `{what}` in `/etc/security/pwquality.conf`, or as an argument of the module."))
    };
    verdicts.pass(&LENGTH);
    if policy.length < LENGTH_MIN {
        let evidence = format!("{} characters are enough; {}", policy.length, policy.evidence);
        verdicts.fail(&LENGTH, "password policy", evidence, set("minlen = 8"));
    }
    verdicts.pass(&CLASSES);
    if policy.classes < CLASSES_MIN {
        let evidence = format!("{} of 4 classes are demanded; {}", policy.classes, policy.evidence);
        verdicts.fail(&CLASSES, "password policy", evidence, set("minclass = 4"));
    }
}

fn rules<'a>(pam: &'a Pam, kind: &'static str, module: &'static str) -> impl Iterator<Item = &'a Rule> {
    pam.rules.iter().filter(move |rule| rule.kind == kind && rule.module == module)
}

fn nullok(observed: &Observed, verdicts: &mut Verdicts) {
    let empty = observed.accounts.list.iter().any(|a| a.password == PasswordState::None);
    let severity = if empty { Severity::High } else { NULLOK.severity };
    verdicts.pass(&NULLOK);
    // in the password stack nullok only lets an empty password be changed
    let lets_in = |rule: &&Rule| rule.arg("nullok").or(rule.arg("nullok_secure")).is_some();
    for rule in rules(&observed.policy, "auth", "pam_unix").filter(lets_in) {
        let fix = Fix::text(format!(
            "Take `nullok` out of {}:{} (on Debian: in `/usr/share/pam-configs/unix`, then `pam-auth-update`).",
            rule.file, rule.line
        ));
        verdicts.fail_as(&NULLOK, severity, &rule.file, rule.to_string(), fix);
    }
}

fn lockout(pam: &Pam, verdicts: &mut Verdicts) {
    verdicts.pass(&LOCKOUT);
    let locks = ["pam_faillock", "pam_tally2", "pam_tally"];
    let mut counting = pam.rules.iter().filter(|r| r.kind == "auth" && locks.contains(&r.module.as_str())).peekable();
    let text = "Switch pam_faillock on (Debian: `pam-auth-update`; RHEL: `authselect enable-feature with-faillock`).";
    if counting.peek().is_none() {
        verdicts.fail(&LOCKOUT, "PAM", "no pam_faillock stands in the auth stacks", Fix::text(text));
        return;
    }
    let deny =
        |rule: &Rule| rule.arg("deny").map(str::to_owned).or_else(|| pam.faillock.get("deny").map(|v| v.value.clone()));
    // faillock.conf(5): `deny = 0` never locks
    if let Some(rule) = counting.find(|rule| deny(rule).as_deref() == Some("0")) {
        verdicts.fail(
            &LOCKOUT,
            "PAM",
            format!("deny is 0, which never locks; {rule}"),
            Fix::text("Set `deny = 5` in `/etc/security/faillock.conf`."),
        );
    }
}

fn hash_policy(pam: &Pam, verdicts: &mut Verdicts) {
    let method = pam.login_defs.get("ENCRYPT_METHOD");
    if method.is_none() && rules(pam, "password", "pam_unix").next().is_none() {
        verdicts.unknown(&HASH_POLICY, "neither `/etc/login.defs` nor a password stack says how passwords are hashed");
        return;
    }
    verdicts.pass(&HASH_POLICY);
    if let Some(method) = method.filter(|m| ["MD5", "DES"].contains(&m.value.to_ascii_uppercase().as_str())) {
        let evidence = format!("ENCRYPT_METHOD {}, {}:{}", method.value, method.file, method.line);
        let fix = Fix::text("Set `ENCRYPT_METHOD YESCRYPT`, or `SHA512` on older hosts, then set the passwords again.");
        verdicts.fail(&HASH_POLICY, &method.file, evidence, fix);
    }
    for rule in rules(pam, "password", "pam_unix") {
        let strong = rule.args.iter().any(|arg| STRONG.contains(&arg.as_str()));
        let weak = rule.args.iter().any(|arg| ["md5", "bigcrypt"].contains(&arg.as_str()));
        if weak && !strong {
            let fix = Fix::text(format!("Put `yescrypt` or `sha512` in its place in {}:{}.", rule.file, rule.line));
            verdicts.fail(&HASH_POLICY, &rule.file, rule.to_string(), fix);
        }
    }
}

fn login_defs(pam: &Pam, verdicts: &mut Verdicts) {
    let fix = || {
        Fix::command(
            "Set `PASS_MAX_DAYS 180`; accounts that exist keep their own limit, see `access.password-max-days`.",
            r"sed -i 's/^\s*PASS_MAX_DAYS.*/PASS_MAX_DAYS 180/' /etc/login.defs",
        )
    };
    if pam.login_defs.is_empty() {
        verdicts.unknown(&LOGIN_DEFS_MAX_DAYS, "there is no `/etc/login.defs`");
        return;
    }
    verdicts.pass(&LOGIN_DEFS_MAX_DAYS);
    let Some(days) = pam.login_defs.get("PASS_MAX_DAYS") else {
        let text = Fix::text("Add a line `PASS_MAX_DAYS 180`.");
        verdicts.fail(&LOGIN_DEFS_MAX_DAYS, "/etc/login.defs", "PASS_MAX_DAYS is not set", text);
        return;
    };
    if !days.value.parse().is_ok_and(|n: u32| n <= AGE_DAYS_MAX) {
        let evidence = format!("PASS_MAX_DAYS {}, {}:{}", days.value, days.file, days.line);
        verdicts.fail(&LOGIN_DEFS_MAX_DAYS, "/etc/login.defs", evidence, fix());
    }
}
