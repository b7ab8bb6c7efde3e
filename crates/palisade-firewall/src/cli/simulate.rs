//! `palisade firewall simulate`: what becomes of packets, by files of documents without a server; where
//! no file is given, the server is asked.

use super::documents::{filter, fleet};
use crate::filter::judge::Host;
use crate::filter::packet::{PacketError, PacketText};
use crate::filter::verdict::{Verdict, failsafe, verdict};
use crate::group::model::Action;
use anyhow::{Context, Result, anyhow, bail};
use palisade_core::{Clock, Failsafe, HostId, SystemClock, Timestamp};
use palisade_guard::cli::{CliContext, Output, printable};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

/// How `simulate --exit-code` ends when a packet is denied; errors end with 2.
const EXIT_DENIED: u8 = 1;
/// Packets of one command.
const PACKETS_MAX: usize = 10_000;
/// What is read of standard input.
const PACKETS_BYTES_MAX: u64 = 4 << 20;

#[derive(Debug, clap::Args)]
pub struct SimulateArgs {
    /// A file of documents, or `-` for standard input; without one the server is asked
    #[arg(short, long, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Who is never cut, with -f: an address or network, or with a port as 198.51.100.0/24:22
    #[arg(long, value_name = "CIDR[:PORT]", requires = "file")]
    failsafe: Vec<Failsafe>,
    /// End with 1 if a packet is denied
    #[arg(long)]
    exit_code: bool,
    /// Packets such as 'tcp 203.0.113.9:40000 -> web-1:22'; `-` reads one a line
    #[arg(required = true, value_name = "PACKET")]
    packets: Vec<String>,
}

/// What is said of one packet.
#[derive(Debug, Serialize, Deserialize)]
struct Simulated {
    packet: String,
    host: HostId,
    now: Verdict,
}

/// Judges packets, by files or by the server.
pub async fn simulate(args: SimulateArgs, context: &CliContext) -> Result<ExitCode> {
    let packets = packets(&args)?;
    let said = match args.file.is_empty() {
        true => asked(&packets, context).await?,
        false => judged(&packets, &args, SystemClock.now())?,
    };
    if context.output == Output::Json {
        println!("{:#}", json!({ "items": said, "total": said.len() }));
    } else {
        said.iter().for_each(|one| print!("{}", simulated_said(one)));
    }
    let denied = said.iter().any(|one| one.now.action == Action::Deny);
    Ok(if args.exit_code && denied { ExitCode::from(EXIT_DENIED) } else { ExitCode::SUCCESS })
}

fn judged(packets: &[PacketText], args: &SimulateArgs, now: Timestamp) -> Result<Vec<Simulated>> {
    let fleet = fleet(&args.file)?;
    let mut filters = BTreeMap::new();
    for packet in packets {
        if !filters.contains_key(&packet.host) {
            filters.insert(packet.host.clone(), filter(&fleet, &packet.host, now)?);
        }
    }
    let one = |packet: &PacketText| {
        let filter = &filters[&packet.host];
        let failsafe = failsafe(&args.failsafe, &packet.probe);
        let host = Host { failsafe: &failsafe, allow: &[], banned: &[], filter };
        let now = verdict(&host, &packet.probe, now);
        Simulated { packet: packet.to_string(), host: packet.host.clone(), now }
    };
    Ok(packets.iter().map(one).collect())
}

async fn asked(packets: &[PacketText], context: &CliContext) -> Result<Vec<Simulated>> {
    let mut said = Vec::new();
    for packet in packets {
        let body = json!({ "packet": packet.to_string() });
        let answer = context.client.call("POST", "/api/v1/firewall/simulate", Some(body)).await?;
        said.push(serde_json::from_value(answer).context("reading the server's answer")?);
    }
    Ok(said)
}

/// The packets of the command line, those of standard input in the place of `-`.
fn packets(args: &SimulateArgs) -> Result<Vec<PacketText>> {
    let mut packets = Vec::new();
    for given in &args.packets {
        match given.as_str() {
            "-" if args.file.iter().any(|file| file.as_os_str() == "-") => {
                bail!("standard input cannot be both the documents and the packets\nhint: give the documents as a file")
            }
            "-" => packets.extend(lines(&input()?)?),
            text => packets.push(packet(text)?),
        }
    }
    if packets.is_empty() || packets.len() > PACKETS_MAX {
        bail!("{} packets: there must be 1 to {PACKETS_MAX}", packets.len());
    }
    Ok(packets)
}

fn input() -> Result<String> {
    let mut text = String::new();
    std::io::stdin().take(PACKETS_BYTES_MAX + 1).read_to_string(&mut text).context("reading standard input")?;
    if text.len() as u64 > PACKETS_BYTES_MAX {
        bail!("standard input is longer than {PACKETS_BYTES_MAX} bytes");
    }
    Ok(text)
}

/// One packet a line; empty lines and those that begin with `#` are left out.
fn lines(text: &str) -> Result<Vec<PacketText>> {
    let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines.map(|(n, line)| packet(line).with_context(|| format!("line {}", n + 1))).collect()
}

fn packet(text: &str) -> Result<PacketText> {
    text.parse().map_err(|error: PacketError| anyhow!("`{}`: {error}\nhint: {}", printable(text), error.hint))
}

/// The verdict for people: what becomes of the packet, why, and what would have decided else.
fn simulated_said(one: &Simulated) -> String {
    let verdict = &one.now;
    let word = if verdict.action == Action::Allow { "allow" } else { "deny" };
    let mut lines = vec![format!("{word:<6} {}", one.packet), format!("       {}", verdict.sentence)];
    if !verdict.peers.is_empty() {
        lines.push(format!("       peers: {}", verdict.peers.join(", ")));
    }
    if !verdict.later.is_empty() {
        let word = |action| if action == Action::Allow { "allow" } else { "deny" };
        let later = verdict.later.iter().map(|l| format!("{} ({}, priority {})", l.id, word(l.action), l.priority));
        lines.push(format!("       match too, later: {}", later.collect::<Vec<_>>().join(", ")));
    }
    lines.iter().map(|line| printable(line) + "\n").collect()
}
