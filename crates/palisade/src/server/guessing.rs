//! Brakes against guessing, without a way for strangers to lock somebody out.
//!
//! Three counts of failed sign-ins:
//!
//! * *a name from one address*: five within 15 minutes lock this pair for 15 minutes;
//! * *an address, over all names*: twenty within 15 minutes lock the address for 15 minutes;
//! * *a name, over all addresses*: from the fiftieth within a day on, the name takes one try at a
//!   time, with a pause between them that grows from 1 s to a minute. A guesser with any number of
//!   addresses gets about one try a minute; the name never locks, and the pause is over a minute after
//!   the guessing.
//!
//! An address from which the user has signed in within 30 days is *known* to that name: the last two
//! do not hold for it, so whoever guesses from elsewhere, or from behind the same address at other
//! names, cannot keep the user out.
//!
//! A try counts as failed from its beginning until it has succeeded: a thousand tries at once are not
//! let through because none of them has ended yet. Failures are stored with their event and read
//! again at the start: a restart gives no free guesses.

use palisade_core::Timestamp;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;

/// Failures of a pair or an address count for this long, and locks last as long after the last one.
const WINDOW_S: i64 = 15 * 60;
/// Failures of a name count for this long.
pub const NAME_WINDOW_S: i64 = 86_400;
const PAIR_FAILURES_MAX: usize = 5;
const ADDRESS_FAILURES_MAX: usize = 20;
const NAME_FAILURES_MAX: usize = 50;
/// The pause doubles with every so many failures more.
const NAME_FAILURES_PER_DOUBLING: usize = 5;
const PAUSE_MAX_S: i64 = 60;
/// Failures remembered of one name; the pause is at its longest long before.
const NAME_FAILURES_KEPT_MAX: usize = 100;
/// A wrong code after a right password counts as so many failures of the name: there are only a
/// million codes.
pub const CODE_WEIGHT: usize = 5;
/// Counts of each kind that are kept; above it the smallest one goes.
pub const COUNTS_MAX: usize = 10_000;

/// Failed sign-ins, in memory.
#[derive(Default)]
pub struct Guessing(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    pairs: HashMap<String, Count>,
    addresses: HashMap<String, Count>,
    names: HashMap<String, Count>,
}

#[derive(Default)]
struct Count {
    /// Oldest first.
    failures: VecDeque<Timestamp>,
    /// When a lock by them was last told.
    told_at: Option<Timestamp>,
}

/// A sign-in under way.
#[derive(Debug)]
pub struct Try {
    /// The name, as given.
    pub name: String,
    /// The address, or its network.
    pub place: String,
    /// When it began.
    pub at: Timestamp,
}

/// Why a sign-in is not even tried.
#[derive(Debug, PartialEq, Eq)]
pub enum Blocked {
    /// The name or the address is locked until then.
    Locked(Timestamp),
    /// Many guess at this name; the next try is taken then.
    Slowed(Timestamp),
}

/// What failures have locked or slowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// The name from this address.
    Pair,
    /// The address, for all names.
    Address,
    /// The name, from addresses that it does not know.
    Name,
}

/// Where somebody is, for counting: an IPv4 address, or the /64 of an IPv6 one, which is what one
/// customer of a provider has (RFC 6177).
pub fn place(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("{}/64", Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

impl Guessing {
    /// Begins a try, or says why not. `known` is whether the name knows the address.
    pub fn begin(&self, name: &str, place: &str, known: bool, now: Timestamp) -> Result<Try, Blocked> {
        let mut counts = self.0.lock().expect("no panic while held");
        let pair = pair(name, place);
        let mut until = counts.pairs.get(&pair).and_then(|c| c.locked_until(PAIR_FAILURES_MAX, now));
        if !known {
            let address = counts.addresses.get(place).and_then(|c| c.locked_until(ADDRESS_FAILURES_MAX, now));
            until = until.max(address);
        }
        if let Some(until) = until {
            return Err(Blocked::Locked(until));
        }
        if let Some(next) = counts.names.get(name).and_then(|c| c.next_try(now)).filter(|_| !known) {
            return Err(Blocked::Slowed(next));
        }
        counts.add(name, place, now);
        Ok(Try { name: name.to_owned(), place: place.to_owned(), at: now })
    }

    /// Ends a try that failed; says what is locked since. `weight` is how much it counts for the name.
    pub fn failed(&self, tried: &Try, weight: usize) -> Vec<Lock> {
        let mut counts = self.0.lock().expect("no panic while held");
        for _ in 1..weight {
            count(&mut counts.names, &tried.name).add(NAME_FAILURES_KEPT_MAX, NAME_WINDOW_S, tried.at);
        }
        let counts = &mut *counts;
        let pair = pair(&tried.name, &tried.place);
        let mut locked = Vec::new();
        for (lock, found, limit) in [
            (Lock::Pair, counts.pairs.get_mut(&pair), PAIR_FAILURES_MAX),
            (Lock::Address, counts.addresses.get_mut(&tried.place), ADDRESS_FAILURES_MAX),
            (Lock::Name, counts.names.get_mut(&tried.name), NAME_FAILURES_MAX),
        ] {
            if found.is_some_and(|count| count.tell(limit, tried.at)) {
                locked.push(lock);
            }
        }
        locked
    }

    /// Ends a try that succeeded: the pair begins anew; failures elsewhere stay. True if the pair had
    /// failed before.
    pub fn succeeded(&self, tried: &Try) -> bool {
        self.undone(tried);
        let pair = self.0.lock().expect("no panic while held").pairs.remove(&pair(&tried.name, &tried.place));
        pair.is_some_and(|count| !count.failures.is_empty())
    }

    /// Ends a try that was neither: its password was right, and its code is still to come.
    pub fn undone(&self, tried: &Try) {
        let mut counts = self.0.lock().expect("no panic while held");
        let pair = pair(&tried.name, &tried.place);
        let counts = &mut *counts;
        let of = [(&mut counts.pairs, &pair), (&mut counts.addresses, &tried.place), (&mut counts.names, &tried.name)];
        for (map, key) in of {
            if let Some(count) = map.get_mut(key) {
                count.remove(tried.at);
            }
        }
    }

    /// Takes in a failure of before the start.
    pub fn remember(&self, name: &str, place: &str, at: Timestamp) {
        self.0.lock().expect("no panic while held").add(name, place, at);
    }

    /// Until when this name is locked from some address, the latest of them.
    pub fn locked_until(&self, name: &str, now: Timestamp) -> Option<Timestamp> {
        let counts = self.0.lock().expect("no panic while held");
        let prefix = pair(name, "");
        let of_name = counts.pairs.iter().filter(|(key, _)| key.starts_with(&prefix));
        of_name.filter_map(|(_, count)| count.locked_until(PAIR_FAILURES_MAX, now)).max()
    }
}

impl Counts {
    fn add(&mut self, name: &str, place: &str, now: Timestamp) {
        count(&mut self.pairs, &pair(name, place)).add(PAIR_FAILURES_MAX, WINDOW_S, now);
        count(&mut self.addresses, place).add(ADDRESS_FAILURES_MAX, WINDOW_S, now);
        count(&mut self.names, name).add(NAME_FAILURES_KEPT_MAX, NAME_WINDOW_S, now);
    }
}

impl Count {
    /// Adds a failure, forgets the ones older than `window_s`, and keeps at most `kept`.
    fn add(&mut self, kept: usize, window_s: i64, now: Timestamp) {
        let old = |at: &Timestamp| now.duration_since(*at).as_secs() >= window_s;
        while self.failures.front().is_some_and(old) || self.failures.len() >= kept {
            self.failures.pop_front();
        }
        self.failures.push_back(now);
    }

    /// Whether there are `limit` failures and nobody was told within the window.
    fn tell(&mut self, limit: usize, now: Timestamp) -> bool {
        let told = self.told_at.is_some_and(|at| now.duration_since(at).as_secs() < WINDOW_S);
        if told || self.failures.len() < limit {
            return false;
        }
        self.told_at = Some(now);
        true
    }

    fn remove(&mut self, at: Timestamp) {
        if let Some(place) = self.failures.iter().rposition(|t| *t == at) {
            self.failures.remove(place);
        }
    }

    fn locked_until(&self, limit: usize, now: Timestamp) -> Option<Timestamp> {
        let until = *self.failures.back()? + jiff::SignedDuration::from_secs(WINDOW_S);
        (self.failures.len() >= limit && until > now).then_some(until)
    }

    /// When the next try of a name is taken, if that is not now.
    fn next_try(&self, now: Timestamp) -> Option<Timestamp> {
        let fresh = self.failures.iter().filter(|at| now.duration_since(**at).as_secs() < NAME_WINDOW_S).count();
        let doublings = fresh.checked_sub(NAME_FAILURES_MAX)? / NAME_FAILURES_PER_DOUBLING;
        let pause_s = (1i64 << doublings.min(6)).min(PAUSE_MAX_S);
        let next = *self.failures.back()? + jiff::SignedDuration::from_secs(pause_s);
        (next > now).then_some(next)
    }
}

fn pair(name: &str, place: &str) -> String {
    format!("{name}\0{place}")
}

/// The count of a key; a full table loses its smallest count first, so that many new names or
/// addresses do not wash away the ones that are locked.
fn count<'a>(map: &'a mut HashMap<String, Count>, key: &str) -> &'a mut Count {
    if map.len() >= COUNTS_MAX && !map.contains_key(key) {
        let least = map.iter().min_by_key(|(_, c)| (c.failures.len(), c.failures.back().copied()));
        if let Some(least) = least.map(|(key, _)| key.clone()) {
            map.remove(&least);
        }
    }
    map.entry(key.to_owned()).or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HERE: &str = "192.0.2.1";
    const THERE: &str = "192.0.2.2";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    /// A failed sign-in; `None` if it was not even tried.
    fn fail(guessing: &Guessing, name: &str, place: &str, second: i64) -> Option<Vec<Lock>> {
        let tried = guessing.begin(name, place, false, at(second)).ok()?;
        Some(guessing.failed(&tried, 1))
    }

    #[test]
    fn five_failures_lock_one_name_from_one_address_for_a_quarter_of_an_hour() {
        let guessing = Guessing::default();
        let told: Vec<_> = (0..5).map(|_| fail(&guessing, "anna", HERE, 0).unwrap()).collect();
        assert_eq!(told.concat(), [Lock::Pair]);
        let until = at(900);
        assert_eq!(guessing.begin("anna", HERE, true, at(899)).unwrap_err(), Blocked::Locked(until), "known or not");
        assert_eq!(guessing.locked_until("anna", at(899)), Some(until));
        assert!(guessing.begin("anna", THERE, false, at(899)).is_ok());
        assert!(guessing.begin("bert", HERE, false, at(899)).is_ok());
        assert!(guessing.begin("anna", HERE, false, at(901)).is_ok());
    }

    #[test]
    fn tries_at_once_count_before_they_have_ended() {
        let guessing = Guessing::default();
        let begun = (0..1000).filter(|_| guessing.begin("anna", HERE, false, at(0)).is_ok()).count();
        assert_eq!(begun, PAIR_FAILURES_MAX);
    }

    #[test]
    fn an_address_that_tries_many_names_is_locked_but_not_for_a_name_that_knows_it() {
        let guessing = Guessing::default();
        let names: Vec<String> = (0..30).map(|n| format!("name-{n}")).collect();
        let told: Vec<_> = names.iter().filter_map(|name| fail(&guessing, name, HERE, 0)).collect();
        assert_eq!((told.len(), told.concat()), (ADDRESS_FAILURES_MAX, vec![Lock::Address]));
        assert!(guessing.begin("anna", HERE, false, at(10)).is_err());
        assert!(guessing.begin("anna", HERE, true, at(10)).is_ok());
        assert!(guessing.begin("anna", HERE, false, at(911)).is_ok());
    }

    #[test]
    fn a_name_guessed_at_from_everywhere_slows_down_but_never_locks() {
        let guessing = Guessing::default();
        let places: Vec<String> = (0..=250).map(|n| format!("198.51.100.{n}")).collect();
        // each second of a day another address tries
        let tried = |second: &i64| fail(&guessing, "anna", &places[*second as usize % places.len()], *second).is_some();
        let tries = (0..86_400).filter(tried).count();
        assert!((1_400..1_700).contains(&tries), "{tries} tries in a day");
        assert!(guessing.begin("anna", HERE, true, at(86_400)).is_ok(), "an address that the name knows");
        assert!(guessing.begin("anna", THERE, false, at(86_400 + PAUSE_MAX_S)).is_ok(), "a new one, a minute later");
    }

    #[test]
    fn a_wrong_code_after_a_right_password_counts_more() {
        let guessing = Guessing::default();
        for n in 0..10 {
            let tried = guessing.begin("anna", &format!("198.51.100.{n}"), false, at(0)).unwrap();
            guessing.failed(&tried, CODE_WEIGHT);
        }
        assert_eq!(guessing.begin("anna", HERE, false, at(0)).unwrap_err(), Blocked::Slowed(at(1)));
    }

    #[test]
    fn who_signs_in_begins_anew_and_who_owes_a_code_does_not() {
        let guessing = Guessing::default();
        (0..4).for_each(|_| _ = fail(&guessing, "anna", HERE, 0));
        for _ in 0..10 {
            let tried = guessing.begin("anna", HERE, false, at(1)).unwrap();
            guessing.undone(&tried);
        }
        let tried = guessing.begin("anna", HERE, false, at(1)).unwrap();
        assert!(guessing.begin("anna", HERE, false, at(1)).is_err(), "four failed and one is under way");
        guessing.succeeded(&tried);
        assert!((0..5).all(|_| fail(&guessing, "anna", HERE, 2).is_some()));
    }

    #[test]
    fn a_flood_of_names_does_not_wash_a_lock_away() {
        let guessing = Guessing::default();
        (0..5).for_each(|_| _ = fail(&guessing, "anna", HERE, 0));
        for n in 0..COUNTS_MAX + 100 {
            let _ = fail(&guessing, &format!("name-{n}"), &format!("10.{}.{}.1", n / 250, n % 250), 1);
        }
        assert!(guessing.begin("anna", HERE, false, at(2)).is_err());
        assert!(guessing.0.lock().unwrap().pairs.len() <= COUNTS_MAX);
    }

    #[test]
    fn a_customer_of_an_ipv6_provider_is_one_place() {
        let place = |text: &str| super::place(text.parse().unwrap());
        assert_eq!(place("2001:db8:1:2::3"), place("2001:db8:1:2:ffff::9"));
        assert_ne!(place("2001:db8:1:2::3"), place("2001:db8:1:3::3"));
        assert_eq!(place("192.0.2.1"), "192.0.2.1");
    }
}
