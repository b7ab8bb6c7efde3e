//! `palisade firewall compile`: what a host would hold by files of documents, without a server.

use super::documents::{filter, fleet};
use crate::filter::compile::compile;
use crate::filter::text;
use crate::ruleset::Range;
use anyhow::{Result, bail};
use palisade_core::{Cidr, Clock, HostId, SystemClock, Timestamp};
use palisade_guard::cli::Output;
use std::path::PathBuf;

/// The highest generation: the number fills the upper half of a mark, and 65535 is kept free.
const GENERATION_MAX: i64 = 65_534;

#[derive(Debug, clap::Args)]
pub struct CompileArgs {
    /// A file of documents, or `-` for standard input; may be given several times
    #[arg(short, long, required = true, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// For which of the hosts in the files
    #[arg(long, value_name = "HOST")]
    host: HostId,
    /// Who is never cut; may be given several times
    #[arg(long, value_name = "CIDR")]
    failsafe: Vec<Cidr>,
    /// The number in the names of chains and in marks
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=GENERATION_MAX))]
    generation: u16,
}

/// Prints what one host would get: for `nft -f`, or as JSON for `nft -j -f`.
pub fn run(args: &CompileArgs, output: Output) -> Result<()> {
    print!("{}", compiled(args, output, SystemClock.now())?);
    Ok(())
}

fn compiled(args: &CompileArgs, output: Output, now: Timestamp) -> Result<String> {
    let filter = filter(&fleet(&args.file)?, &args.host, now)?;
    if filter.defaults.is_none() {
        bail!(
            "no group and no policy chooses `{}`: nothing is filtered on it\nhint: a group chooses its members by `spec.members`",
            args.host
        );
    }
    let failsafe: Vec<Range> = args.failsafe.iter().map(|cidr| Range::from(*cidr)).collect();
    let program = compile(&filter.at(now));
    Ok(match output {
        Output::Json => format!("{:#}\n", text::json(&program, args.generation, &failsafe)),
        Output::Table => text::text(&program, args.generation, &failsafe),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn args(file: &std::path::Path, host: &str) -> CompileArgs {
        CompileArgs {
            file: vec![file.to_owned()],
            host: host.parse().unwrap(),
            failsafe: vec!["192.0.2.9".parse().unwrap()],
            generation: 7,
        }
    }

    #[test]
    fn a_host_of_the_file_gets_its_rules_and_one_that_nothing_chooses_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("groups.yaml");
        let text = "kind: Host\nname: web-1\nspec: {}\n---\nkind: Host\nname: db-1\nspec: {}\n---\nkind: SecurityGroup\nname: web\n\
            spec: { members: { hosts: [web-1] }, rules: [{ id: http, action: allow, protocol: tcp, ports: [80], peers: [any] }] }\n";
        std::fs::write(&file, text).unwrap();
        let now = Timestamp::UNIX_EPOCH;
        let said = compiled(&args(&file, "web-1"), Output::Table, now).unwrap();
        for part in ["table inet palisade", "g7/in", "web/http", "192.0.2.9"] {
            assert!(said.contains(part), "{part} in\n{said}");
        }
        let json = compiled(&args(&file, "web-1"), Output::Json, now).unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["nftables"].is_array());
        let error = |host| format!("{:#}", compiled(&args(&file, host), Output::Table, now).unwrap_err());
        assert!(error("db-1").starts_with("no group and no policy chooses `db-1`"), "{}", error("db-1"));
        assert!(error("web-2").contains("did you mean `web-1`?"), "{}", error("web-2"));
    }
}
