//! A host that has come to more rules than it can evaluate. A change that would do that is refused; a
//! host that joins with tags that do is not, since it would stand there without any rule.

use crate::filter::{Defaults, Filter, Layer, Rule};
use crate::group::model::{Action, RULES_PER_HOST_MAX};

/// Rules that count: to cut a host off must work however many it has.
pub fn counted(rules: &[Rule]) -> usize {
    rules.iter().filter(|rule| rule.layer != Layer::Isolation).count()
}

/// The filter within the bound, which lets through nothing that the whole would not: what denies is
/// kept, and of what allows as much as fits, the earliest first. Where the denials alone are too many,
/// no rule of a group is left, and everything is denied.
pub fn bounded(mut filter: Filter) -> Filter {
    if counted(&filter.rules) <= RULES_PER_HOST_MAX {
        return filter;
    }
    let denying = filter.rules.iter().filter(|rule| rule.action == Action::Deny && rule.layer != Layer::Isolation);
    let denying = denying.count();
    if denying > RULES_PER_HOST_MAX {
        filter.rules.retain(|rule| rule.layer < Layer::Group);
        filter.defaults = Some(Defaults { inbound: Action::Deny, outbound: Action::Deny });
        return filter;
    }
    let mut room = RULES_PER_HOST_MAX - denying;
    filter.rules.retain(|rule| {
        let fits = rule.action == Action::Deny || room > 0;
        room = room.saturating_sub(usize::from(rule.action == Action::Allow));
        fits
    });
    filter
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::model::Direction;

    fn rules(layer: Layer, action: Action, count: usize) -> impl Iterator<Item = Rule> {
        let rule = move |n| Rule {
            id: format!("{}/{action:?}-{n}", layer.word()),
            action,
            ..super::super::blank(String::new(), layer, Direction::In, Action::Deny)
        };
        (0..count).map(rule)
    }

    fn filter(rules: Vec<Rule>) -> Filter {
        let defaults = Some(Defaults { inbound: Action::Deny, outbound: Action::Allow });
        Filter { rules, sets: Vec::new(), defaults }
    }

    fn said(filter: &Filter) -> (usize, usize) {
        let of = |action| filter.rules.iter().filter(|rule| rule.action == action).count();
        (of(Action::Deny), of(Action::Allow))
    }

    #[test]
    fn what_allows_gives_way_to_what_denies() {
        let all = rules(Layer::Group, Action::Allow, RULES_PER_HOST_MAX).chain(rules(Layer::Group, Action::Deny, 5));
        let bounded = bounded(filter(all.collect()));
        assert_eq!(said(&bounded), (5, RULES_PER_HOST_MAX - 5));
        assert_eq!(bounded.rules[0].id, "group/Allow-0");
    }

    #[test]
    fn where_denials_alone_are_too_many_everything_is_denied() {
        let group = rules(Layer::Group, Action::Deny, RULES_PER_HOST_MAX + 1);
        let all = rules(Layer::Policy, Action::Deny, 2).chain(group).chain(rules(Layer::Intra, Action::Allow, 1));
        let bounded = bounded(filter(all.collect()));
        assert_eq!(said(&bounded), (2, 0));
        assert_eq!(bounded.defaults, Some(Defaults { inbound: Action::Deny, outbound: Action::Deny }));
    }

    #[test]
    fn a_host_with_as_many_rules_as_it_may_have_can_be_cut_off() {
        let group = rules(Layer::Group, Action::Allow, RULES_PER_HOST_MAX);
        let whole = filter(rules(Layer::Isolation, Action::Deny, 2).chain(group).collect());
        let same = bounded(Filter { rules: whole.rules.clone(), ..whole.clone() });
        assert_eq!(same, whole);
    }
}
