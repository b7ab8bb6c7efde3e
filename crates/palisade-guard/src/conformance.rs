//! The contract that every keeper is held to, whatever it keeps.

use crate::contract::SpecPair;
use crate::entry::Keeper;
use palisade_core::Timestamp;

/// A guard's keeper together with specs that ask for something.
pub struct Fixture<'a> {
    /// The keeper, on a host (or fake) where nothing has been applied yet.
    pub keeper: &'a dyn Keeper,
    /// Specs whose plan is not empty.
    pub specs: SpecPair,
    /// The moment of the plan.
    pub now: Timestamp,
    /// Undoes what the guard has done, as another tool would.
    pub destroy: &'a dyn Fn(),
}

/// After apply the plan is empty; twice changes nothing; an interrupted apply converges; drift is
/// seen by the stamp and repaired.
///
/// # Panics
/// When the keeper breaks one of these.
pub fn keeper(fixture: &Fixture<'_>) {
    let Fixture { keeper, specs, now, destroy } = fixture;
    let plan = |when: &str| keeper.plan(specs, *now).unwrap_or_else(|e| panic!("planning {when}: {e}"));
    let first = plan("at first");
    assert!(!first.is_empty(), "the fixture's specs ask for nothing");
    assert_eq!(plan("again"), first, "planning has an effect, or is not deterministic");

    for stop_after in 0..first.len() {
        destroy();
        let steps = plan("before an interrupted apply");
        for step in steps.iter().take(stop_after) {
            keeper.apply(step, *now).unwrap_or_else(|e| panic!("applying {}: {e}", step.name));
        }
        converge(fixture, &format!("interrupted after {stop_after} steps"));
    }

    let stamp = keeper.stamp().unwrap_or_else(|e| panic!("stamp: {e}"));
    assert_eq!(keeper.stamp().ok(), Some(stamp), "the stamp changes by itself");
    destroy();
    assert_ne!(keeper.stamp().ok(), Some(stamp), "the stamp does not see that another tool has changed something");
    converge(fixture, "after drift");
}

fn converge(fixture: &Fixture<'_>, when: &str) {
    let Fixture { keeper, specs, now, .. } = fixture;
    let steps = keeper.plan(specs, *now).unwrap_or_else(|e| panic!("planning {when}: {e}"));
    for step in &steps {
        keeper.apply(step, *now).unwrap_or_else(|e| panic!("applying {} {when}: {e}", step.name));
    }
    let left = keeper.plan(specs, *now).unwrap_or_else(|e| panic!("planning after apply {when}: {e}"));
    assert!(left.is_empty(), "{when}: the plan after apply is not empty: {left:#?}");
}
