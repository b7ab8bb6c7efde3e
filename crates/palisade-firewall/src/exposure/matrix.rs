//! Hosts by ports: what is open where, at one glance.

use super::{DEFAULT_IN, Joined, Open, Path, Segment};
use crate::model::{Protocol, Scope};
use crate::services;
use palisade_core::{HostId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

/// Columns at most; those that are open to the most stay.
pub const PORTS_MAX: usize = 200;
/// Rows at most, by name.
pub const HOSTS_MAX: usize = 1_000;
/// A rule that opens more ports than this at once is no column for each of them.
const UNUSED_PORTS_MAX: u16 = 16;

/// What stands in a cell; ordered, the later the more there is to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ExposureState)]
pub enum State {
    /// Somebody listens, and the rules shut the port.
    Shut,
    /// A rule lets packets in, and nobody listens.
    AllowedUnused,
    /// A rule lets packets in, and nobody knows whether somebody listens.
    Unknown,
    /// Open to private networks.
    Private,
    /// Open to named public networks.
    Named,
    /// Open to anybody.
    World,
}

/// Hosts by ports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Matrix {
    /// The columns, by protocol and port.
    pub ports: Vec<MatrixPort>,
    /// The rows, by name; those with nothing to see too.
    pub hosts: Vec<MatrixRow>,
    /// Why there is nothing, or not everything.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MatrixPort {
    /// tcp or udp.
    pub protocol: Protocol,
    /// The port.
    pub port: u16,
    /// What stands on it as a rule.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub service: Option<String>,
    /// The mission calls it high-risk.
    pub high_risk: bool,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MatrixRow {
    /// The host.
    pub host: HostId,
    /// When it was last looked at; absent if it has reported nothing.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub observed_at: Option<Timestamp>,
    /// That is too long ago, or never was: something else may be true by now.
    pub stale: bool,
    /// Where there is something to see, by column.
    pub cells: Vec<Cell>,
}

/// What is open on one port of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ExposureCell)]
pub struct Cell {
    /// The column, counted from 0.
    pub port: usize,
    /// To whom.
    pub state: State,
    /// Who listens; hostile text is possible.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub process: Option<String>,
    /// The package of its program.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub package: Option<String>,
    /// The rule that lets the widest in, or that shuts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule: Option<String>,
    /// How packets come there, if somebody listens.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<Path>,
}

/// What is known of one host.
#[derive(Debug, Clone)]
pub struct HostLook {
    /// Its name.
    pub host: HostId,
    /// When it was looked at; `None` if it never was.
    pub observed_at: Option<Timestamp>,
    /// That is too long ago.
    pub stale: bool,
    /// Its sockets and published ports.
    pub rows: Vec<Joined>,
    /// From where its rules let packets in.
    pub rules: Vec<Segment>,
}

type Port = (Protocol, u16);

/// The matrix of `looks` with the cells for which `wanted` is true.
pub fn matrix(looks: &[HostLook], wanted: impl Fn(&HostId, Port, &Cell) -> bool) -> Matrix {
    let mut by_host: Vec<(&HostLook, BTreeMap<Port, Cell>)> =
        looks.iter().take(HOSTS_MAX).map(|look| (look, cells(look))).collect();
    for (look, cells) in &mut by_host {
        cells.retain(|port, cell| wanted(&look.host, *port, cell));
    }
    let (columns, left_out) = columns(&by_host);
    let place: BTreeMap<Port, usize> = columns.iter().enumerate().map(|(place, port)| (*port, place)).collect();
    let hosts = by_host.into_iter().map(|(look, cells)| row(look, cells, &place)).collect();
    let ports = columns.into_iter().map(column).collect();
    let mut reasons = Vec::new();
    if left_out > 0 {
        reasons.push(format!("{left_out} ports more are open somewhere; ask for a host or a port by name"));
    }
    if looks.len() > HOSTS_MAX {
        reasons.push(format!("{} hosts more are not shown", looks.len() - HOSTS_MAX));
    }
    Matrix { ports, hosts, reason: (!reasons.is_empty()).then(|| reasons.join("; ")) }
}

fn row(look: &HostLook, cells: BTreeMap<Port, Cell>, place: &BTreeMap<Port, usize>) -> MatrixRow {
    let placed = cells.into_iter().filter_map(|(port, cell)| Some(Cell { port: *place.get(&port)?, ..cell }));
    let stale = look.stale || look.observed_at.is_none();
    MatrixRow { host: look.host.clone(), observed_at: look.observed_at, stale, cells: placed.collect() }
}

fn column((protocol, port): Port) -> MatrixPort {
    let service = services::common(protocol, port).map(str::to_owned);
    MatrixPort { protocol, port, service, high_risk: services::is_high_risk(protocol, port) }
}

/// The ports with something to see, in order, and how many were left out.
fn columns(rows: &[(&HostLook, BTreeMap<Port, Cell>)]) -> (Vec<Port>, usize) {
    let mut widest: BTreeMap<Port, (State, usize)> = BTreeMap::new();
    for (port, cell) in rows.iter().flat_map(|(_, cells)| cells) {
        let known = widest.entry(*port).or_insert((cell.state, 0));
        *known = (known.0.max(cell.state), known.1 + 1);
    }
    let mut ports: Vec<(Port, (State, usize))> = widest.into_iter().collect();
    let left_out = ports.len().saturating_sub(PORTS_MAX);
    if left_out > 0 {
        ports.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        ports.truncate(PORTS_MAX);
    }
    let kept: BTreeSet<Port> = ports.into_iter().map(|(port, _)| port).collect();
    (kept.into_iter().collect(), left_out)
}

/// One cell per port: that of the socket that is open to the most.
fn cells(look: &HostLook) -> BTreeMap<Port, Cell> {
    let mut cells: BTreeMap<Port, Cell> = BTreeMap::new();
    for row in look.rows.iter().filter(|row| row.scope > Scope::Host) {
        let cell = cell(row);
        let known = cells.entry((row.protocol, row.port)).or_insert_with(|| cell.clone());
        if known.state < cell.state {
            *known = cell;
        }
    }
    let unused = if look.observed_at.is_some() { State::AllowedUnused } else { State::Unknown };
    let few = |s: &&Segment| s.from > Open::None && s.last - s.first < UNUSED_PORTS_MAX && s.rule != DEFAULT_IN;
    for segment in look.rules.iter().filter(few) {
        for port in segment.first..=segment.last {
            cells.entry((segment.protocol, port)).or_insert_with(|| Cell {
                port: 0,
                state: unused,
                process: None,
                package: None,
                rule: Some(segment.rule.clone()),
                path: None,
            });
        }
    }
    cells
}

fn cell(row: &Joined) -> Cell {
    let state = match row.open {
        Open::World => State::World,
        Open::Named => State::Named,
        Open::Private => State::Private,
        Open::None => State::Shut,
    };
    let listener = row.listener.as_ref();
    Cell {
        port: 0,
        state,
        process: listener.and_then(|l| l.process.clone()),
        package: listener.and_then(|l| l.package.clone()),
        rule: row.rule.clone(),
        path: Some(row.path),
    }
}
