//! A host as lists and pages show it.

use super::super::fleet::HostSnapshot;
use super::super::{Server, trust_store};
use crate::guards::{self, Figures};
use palisade_core::{Finding, Generation, HostId, HostKind, Profile, Standing, State, Tags, Timestamp, VerdictWord};
use palisade_guard::api::{ApiError, Caller, Can, Role};
use palisade_guard::store;
use serde::Serialize;
use sqlx::SqliteConnection;
use std::collections::{BTreeMap, HashMap};
use utoipa::ToSchema;

/// How a host was last heard of, and since when that is so.
#[derive(Serialize, ToSchema)]
pub struct Verdict {
    word: VerdictWord,
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// In a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The certificate by which a host is known.
#[derive(Clone, Serialize, ToSchema)]
pub struct CertificateView {
    /// Its serial number, lower-case hexadecimal.
    pub serial: String,
    /// When it ends unless it is renewed.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub not_after: Option<Timestamp>,
}

/// A host in a list.
#[derive(Serialize, ToSchema)]
pub struct HostView {
    name: HostId,
    state: State,
    verdict: Verdict,
    os: String,
    kernel: String,
    uptime_s: Option<i64>,
    addresses: Vec<String>,
    agent_version: String,
    /// Where it stands, in the operator's own words.
    region: Option<String>,
    tags: Tags,
    kind: HostKind,
    profile: Profile,
    standing: Standing,
    /// Of an agentless host: where it is reached.
    address: Option<String>,
    /// Absent for the server's own host, which speaks over the server's socket.
    certificate: Option<CertificateView>,
    /// Records that its agent had to give up because the server was away too long, by guard.
    lost: BTreeMap<String, u64>,
    worst: Option<Finding>,
    findings_open: usize,
    /// Busy share of the processors, 0 to 1.
    cpu: Option<f64>,
    /// Used share of the memory, 0 to 1.
    memory: Option<f64>,
    /// Used share of the fullest file system, 0 to 1.
    disk: Option<f64>,
    /// Pending updates.
    updates: Option<u64>,
    /// The words of its permit file: what the server may order.
    permit: Vec<String>,
    #[schema(value_type = String, format = DateTime)]
    observed_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    fresh_until: Timestamp,
    generation: Generation,
    can: BTreeMap<String, Can>,
}

/// What a page of hosts needs beside their snapshots.
struct Beside {
    worst: HashMap<String, Finding>,
    figures: HashMap<HostId, Figures>,
    generations: HashMap<HostId, Generation>,
    certificates: HashMap<HostId, CertificateView>,
}

/// These hosts as the caller sees them.
pub async fn views(
    server: &Server,
    db: &mut SqliteConnection,
    hosts: &[HostSnapshot],
    caller: &Caller,
) -> Result<Vec<HostView>, ApiError> {
    let beside = Beside::read(db, hosts).await?;
    let now = server.context.now();
    Ok(hosts.iter().map(|host| beside.view(host, caller, now)).collect())
}

/// One host as the caller sees it.
pub async fn one(
    server: &Server,
    db: &mut SqliteConnection,
    host: HostSnapshot,
    caller: &Caller,
) -> Result<HostView, ApiError> {
    let missing = || ApiError::not_found(format!("a host `{}`", host.row.id));
    views(server, db, std::slice::from_ref(&host), caller).await?.pop().ok_or_else(missing)
}

impl Beside {
    async fn read(db: &mut SqliteConnection, hosts: &[HostSnapshot]) -> Result<Beside, ApiError> {
        let names: Vec<HostId> = hosts.iter().map(|host| host.row.id.clone()).collect();
        let worst: Vec<&str> = hosts.iter().filter_map(|host| Some(host.worst()?.worst.as_str())).collect();
        let worst = store::findings_of(db, &worst).await?;
        Ok(Beside {
            worst: worst.into_iter().map(|row| (row.finding.id.clone(), row.finding)).collect(),
            figures: guards::figures(db, &names).await?,
            generations: store::generations(db, &names).await?,
            certificates: certificates(db, hosts).await?,
        })
    }

    fn view(&self, host: &HostSnapshot, caller: &Caller, now: Timestamp) -> HostView {
        let (row, facts) = (&host.row, &host.row.facts);
        let (observed_at, fresh_until) = host.observed();
        let figures = self.figures.get(&row.id).copied().unwrap_or_default();
        let uptime = facts.booted_at.map(|at| now.duration_since(at).as_secs());
        HostView {
            name: row.id.clone(),
            state: host.state(),
            verdict: Verdict { word: host.verdict(), since: row.verdict_at, reason: row.verdict_reason.clone() },
            os: facts.os.clone(),
            kernel: facts.kernel.clone(),
            uptime_s: uptime.filter(|_| host.verdict() == VerdictWord::Online),
            addresses: facts.addresses.clone(),
            agent_version: facts.agent_version.clone(),
            region: row.region.clone(),
            tags: row.tags.clone(),
            kind: row.kind,
            profile: row.profile,
            standing: row.standing,
            address: row.address.clone(),
            certificate: self.certificates.get(&row.id).cloned(),
            lost: row.lost.clone(),
            worst: host.worst().and_then(|check| self.worst.get(&check.worst)).cloned(),
            findings_open: host.findings_open(),
            cpu: figures.cpu,
            memory: figures.memory,
            disk: figures.disk,
            updates: figures.updates,
            permit: facts.permit.clone(),
            observed_at,
            fresh_until,
            generation: self.generations.get(&row.id).copied().unwrap_or_default(),
            can: can(host, caller),
        }
    }
}

/// The newest certificate of each host; that of a host that joined long ago may be forgotten.
async fn certificates(
    db: &mut SqliteConnection,
    hosts: &[HostSnapshot],
) -> Result<HashMap<HostId, CertificateView>, ApiError> {
    let serials: Vec<&str> = hosts.iter().filter_map(|host| host.row.serial.as_deref()).collect();
    let rows = trust_store::certificates(db, &serials).await?;
    let ends: HashMap<&str, Timestamp> = rows.iter().map(|row| (row.serial.as_str(), row.not_after)).collect();
    let of = |host: &HostSnapshot| {
        let serial = host.row.serial.clone()?;
        let not_after = ends.get(serial.as_str()).copied();
        Some((host.row.id.clone(), CertificateView { serial, not_after }))
    };
    Ok(hosts.iter().filter_map(of).collect())
}

/// What the caller may do with a host, or why not.
fn can(host: &HostSnapshot, caller: &Caller) -> BTreeMap<String, Can> {
    let row = &host.row;
    let active = match row.standing {
        Standing::Active => None,
        Standing::Retired => Some("it is retired"),
        Standing::Revoked => Some("its certificate was revoked"),
    };
    let agent = active.or((row.kind == HostKind::Agentless).then_some("no agent stands on it"));
    let permit = !row.facts.permit.iter().any(|word| word == "ban");
    let retired = (row.standing == Standing::Retired).then_some("it is retired already");
    let cases = [
        ("ban", Role::Operator, agent.or(permit.then_some("this host's permit file does not hold `ban`"))),
        ("look", Role::Operator, agent),
        ("tag", Role::Operator, active),
        ("retire", Role::Admin, retired.or(super::change::in_the_way(row))),
        ("revoke", Role::Admin, active.or(super::change::no_certificate(row))),
    ];
    let said = |(name, role, not): (&str, Role, Option<&str>)| {
        let can = match (caller.can(role), not) {
            (Can::Yes(_), Some(why)) => Can::No(why.to_owned()),
            (other, _) => other,
        };
        (name.to_owned(), can)
    };
    cases.into_iter().map(said).collect()
}
