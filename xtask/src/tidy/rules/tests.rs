//! Every rule on a case that breaks it and on one that does not.

use super::{SourceFile, all};

fn said(path: &str, text: &str) -> Vec<String> {
    let file = SourceFile { path: path.to_owned(), text: text.to_owned() };
    all(&[file]).into_iter().map(|b| format!("{}: {}", b.line, b.what)).collect()
}

fn is_fine(path: &str, text: &str) {
    assert_eq!(said(path, text), Vec::<String>::new(), "{path}");
}

fn breaks(path: &str, text: &str, what: &str) {
    let said = said(path, text);
    assert!(said.iter().any(|s| s.contains(what)), "{path} should break `{what}`, but: {said:?}");
}

const CHECK: &str = "crates/palisade-access/src/check.rs";

#[test]
fn nothing_is_left_unfinished() {
    breaks(CHECK, &format!("//! Checks.\nfn f() {{ {}) }}\n", concat!("todo", "!(")), "2: `todo");
    breaks(
        "crates/x/tests/it/main.rs",
        &format!("//! Tests.\n{}]\nfn f() {{}}\n", concat!("#[", "ignore")),
        "switched off",
    );
    breaks(
        "console/src/words/now.test.ts",
        &format!("{}\"a\", () => {{}})", concat!("it", ".only(")),
        "no test is switched off",
    );
}

#[test]
fn every_rust_file_says_what_it_is_for() {
    breaks(CHECK, "use std::fs;\n", "begin with a `//!`");
    breaks(CHECK, "", "begin with a `//!`");
    is_fine(CHECK, "#![allow(missing_docs)]\n\n//! Checks.\n");
}

#[test]
fn a_long_file_is_named() {
    let long = format!("//! Checks.\n{}", "\n".repeat(600));
    breaks(CHECK, &long, "601 lines");
    breaks("console/src/main.tsx", &long, "601 lines");
    is_fine("console/src/api/schema.d.ts", &long);
    is_fine("docs/long.md", &long);
}

#[test]
fn the_console_sets_no_markup() {
    breaks("console/src/parts/X.tsx", &format!("a{} = b;", concat!(".inner", "HTML")), "never markup");
    is_fine("console/e2e/run.mjs", &format!("a{} = b;", concat!(".inner", "HTML")));
}

#[test]
fn a_private_key_is_found_and_a_detector_of_keys_is_not_one() {
    let head = concat!("-----BEGIN EC PRIVATE", " KEY-----");
    breaks("docs/x.pem", &format!("{head}\nMHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04fSeQ6tF1aY\n"), "a private key");
    breaks("docs/x.json", &format!("\"{head}\\nMHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04fSeQ6tF1aY\""), "a private key");
    is_fine("crates/palisade/src/server/tls.rs", &format!("//! TLS.\nconst HEAD: &str = \"{head}\";\n"));
}

#[test]
fn paths_of_one_machine_and_addresses_of_registries_are_found() {
    breaks("README.md", concat!("see /wo", "rk/main"), "path of one machine");
    breaks("README.md", concat!("in `/root", "/.cargo`"), "path of one machine");
    breaks("console/package-lock.json", concat!("https://registry.", "npmjs.org/x"), "registry");
    breaks("docs/apt.md", concat!("from deb.", "debian.org"), "package archive");
    is_fine("README.md", concat!("the framewo", "rk/main, docs/wo", "rk/x, and /wo", "rk/ itself"));
    is_fine(
        "crates/palisade-upgrade/tests/it/apt.rs",
        concat!("//! Apt.\n// deb http://deb.", "debian.org/debian bookworm main\n"),
    );
}

#[test]
fn guards_stay_apart_and_arrows_go_one_way() {
    let on = |word: &str| format!("[dependencies]\npalisade-{word}.workspace = true\n");
    breaks("crates/palisade-access/Cargo.toml", &on("firewall"), "depends on palisade-firewall");
    breaks("crates/palisade-sys/Cargo.toml", &on("guard"), "depends on palisade-guard");
    breaks("crates/palisade-core/Cargo.toml", &on("sys"), "depends on palisade-sys");
    breaks("crates/palisade-access/Cargo.toml", &on("monitor").replace("dependencies", "dev-dependencies"), "monitor");
    is_fine("crates/palisade-access/Cargo.toml", &on("guard"));
    is_fine("crates/palisade-guard/Cargo.toml", &on("sys"));
    breaks("crates/palisade-firewall/Cargo.toml", &on("sandbox"), "depends on palisade-sandbox");
    is_fine("crates/palisade-firewall/Cargo.toml", &on("sandbox").replace("dependencies", "dev-dependencies"));
    is_fine("crates/palisade/Cargo.toml", &on("firewall"));
}

#[test]
fn sql_stands_in_the_store() {
    let text = "//! X.\nlet q = sqlx::query(\"SELECT 1\");\n";
    breaks("crates/palisade-journal/src/api.rs", text, "2: `sqlx::query`: SQL stands in store.rs");
    is_fine("crates/palisade-journal/src/store.rs", text);
    is_fine("crates/palisade/src/server/access_store.rs", text);
    is_fine("crates/palisade-journal/tests/it/main.rs", text);
    is_fine("crates/palisade-journal/src/api.rs", &format!("//! X.\n#[cfg(test)]\nmod tests {{\n{text}}}\n"));
}

#[test]
fn no_product_code_starts_a_shell() {
    let start = |program: &str| format!("//! X.\nlet c = {}{program});\n", concat!("Command::", "new("));
    breaks("crates/palisade-sys/src/tool.rs", &start("\"sh\""), "starts `sh`");
    breaks("crates/palisade/src/agent/mod.rs", &start("\"/bin/bash\""), "starts `bash`");
    breaks(CHECK, &start("\"sshd\""), "by palisade-sys only");
    is_fine("crates/palisade-sys/src/tool.rs", &start("\"sshd\""));
    is_fine("crates/palisade-sys/src/tool.rs", &start("program"));
    is_fine("crates/palisade-firewall/src/cli.rs", &format!("//! X.\nuse clap::Command;\n{}", start("\"ban\"")));
    is_fine("crates/palisade-sys/tests/it/main.rs", &start("\"sh\""));
}

#[test]
fn the_security_page_names_only_tests_that_exist() {
    let page = |name: &str| SourceFile { path: "SECURITY.md".to_owned(), text: format!("| rule | `{name}` |\n") };
    let source = || SourceFile { path: CHECK.to_owned(), text: "//! X.\nfn a_test_that_exists() {}\n".to_owned() };
    assert_eq!(all(&[page("a_test_that_exists"), source()]), []);
    assert_eq!(all(&[page("not_a_test"), source()]), []);
    assert_eq!(all(&[page("a_test_that_never_was"), source()]).len(), 1);
}
