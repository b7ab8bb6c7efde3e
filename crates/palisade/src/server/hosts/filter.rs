//! Which hosts a list shows, and in which order.

use super::super::fleet::{HostSnapshot, verdict};
use palisade_core::{Standing, Tag, Tags, VerdictWord};
use palisade_guard::api::{ApiError, PageParams};
use palisade_guard::store::HostRow;
use serde::Deserialize;
use utoipa::IntoParams;

/// What may be asked of the list. Read by [`Wanted::read`], since `tag` may stand there several times.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
pub struct HostListParams {
    /// In one region.
    region: Option<String>,
    /// With this tag, `key=value`; may be given several times, and then all must be there.
    tag: Option<Vec<String>>,
    /// `active`, `retired`, `revoked` or `all`; without it, all that were not retired.
    standing: Option<String>,
    /// Last heard of so.
    verdict: Option<VerdictWord>,
    /// Words that must all occur in name, system, region, tags or addresses.
    q: Option<String>,
    /// `name`, `state`, `verdict`, `findings` or `seen`, with `-` before it for descending.
    sort: Option<String>,
    /// At most this many, 1 to 1,000; 100 if absent.
    limit: Option<u32>,
    /// From the `next_cursor` of the page before.
    cursor: Option<String>,
}

/// What is asked of the list.
#[derive(Debug, Default)]
pub struct Wanted {
    region: Option<String>,
    tags: Tags,
    standing: Standings,
    verdict: Option<VerdictWord>,
    /// In which order.
    pub sort: Sort,
    /// Which part, and the words that must occur.
    pub page: PageParams,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Standings {
    #[default]
    NotRetired,
    All,
    Only(Standing),
}

impl Wanted {
    /// Reads the parameters; those that the list does not know are passed over.
    pub fn read(pairs: &[(String, String)]) -> Result<Wanted, ApiError> {
        let mut wanted = Wanted::default();
        for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
            wanted.take(name, value)?;
        }
        Ok(wanted)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), ApiError> {
        let wrong = |why: String| ApiError::invalid(format!("`{name}`: {why}"));
        match name {
            "region" => self.region = Some(value.to_owned()),
            "tag" => {
                let tag: Tag = value.parse().map_err(|e: palisade_core::TagError| wrong(e.to_string()))?;
                self.tags.set(&tag.key, &tag.value).map_err(|e| wrong(e.to_string()))?;
            }
            "standing" if value == "all" => self.standing = Standings::All,
            "standing" => self.standing = Standings::Only(value.parse().map_err(wrong)?),
            "verdict" => self.verdict = Some(verdict_word(value).map_err(wrong)?),
            "sort" => self.sort = Sort::read(value)?,
            "q" => self.page.q = Some(value.to_owned()),
            "limit" => self.page.limit = Some(value.parse().map_err(|e| wrong(format!("{e}")))?),
            "cursor" => self.page.cursor = Some(value.to_owned()),
            _ => {}
        }
        Ok(())
    }

    /// Whether the list shows this host.
    pub fn lets_in(&self, row: &HostRow) -> bool {
        let standing = match self.standing {
            Standings::NotRetired => row.standing != Standing::Retired,
            Standings::All => true,
            Standings::Only(standing) => row.standing == standing,
        };
        standing
            && self.region.as_ref().is_none_or(|region| row.region.as_ref() == Some(region))
            && row.tags.contains(&self.tags)
            && self.verdict.is_none_or(|word| verdict(row) == word)
            && (self.page.q.is_none() || self.says(row))
    }

    fn says(&self, row: &HostRow) -> bool {
        let tags: Vec<String> = row.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let own = [row.id.as_str(), &row.facts.os, row.region.as_deref().unwrap_or_default()];
        let more = tags.iter().chain(&row.facts.addresses).map(String::as_str);
        self.page.matches(&own.into_iter().chain(more).collect::<Vec<_>>())
    }
}

const VERDICTS: [VerdictWord; 8] = [
    VerdictWord::Unreachable,
    VerdictWord::Killed,
    VerdictWord::ClockWrong,
    VerdictWord::Ended,
    VerdictWord::Never,
    VerdictWord::Revoked,
    VerdictWord::Agentless,
    VerdictWord::Online,
];

fn verdict_word(text: &str) -> Result<VerdictWord, String> {
    let words = VERDICTS.map(VerdictWord::as_str).join(", ");
    let found = VERDICTS.into_iter().find(|word| word.as_str() == text);
    found.ok_or_else(|| format!("`{text}` is no verdict; use {words}"))
}

/// A column and its direction. Hosts that are alike in it stand by name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sort {
    column: Column,
    descending: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Column {
    #[default]
    Name,
    State,
    Verdict,
    Findings,
    Seen,
}

impl Sort {
    fn read(text: &str) -> Result<Sort, ApiError> {
        let (column, descending) = text.strip_prefix('-').map_or((text, false), |column| (column, true));
        let column = match column {
            "name" => Column::Name,
            "state" => Column::State,
            "verdict" => Column::Verdict,
            "findings" => Column::Findings,
            "seen" => Column::Seen,
            other => {
                return Err(ApiError::invalid(format!("`sort`: there is no column `{other}`"))
                    .hint("use name, state, verdict, findings or seen, with - before it for descending"));
            }
        };
        Ok(Sort { column, descending })
    }

    /// Whether the order rests on what the guards said.
    pub fn needs_snapshots(self) -> bool {
        matches!(self.column, Column::State | Column::Findings)
    }

    /// Sorts hosts by what is in their own row. They come by name.
    pub fn rows(self, rows: &mut [HostRow]) {
        match self.column {
            Column::Verdict => self.by(rows, |row| VERDICTS.iter().position(|word| *word == verdict(row))),
            Column::Seen => self.by(rows, |row| row.seen_at),
            _ if self.descending => rows.reverse(),
            _ => {}
        }
    }

    /// Sorts hosts by what the guards said. They come by name.
    pub fn snapshots(self, hosts: &mut [HostSnapshot]) {
        match self.column {
            Column::State => self.by(hosts, |host| host.state().badness()),
            _ => self.by(hosts, |host| host.findings_open()),
        }
    }

    fn by<T, K: Ord>(self, list: &mut [T], key: impl Fn(&T) -> K) {
        if self.descending {
            list.sort_by_cached_key(|item| std::cmp::Reverse(key(item)));
        } else {
            list.sort_by_cached_key(key);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(query: &[(&str, &str)]) -> Result<Wanted, ApiError> {
        Wanted::read(&query.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>())
    }

    fn host(name: &str, change: impl Fn(&mut HostRow)) -> HostRow {
        let mut row = HostRow::new(name.parse().unwrap(), "2026-11-22T12:00:00Z".parse().unwrap());
        change(&mut row);
        row
    }

    #[test]
    fn every_tag_that_is_asked_for_must_be_there() {
        let row = host("web-1", |row| {
            row.tags.set("role", "web").unwrap();
            row.tags.set("stage", "test").unwrap();
        });
        for (query, shown) in [
            (vec![("tag", "role=web")], true),
            (vec![("tag", "role=web"), ("tag", "stage=test")], true),
            (vec![("tag", "role=web"), ("tag", "stage=live")], false),
            (vec![("q", "stage=te WEB-")], true),
        ] {
            assert_eq!(read(&query).unwrap().lets_in(&row), shown, "{query:?}");
        }
        assert!(read(&[("tag", "role")]).unwrap_err().message().contains("key=value"));
    }

    #[test]
    fn the_retired_are_shown_only_when_they_are_asked_for() {
        let standings = [Standing::Active, Standing::Retired, Standing::Revoked];
        let rows = standings.map(|standing| host("web-1", |row| row.standing = standing));
        for (query, shown) in [
            (vec![], [true, false, true]),
            (vec![("standing", "active")], [true, false, false]),
            (vec![("standing", "retired")], [false, true, false]),
            (vec![("standing", "all")], [true, true, true]),
            (vec![("verdict", "revoked")], [false, false, true]),
        ] {
            assert_eq!(rows.each_ref().map(|row| read(&query).unwrap().lets_in(row)), shown, "{query:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_names_the_parameter() {
        for query in [("standing", "gone"), ("verdict", "dead"), ("sort", "colour"), ("limit", "many")] {
            let error = read(&[query]).unwrap_err();
            assert!(error.message().contains(&format!("`{}`", query.0)), "{}", error.message());
        }
    }
}
