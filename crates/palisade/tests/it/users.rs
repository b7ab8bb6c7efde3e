//! `palisade user` and `palisade audit` as an operator types them.

use crate::running::Palisade;

#[test]
fn users_are_made_changed_and_shut_out_from_the_command_line_and_the_audit_log_says_by_whom() {
    let palisade = match Palisade::up() {
        Ok(palisade) => palisade,
        Err(why) => return println!("skipped: {why}"),
    };
    let file = palisade.dir.path().join("password");
    std::fs::write(&file, "Kq7!vbTz-green\nnot this line\n").unwrap();
    let file = file.to_str().unwrap();
    palisade.ok(&["user", "create", "anna", "--role", "admin", "--password-file", file]);
    let made = palisade.ok(&["user", "create", "bert", "--role", "viewer"]);
    assert!(made.lines().last().unwrap().starts_with("/welcome#"), "{made}");
    let sign_in = r#"{"name":"anna","password":"Kq7!vbTz-green"}"#;
    let session = palisade.request("POST", "/api/v1/session", None, sign_in);
    assert_eq!(session.status, 200, "{}", session.body);
    assert!(palisade.ok(&["user", "role", "bert", "operator"]).contains("operator"));
    assert!(palisade.ok(&["user", "disable", "bert"]).contains("disabled"));
    assert!(palisade.ok(&["user", "enable", "bert"]).contains("bert has role operator"));
    assert!(palisade.ok(&["user", "link", "bert"]).contains("&name=bert"));
    assert!(!palisade.ok(&["user", "link"]).contains("&name="), "for a new admin");
    let users = palisade.json(&["user", "list"]);
    assert_eq!((&users["items"][0]["name"], &users["items"][0]["sessions"]), (&"anna".into(), &1.into()));
    for (refused, hint) in [
        (vec!["user", "disable", "anna"], "make another admin first"),
        (vec!["user", "totp-reset", "bert"], "no second factor"),
        (vec!["user", "role", "nobody", "viewer"], "does not exist"),
        (vec!["user", "create", "carl", "--role", "viewer", "--password-file", "/dev/null"], "one-time link"),
    ] {
        let output = palisade.command(&refused);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(hint), "{refused:?}: {said}");
    }
    let audit = palisade.json(&["audit", "list", "--actor", "local-root", "--kind", "frame.user", "--since", "1h"]);
    let kinds: Vec<&str> = audit["items"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap()).collect();
    for kind in ["frame.user.create", "frame.user.role", "frame.user.disable", "frame.user.enable", "frame.user.link"] {
        assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
    }
    let by_anna = palisade.json(&["audit", "list", "--actor", "anna"]);
    assert_eq!(by_anna["items"][0]["kind"], "frame.session.create");
}
