//! How fast addresses are banned, in a network namespace of its own: one transaction each with
//! 100,000 present, 100,000 in one act, the same by the path of the feed (stored on disk, aggregated,
//! in the kernel), and, in the same run, the shapes of tools that start one process per ban:
//! `nft add element` and `iptables -I`. Run with `cargo bench -p palisade-firewall`.

use jiff::{SignedDuration, Timestamp};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use palisade_core::Generation;
use palisade_firewall::apply::Act;
use palisade_firewall::feed::{Change, State};
use palisade_firewall::keep::Firewall;
use palisade_firewall::ruleset::{Content, Until};
use palisade_firewall::spec::{Ban, Spec};
use palisade_guard::Keep;
use palisade_guard::link::FeedPart;
use palisade_sandbox::{enter_netns, is_isolated, run};
use palisade_sys::nft::{Change as Followed, Monitor};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

const PRESENT: u32 = 100_000;
const CYCLES: u32 = 20;
const FIRST_SINGLE: u32 = PRESENT + CYCLES;
const SINGLES: u32 = 200_000;
const PEER_S: u64 = 3;
/// Bans after which the monitor's notices are fetched.
const FOLLOWED_EACH: u32 = 100;
const CHANGES_MAX: usize = 100_000;
/// Changes in one part of the feed.
const FEED_PART: u32 = 10_000;

/// Wall and processor time of some bans.
struct Took {
    bans: u32,
    wall: Duration,
    cpu: Duration,
}

impl Took {
    fn rate(&self) -> f64 {
        f64::from(self.bans) / self.wall.as_secs_f64()
    }

    fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / f64::from(self.bans)
    }

    fn say(&self, what: &str) {
        let wall_ms = self.wall.as_secs_f64() * 1e3;
        println!(
            "{what:<44} {:>9} bans {wall_ms:>9.1} ms {:>9.0}/s {:>9.2} us CPU each",
            self.bans,
            self.rate(),
            self.cpu_us()
        );
    }
}

fn measured(mut work: impl FnMut() -> u32) -> Took {
    let (began, cpu) = (Instant::now(), cpu_time());
    let bans = work();
    Took { bans, wall: began.elapsed(), cpu: cpu_time().saturating_sub(cpu) }
}

/// Of this process, its threads and the children that have ended, in the kernel and outside.
fn cpu_time() -> Duration {
    let of = |who| {
        let usage = getrusage(who).expect("the kernel counts");
        usage.user_time().num_microseconds() + usage.system_time().num_microseconds()
    };
    Duration::from_micros((of(UsageWho::RUSAGE_SELF) + of(UsageWho::RUSAGE_CHILDREN)).unsigned_abs())
}

fn address(n: u32) -> IpAddr {
    Ipv4Addr::from(0x0a00_0000 + n).into()
}

/// An address that is hardly ever in one network with another: what comes from everywhere.
fn scattered(n: u32) -> IpAddr {
    Ipv4Addr::from(0x0b00_0000 + n.wrapping_mul(0x9e37_79b1) % 0x7000_0000).into()
}

/// As the agent takes it: stored, then the steps that follow, each decoded and applied.
fn take(firewall: &Firewall, from: u64, addresses: impl Iterator<Item = IpAddr>, end: Timestamp) -> u64 {
    let change = |address: IpAddr| {
        serde_json::to_value(Change { cidr: address.into(), until: Until::of(Some(end)), state: State::Banned })
            .expect("a change")
    };
    let changes: Vec<_> = addresses.map(change).collect();
    let at = |n| Generation { epoch: 1, n };
    let to = from + changes.len() as u64;
    let part = FeedPart { from: at(from), to: at(to), newest: to, changes };
    for step in Keep::feed(firewall, &part, Timestamp::now()).expect("taken") {
        let act: Act = serde_json::from_value(step.act).expect("an act of ours");
        firewall.apply(&act, Timestamp::now()).expect("the kernel takes it");
    }
    to
}

/// 100,000 in parts of 10,000, then one by one.
fn by_the_feed() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let firewall =
        Firewall::new(Vec::new()).and_then(|f| f.with_feed(dir.path())).expect("a netlink socket and a directory");
    firewall.apply(&Act::ReplaceTable(Content::default()), Timestamp::now()).expect("an empty table");
    firewall.plan(&Spec::default(), &Spec::default(), Timestamp::now()).expect("planned");
    let end = Timestamp::now() + SignedDuration::from_hours(12);
    let mut at = 0;
    measured(|| {
        for part in 0..PRESENT / FEED_PART {
            at = take(&firewall, at, (part * FEED_PART..(part + 1) * FEED_PART).map(scattered), end);
        }
        PRESENT
    })
    .say("feed: 100,000 in parts of 10,000");
    measured(|| {
        for n in PRESENT..PRESENT + SINGLES {
            at = take(&firewall, at, std::iter::once(scattered(n)), end);
        }
        SINGLES
    })
    .say("feed: one part each, 100,000 present");
}

/// The same while the changes of nf_tables are followed, as the agent does.
fn watched(firewall: &Firewall, until: Until) {
    let mut monitor = Monitor::open().expect("a netlink socket");
    let mut own = 0;
    let first = FIRST_SINGLE + SINGLES;
    measured(|| {
        for n in first..first + SINGLES {
            let act = Act::AddBans(vec![(address(n), until)]);
            firewall.apply(&act, Timestamp::now()).expect("the kernel takes it");
            if n.is_multiple_of(FOLLOWED_EACH) {
                let count = |change: Followed| own += u32::from(change.own);
                monitor.drain(CHANGES_MAX, count).expect("fetched");
            }
        }
        SINGLES
    })
    .say("single, followed by a monitor");
    monitor.drain(CHANGES_MAX, |change| own += u32::from(change.own)).expect("fetched");
    assert_eq!(own, SINGLES, "each of them was told, as ours");
}

/// fail2ban's shape: a rule per ban, put before all others by a process of its own.
fn by_iptables() {
    let ban = |n| run("iptables", &["-I", "INPUT", "-s", &scattered(n).to_string(), "-j", "DROP"]);
    measured(|| {
        let began = Instant::now();
        let mut bans = 0;
        while began.elapsed() < Duration::from_secs(PEER_S) {
            if let Err(why) = ban(bans) {
                println!("skipped: {why}");
                break;
            }
            bans += 1;
        }
        bans
    })
    .say("peer: one `iptables -I` process each, 0 present");
}

fn main() {
    if let Err(why) = enter_netns() {
        return println!("skipped: {why}");
    }
    assert!(is_isolated(), "rules are applied in a namespace of the bench's own only");
    let now = Timestamp::now();
    let end = now + SignedDuration::from_hours(12);
    let until = Until::of(Some(end));
    let firewall = Firewall::new(Vec::new()).expect("a netlink socket");
    let apply = |act: &Act| firewall.apply(act, Timestamp::now()).expect("the kernel takes it");

    let empty = Act::ReplaceTable(Content::default());
    let all = Act::AddBans((0..PRESENT).map(|n| (address(n), until)).collect());
    for _ in 0..3 {
        apply(&empty);
        measured(|| {
            apply(&all);
            PRESENT
        })
        .say("bulk: one act, one transaction");
    }

    let ban = |n| Ban {
        cidr: address(n).into(),
        reason: String::new(),
        by: String::new(),
        since: now,
        ends_at: Some(end),
        probation_until: None,
        plan: None,
    };
    let mut spec = Spec { bans: (0..PRESENT).map(ban).collect(), ..Spec::default() };
    for what in ["plan of 100,000: the kernel is listed", "plan of 100,000: the kernel is unchanged"] {
        measured(|| {
            let steps = firewall.plan(&spec, &Spec::default(), Timestamp::now()).expect("planned");
            assert!(steps.is_empty(), "the plan after apply is not empty");
            PRESENT
        })
        .say(what);
    }

    let whole = measured(|| {
        for n in PRESENT..PRESENT + CYCLES {
            spec.bans.push(ban(n));
            for step in firewall.plan(&spec, &Spec::default(), Timestamp::now()).expect("planned") {
                apply(&serde_json::from_value(step.act).expect("an act of ours"));
            }
            assert!(firewall.plan(&spec, &Spec::default(), Timestamp::now()).expect("planned").is_empty(), "verified");
        }
        CYCLES
    });
    whole.say("one more ban: plan, apply, plan again");

    // a fresh keeper has no listing to follow: this is the transaction alone
    let firewall = Firewall::new(Vec::new()).expect("a netlink socket");
    let apply = |act: &Act| firewall.apply(act, Timestamp::now()).expect("the kernel takes it");
    let single = measured(|| {
        (FIRST_SINGLE..FIRST_SINGLE + SINGLES).for_each(|n| apply(&Act::AddBans(vec![(address(n), until)])));
        SINGLES
    });
    single.say("single: one transaction each, 100,000 present");
    watched(&firewall, until);
    by_the_feed();

    apply(&empty);
    apply(&all);
    let peer = measured(|| {
        let began = Instant::now();
        let mut bans = 0;
        while began.elapsed() < Duration::from_secs(PEER_S) {
            let element = format!("{{ {} timeout 12h }}", address(PRESENT + bans));
            if let Err(why) = run("nft", &["add", "element", "inet", "palisade", "ban4", &element]) {
                println!("skipped: {why}");
                break;
            }
            bans += 1;
        }
        bans
    });
    if peer.bans == 0 {
        return;
    }
    peer.say("peer: one `nft add element` process each");
    by_iptables();
    println!(
        "single bans: {:.0} times the peer's rate, {:.0} times less CPU each",
        single.rate() / peer.rate(),
        peer.cpu_us() / single.cpu_us()
    );
}
