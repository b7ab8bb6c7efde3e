//! Which hosts something is for.

use crate::{HostId, Tags};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Names in one selector at most.
pub const SELECTOR_HOSTS_MAX: usize = 1_000;

/// Hosts: those that are named, and those that have all of the tags and stand in the region. Nothing
/// given chooses no host, so that a mistake is never the whole fleet; `all` chooses every host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = HostSelector)]
pub struct Selector {
    /// Every host, those that join later too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// By name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub hosts: Vec<HostId>,
    /// Those that have all of these tags.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    #[schema(value_type = std::collections::HashMap<String, String>)]
    pub tags: Tags,
    /// Those in this region; together with tags, both must be true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

impl Selector {
    /// True for a host that is chosen.
    pub fn holds(&self, host: &HostId, tags: &Tags, region: Option<&str>) -> bool {
        let described = !self.tags.is_empty() || self.region.is_some();
        let placed = tags.contains(&self.tags) && self.region.as_deref().is_none_or(|wanted| region == Some(wanted));
        self.all || self.hosts.contains(host) || (described && placed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(list: &[(&str, &str)]) -> Tags {
        serde_json::from_value(serde_json::json!(list.iter().copied().collect::<std::collections::BTreeMap<_, _>>()))
            .expect("tags")
    }

    #[test]
    fn nothing_given_chooses_no_host_and_tags_and_region_must_both_be_true() {
        let host: HostId = "web-1".parse().expect("a name");
        let web = tags(&[("role", "web"), ("env", "prod")]);
        let holds = |selector: &Selector| selector.holds(&host, &web, Some("eu"));
        assert!(!holds(&Selector::default()));
        assert!(holds(&Selector { all: true, ..Selector::default() }));
        assert!(holds(&Selector { hosts: vec![host.clone()], ..Selector::default() }));
        assert!(holds(&Selector { tags: tags(&[("role", "web")]), ..Selector::default() }));
        assert!(holds(&Selector { region: Some("eu".to_owned()), ..Selector::default() }));
        let both = |region: &str| Selector {
            tags: tags(&[("role", "web")]),
            region: Some(region.to_owned()),
            ..Selector::default()
        };
        assert!(holds(&both("eu")) && !holds(&both("us")));
    }
}
