//! Where judging stands on one host: pure, fed with rows of samples and with the time that passes.

use super::book::{Page, Watched};
use super::judge::{self, Change, Phase, SeriesState, Transition};
use crate::model::SeriesKey;
use crate::pack::Summary;
use crate::store::SamplesRow;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A series that is right and has had no sample for so long is forgotten.
const FORGOTTEN_AFTER_S: i64 = 86_400;

/// What has become of one policy on one series.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The policy.
    pub watched: Arc<Watched>,
    /// The series.
    pub key: SeriesKey,
    /// What has become of it.
    pub transition: Transition,
}

/// One policy on one series.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The policy.
    pub watched: Arc<Watched>,
    /// Where it stands.
    pub state: SeriesState,
}

/// One host.
#[derive(Debug, Clone)]
pub struct LiveHost {
    page: Arc<Page>,
    /// The newest row that was judged.
    at_s: i64,
    /// When it came, in seconds since the judging was started.
    heard_s: i64,
    series: BTreeMap<SeriesKey, Vec<Judged>>,
    /// Before this moment, on the host's clock, time alone changes nothing.
    due_s: i64,
    /// The row as of which all this was stored.
    kept_at_s: i64,
}

/// A policy on a series, as it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    r: String,
    e: String,
    p: usize,
    k: String,
    s: SeriesState,
}

impl LiveHost {
    /// A host of which rows after `at_s` will be judged.
    pub fn new(page: Arc<Page>, at_s: i64, ran_s: i64) -> LiveHost {
        LiveHost { page, at_s, heard_s: ran_s, series: BTreeMap::new(), due_s: i64::MAX, kept_at_s: 0 }
    }

    /// A host as it was stored; `body` is what [`LiveHost::save`] wrote.
    pub fn restore(page: Arc<Page>, at_s: i64, body: &str, ran_s: i64) -> LiveHost {
        let mut host = LiveHost { kept_at_s: at_s, ..LiveHost::new(page, at_s, ran_s) };
        let all: Vec<Saved> = serde_json::from_str(body).unwrap_or_default();
        for Saved { r, e, p, k, s } in all {
            let Some(key) = SeriesKey::parse(&k) else { continue };
            let is_it = |w: &Arc<Watched>| w.rule == r && w.edition == e && w.index == p && w.is_about(&key);
            let Some(watched) = host.page.get(key.name.as_str()).and_then(|all| all.iter().find(|w| is_it(w))) else {
                continue;
            };
            let judged = Judged { watched: Arc::clone(watched), state: s };
            host.series.entry(key).or_default().push(judged);
        }
        let page = Arc::clone(&host.page);
        host.adopt(page);
        host
    }

    /// All that is needed to go on from [`LiveHost::at_s`].
    pub fn save(&mut self) -> String {
        self.kept_at_s = self.at_s;
        let saved = |key: &SeriesKey, judged: &Judged| Saved {
            r: judged.watched.rule.clone(),
            e: judged.watched.edition.clone(),
            p: judged.watched.index,
            k: key.to_string(),
            s: judged.state.clone(),
        };
        let all = self.judged().filter(|(_, judged)| judged.state.last_at_s != 0);
        let all: Vec<Saved> = all.map(|(key, judged)| saved(key, judged)).collect();
        serde_json::to_string(&all).expect("strings and finite numbers")
    }

    /// The newest row that was judged.
    pub fn at_s(&self) -> i64 {
        self.at_s
    }

    /// For how long nothing was stored of this.
    pub fn unkept_s(&self) -> i64 {
        self.at_s - self.kept_at_s
    }

    /// Goes by these rules from now on; policies that are in both go on where they stood.
    pub fn adopt(&mut self, page: Arc<Page>) {
        self.page = page;
        for (key, list) in &mut self.series {
            let before = std::mem::take(list);
            let find = |w: &Arc<Watched>| {
                let old = before
                    .iter()
                    .find(|j| (&j.watched.rule, &j.watched.edition, j.watched.index) == (&w.rule, &w.edition, w.index));
                Judged { watched: Arc::clone(w), state: old.map(|j| j.state.clone()).unwrap_or_default() }
            };
            *list = watched(&self.page, key).map(find).collect();
        }
        self.due();
    }

    /// Forgets series.
    pub fn retain(&mut self, is_kept: impl Fn(&SeriesKey) -> bool) {
        self.series.retain(|key, _| is_kept(key));
        self.due();
    }

    /// Judges rows that came at `ran_s`. Samples that are not newer than the last one of their series
    /// change nothing: several sources report on one host, each with moments of its own.
    pub fn rows(&mut self, rows: &[SamplesRow], ran_s: i64) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for (at_s, values) in rows {
            if *at_s > self.at_s {
                (self.at_s, self.heard_s) = (*at_s, ran_s);
            }
            for (key, value) in values {
                self.sample(key, *at_s, *value, &mut outcomes);
            }
        }
        self.due();
        outcomes
    }

    fn sample(&mut self, key: &SeriesKey, at_s: i64, value: f64, outcomes: &mut Vec<Outcome>) {
        if !self.page.contains_key(key.name.as_str()) {
            return;
        }
        if !self.series.contains_key(key) {
            let new = |w: &Arc<Watched>| Judged { watched: Arc::clone(w), state: SeriesState::default() };
            self.series.insert(key.clone(), watched(&self.page, key).map(new).collect());
        }
        let mut out = Vec::new();
        for judged in self.series.get_mut(key).into_iter().flatten() {
            if at_s >= judged.watched.since_s {
                judge::step(&judged.watched.test, &mut judged.state, at_s, Summary::of(value), &mut out);
                outcomes.extend(out.drain(..).map(|t| outcome(judged, key, t)));
            }
        }
    }

    /// Time has passed; it is `ran_s` seconds since the judging was started.
    pub fn pass(&mut self, ran_s: i64) -> Vec<Outcome> {
        let now_s = self.now_s(ran_s);
        if now_s < self.due_s {
            return Vec::new();
        }
        let (mut outcomes, mut out) = (Vec::new(), Vec::new());
        for (key, list) in &mut self.series {
            for judged in list {
                judge::pass(&judged.watched.test, &mut judged.state, now_s, &mut out);
                outcomes.extend(out.drain(..).map(|t| outcome(judged, key, t)));
            }
        }
        self.forget(now_s);
        self.due();
        outcomes
    }

    /// Where the host's own clock would be.
    fn now_s(&self, ran_s: i64) -> i64 {
        self.at_s.saturating_add(ran_s - self.heard_s)
    }

    fn forget(&mut self, now_s: i64) {
        let is_old = |j: &Judged| j.state.phase == Phase::Ok && j.state.last_at_s < now_s - FORGOTTEN_AFTER_S;
        self.series.retain(|_, list| list.is_empty() || !list.iter().all(is_old));
    }

    fn due(&mut self) {
        let all = self.series.values().flatten().map(|j| judge::due_s(&j.watched.test, &j.state));
        self.due_s = all.min().unwrap_or(i64::MAX);
    }

    /// Every policy on every series that was seen.
    pub fn judged(&self) -> impl Iterator<Item = (&SeriesKey, &Judged)> {
        self.series.iter().flat_map(|(key, list)| list.iter().map(move |judged| (key, judged)))
    }

    /// Whether this alarm is still one of a rule that holds here.
    pub fn is_judged(&self, (rule, edition, index): (&str, &str, i64), key: &str) -> bool {
        let Some(key) = SeriesKey::parse(key) else { return false };
        let same = |w: &Arc<Watched>| w.rule == rule && w.edition == edition && w.index as i64 == index;
        watched(&self.page, &key).any(same)
    }
}

fn watched<'a>(page: &'a Page, key: &'a SeriesKey) -> impl Iterator<Item = &'a Arc<Watched>> {
    page.get(key.name.as_str()).into_iter().flatten().filter(|watched| watched.is_about(key))
}

fn outcome(judged: &Judged, key: &SeriesKey, transition: Transition) -> Outcome {
    Outcome { watched: Arc::clone(&judged.watched), key: key.clone(), transition }
}

impl Outcome {
    /// True for what is stored; what may fire soon is not.
    pub fn is_kept(&self) -> bool {
        !matches!(self.transition.to, Change::Pending | Change::Ok)
    }
}
