//! Password rules as distributions ship them.
#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use std::fs;

const DEBIAN_PASSWORD: &str = "\
# /etc/pam.d/common-password - password-related modules common to all services
password\trequisite\t\t\tpam_pwquality.so retry=3 minlen=10 \\
\tucredit=-1
password\t[success=1 default=ignore]\tpam_unix.so obscure use_authtok try_first_pass yescrypt
password\trequisite\t\t\tpam_deny.so
@include something
";
const RHEL_AUTH: &str = "\
auth        required                                     pam_env.so
auth        required                                     pam_faillock.so preauth silent deny=4 unlock_time=900
auth        sufficient                                   pam_unix.so nullok
-auth       sufficient                                   pam_sss.so forward_pass
account     required                                     /usr/lib64/security/pam_faillock.so
password    include                                      system-auth
session     required                                     pam_unix.so
";

#[test]
fn debian_and_rhel_stacks_read_as_they_are() {
    let debian = rules("common-password", DEBIAN_PASSWORD);
    let modules: Vec<_> = debian.iter().map(|r| (r.module.as_str(), r.line)).collect();
    assert_eq!(modules, [("pam_pwquality", 2), ("pam_unix", 4), ("pam_deny", 5)]);
    assert_eq!((debian[0].arg("minlen"), debian[0].arg("ucredit")), (Some("10"), Some("-1")));
    assert_eq!((debian[1].control.as_str(), debian[1].arg("yescrypt")), ("[success=1 default=ignore]", Some("")));
    assert_eq!(
        debian[1].to_string(),
        "password [success=1 default=ignore] pam_unix.so obscure use_authtok try_first_pass yescrypt, common-password:4"
    );

    let rhel = rules("system-auth", RHEL_AUTH);
    let modules: Vec<_> = rhel.iter().map(|r| (r.kind.as_str(), r.module.as_str())).collect();
    assert_eq!(
        modules,
        [
            ("auth", "pam_env"),
            ("auth", "pam_faillock"),
            ("auth", "pam_unix"),
            ("auth", "pam_sss"),
            ("account", "pam_faillock")
        ]
    );
    assert_eq!((rhel[1].arg("deny"), rhel[2].arg("nullok"), rhel[2].arg("deny")), (Some("4"), Some(""), None));
}

#[test]
fn values_may_have_an_equals_sign_and_the_last_one_wins() {
    let read = values(
        "f",
        "PASS_MAX_DAYS\t99999\n# minlen = 3\nminlen = 8\n  minlen=12 # more\nenforce_for_root\nUMASK \"022\"\n",
    );
    assert_eq!((read["PASS_MAX_DAYS"].value.as_str(), read["PASS_MAX_DAYS"].line), ("99999", 1));
    assert_eq!((read["minlen"].value.as_str(), read["minlen"].line), ("12", 4));
    assert_eq!((read["enforce_for_root"].value.as_str(), read["UMASK"].value.as_str()), ("", "022"));
}

#[test]
fn the_main_file_of_pwquality_wins_over_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("etc/security/pwquality.conf.d")).unwrap();
    fs::create_dir_all(dir.path().join("etc/pam.d")).unwrap();
    fs::write(dir.path().join("etc/security/pwquality.conf.d/50-a.conf"), "minlen = 14\nminclass = 4\n").unwrap();
    fs::write(dir.path().join("etc/security/pwquality.conf.d/50-b.bak"), "minclass = 1\n").unwrap();
    fs::write(dir.path().join("etc/security/pwquality.conf"), "minlen = 9\n").unwrap();
    fs::write(dir.path().join("etc/pam.d/common-password"), DEBIAN_PASSWORD).unwrap();
    let pam = pam(&Root::scratch(dir.path()).unwrap());
    assert_eq!((pam.pwquality["minlen"].value.as_str(), pam.pwquality["minclass"].value.as_str()), ("9", "4"));
    assert_eq!((pam.installed, pam.rules.len(), pam.error), (true, 3, None));
}

proptest! {
    #[test]
    fn no_text_makes_the_readers_panic(text in "[a-z\\[\\]=#@ \\\\\t\n/.é-]{0,300}", any in ".{0,200}") {
        for text in [&text, &any] {
            rules("f", text);
            values("f", text);
        }
    }

    #[test]
    fn a_rule_comes_back_as_it_was_written(module in "pam_[a-z]{1,12}", args in proptest::collection::vec("[a-z]{1,8}(=[0-9]{1,3})?", 0..5)) {
        let read = rules("f", &format!("password required {module}.so {}\n", args.join(" ")));
        prop_assert_eq!((&read[0].module, &read[0].args), (&module, &args));
    }
}
