//! One-off acts: carried out once, seen to the end, whatever is sent twice or killed meanwhile.

use crate::hostile::Hostile;
use crate::running::{Palisade, until};
use serde_json::{Value, json};

fn state(palisade: &Palisade, id: &str) -> Value {
    palisade.json(&["order", "show", id])["job"].clone()
}

#[test]
fn a_look_is_ordered_carried_out_and_survives_a_kill() {
    let palisade = match Palisade::up() {
        Ok(palisade) => palisade,
        Err(why) => return println!("skipped: {why}"),
    };
    until("the host is known", || palisade.json(&["host", "list"])["total"] == 1);
    let before = palisade.json(&["host", "show", "web-1"])["guards"][0]["observed_at"].clone();
    let id = palisade.json(&["host", "look", "web-1"])["id"].as_str().unwrap().to_owned();
    until("it is done", || state(&palisade, &id)["state"] == "done");
    let job = state(&palisade, &id);
    assert_eq!((&job["done"], &job["total"]), (&json!(6), &json!(6)));
    until("what was seen is there", || palisade.json(&["host", "show", "web-1"])["guards"][0]["observed_at"] != before);
    let over = palisade.command(&["order", "cancel", &id]);
    assert!(String::from_utf8_lossy(&over.stderr).contains("over already"));

    let id = palisade.json(&["host", "look", "web-1"])["id"].as_str().unwrap().to_owned();
    let palisade = Palisade::up_in(palisade.kill(), &[]);
    until("it is done after the kill", || state(&palisade, &id)["state"] == "done");
    assert!(!palisade.command(&["host", "look", "web-9"]).status.success(), "a host that does not exist");
}

#[test]
fn the_same_id_twice_is_one_act_and_another_hosts_order_is_refused() {
    if let Err(why) = palisade_sandbox::enter_netns() {
        return println!("skipped: {why}");
    }
    let order = |id: &str, host: &str, cancelled: bool| {
        let job = json!({ "order": id, "state": "waiting", "done": 0, "total": 0 });
        let at = "2026-11-22T00:00:00Z";
        json!({ "order": { "id": id, "host": host, "kind": "look", "by": "x", "created_at": at, "cancelled": cancelled, "job": job } })
            .to_string()
    };
    let hostile = Hostile::start("allow = [\"observe\"]");
    let parts = |id: &str| hostile.jobs(id).iter().map(|j| j["done"].as_u64().unwrap()).collect::<Vec<_>>();
    let over = |id: &str| hostile.jobs(id).last().map(|j| j["state"].clone());
    hostile.send(&order("o-1", "web-1", false));
    until("it is done", || over("o-1") == Some(json!("done")));
    let once = parts("o-1");
    for line in [order("o-1", "web-1", false), order("o-2", "web-2", false), order("../../o", "web-1", false)] {
        hostile.send(&line);
    }
    hostile.send(&order("o-3", "web-1", true));
    until("a cancelled one ends", || over("o-3") == Some(json!("cancelled")));
    assert_eq!(parts("o-1"), once, "it was carried out once");
    assert_eq!((over("o-2"), over("../../o")), (None, None));
    drop(hostile);

    let hostile = Hostile::start("allow = []");
    hostile.send(&order("o-1", "web-1", false));
    until("it is refused", || hostile.jobs("o-1").last().is_some_and(|j| j["state"] == "failed"));
    assert!(hostile.jobs("o-1")[0]["message"].as_str().unwrap().contains("permit"));
}
