//! Web roots, on configuration like that of Debian 12 and RHEL 9.
#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use std::path::Path;

fn write(base: &Path, path: &str, text: &str) {
    let path = base.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn said(base: &Path) -> Vec<String> {
    let (found, unreadable) = webroots(&Root::scratch(base).unwrap());
    assert_eq!(unreadable, Vec::<String>::new());
    found.into_iter().map(|w| format!("{} {} {}", w.path, w.server, w.config)).collect()
}

#[test]
fn roots_of_nginx_are_found_through_includes() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path();
    write(
        base,
        "etc/nginx/nginx.conf",
        "user www-data;\nhttp {\n  # include /no;\n  include conf.d/*.conf; include /etc/nginx/sites-enabled/*;\n}\n",
    );
    write(
        base,
        "etc/nginx/sites-enabled/default",
        "server { listen 80; root /var/www/html/; location / { try_files $uri =404; } }\nserver{root \"/srv/a b\";}\nserver { root /srv/${host}x; }\n",
    );
    write(base, "etc/nginx/conf.d/loop.conf", "include /etc/nginx/nginx.conf;\nroot html;\n");
    write(base, "etc/nginx/conf.d/off.conf.bak", "root /no;\n");
    assert_eq!(
        said(base),
        [
            "/srv/a b nginx /etc/nginx/sites-enabled/default",
            "/usr/share/nginx/html nginx /etc/nginx/conf.d/loop.conf",
            "/var/www/html nginx /etc/nginx/sites-enabled/default",
        ]
    );
}

#[test]
fn roots_of_apache_are_found_with_defines_and_relative_includes() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path();
    write(
        base,
        "etc/apache2/apache2.conf",
        "#ServerRoot \"/x\"\nDefine site /srv/site\nIncludeOptional sites-enabled/*.conf\n",
    );
    write(
        base,
        "etc/apache2/sites-enabled/a.conf",
        "<VirtualHost *:80>\n\tdocumentroot ${site}/htdocs\n\tDocumentRoot \\\n /srv/b\n\tDocumentRoot ${unknown}/c\n</VirtualHost>\n",
    );
    write(base, "etc/httpd/conf/httpd.conf", "ServerRoot \"/etc/httpd\"\nDocumentRoot \"/var/www/html\"\n");
    assert_eq!(
        said(base),
        [
            "/srv/b apache /etc/apache2/sites-enabled/a.conf",
            "/srv/site/htdocs apache /etc/apache2/sites-enabled/a.conf",
            "/var/www/html apache /etc/httpd/conf/httpd.conf",
        ]
    );
}

#[test]
fn var_www_counts_by_itself_when_no_server_names_it() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "var/www/index.html", "x");
    assert_eq!(said(dir.path()), ["/var/www  "]);
}

#[test]
fn a_pattern_matches_as_a_shell_does_and_in_linear_time() {
    let yes = |pattern: &str, name: &str| glob::matches(pattern.as_bytes(), name.as_bytes());
    assert!(yes("*.conf", "a.conf") && yes("*", "") && yes("a?c*", "abcd") && yes("*a*b", "xxaxxb"));
    assert!(!yes("*.conf", "a.conf~") && !yes("?", "") && !yes("a", "ab"));
    assert!(!yes(&"*a".repeat(2_000), &"b".repeat(100_000)));
}

proptest! {
    #[test]
    fn no_text_panics(text in "[a-zA-Z ;{}$#\"'\\\\\n/*é]{0,300}") {
        let _ = scan::nginx(&text);
        let _ = scan::apache(&text);
        let _ = Apache::new("/x").path(&text);
    }

    #[test]
    fn a_printed_directive_comes_back(words in proptest::collection::vec("[a-z/.]{1,10}", 1..5)) {
        prop_assert_eq!(scan::nginx(&format!("# c\n{};", words.join("\n "))), [words.clone()]);
        prop_assert_eq!(scan::apache(&words.join(" ")), [words]);
    }
}
