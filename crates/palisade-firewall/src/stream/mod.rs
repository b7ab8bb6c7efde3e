//! What a host tells of its filter while it works: packets that were denied, counters of rules, and
//! who has changed the ruleset.
