//! Which parts of nf_tables this kernel has that a filter needs, tried without changing anything.

use crate::ruleset::LOG_GROUP;
use palisade_sys::SysError;
use palisade_sys::nft::{Base, Batch, Chain, Ct, Expr, Family, HOOK_PREROUTING, TableName, Writer};
use std::sync::{Mutex, PoisonError};

/// A counter that is made for the trial.
const COUNTER: &str = "counted";

/// A part, and what does not work without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// What it is called in nftables.
    pub name: &'static str,
    /// What is lost without it.
    pub lost: &'static str,
    /// Without it no filter is put in force.
    pub needed: bool,
}

/// Published ports and this host's own addresses are told by this.
pub const FIB: Part = needed("fib", "security groups and the port policy are not enforced");

const fn needed(name: &'static str, lost: &'static str) -> Part {
    Part { name, lost, needed: true }
}

/// Events of denied packets need this; nothing else does.
pub const LOG: Part = Part { name: "log", lost: "denied packets are counted and not told", needed: false };

fn parts() -> [(Part, Vec<Expr>); 6] {
    let groups = "security groups and the port policy are not enforced";
    let log = Expr::Log { group: LOG_GROUP, prefix: "pal:".to_owned(), snaplen: 64 };
    [
        (needed("ct", groups), vec![Expr::Conversation(Ct::Mark), Expr::MarkConversation]),
        (needed("ct original", groups), vec![Expr::Conversation(Ct::DestinationPort), Expr::Equals(vec![0, 22])]),
        (FIB, vec![Expr::DestinationKind, Expr::Equals(2_u32.to_ne_bytes().to_vec())]),
        (needed("named counters", groups), vec![Expr::Count(COUNTER.to_owned())]),
        (Part { name: "limit", ..LOG }, vec![Expr::Limit { per_second: 10, burst: 20 }]),
        (LOG, vec![log]),
    ]
}

/// The parts that are missing, each with what the kernel said.
pub fn missing(writer: &mut Writer) -> Result<Vec<(Part, String)>, SysError> {
    let mut missing = Vec::new();
    for (part, exprs) in parts() {
        if let Some(error) = writer.refusal_of(trial(writer.port(), &exprs))? {
            missing.push((part, palisade_guard::contract::chain(&error)));
        }
    }
    Ok(missing)
}

/// A table of another name with one rule of these expressions.
fn trial(port: u32, exprs: &[Expr]) -> Batch {
    let table = TableName { family: Family::Inet, name: format!("palisade_trial_{port}") };
    let base = Base { kind: "filter".to_owned(), hook: HOOK_PREROUTING, priority: -110, accepts: true };
    let mut batch = Batch::new();
    batch.add_table(&table);
    batch.add_counter(&table, COUNTER);
    batch.add_chain(&Chain { table: table.clone(), name: "trial".to_owned(), base: Some(base) });
    batch.add_rule(&table, "trial", exprs);
    batch
}

/// What the keeper of this process found.
static TOLD: Mutex<Vec<(Part, String)>> = Mutex::new(Vec::new());

pub(super) fn tell(missing: &[(Part, String)]) {
    *TOLD.lock().unwrap_or_else(PoisonError::into_inner) = missing.to_vec();
}

/// What the kernel of this process's keeper lacks, in sentences.
pub fn told() -> Vec<String> {
    let said = |(part, why): &(Part, String)| format!("no `{}`: {} ({why})", part.name, part.lost);
    TOLD.lock().unwrap_or_else(PoisonError::into_inner).iter().map(said).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_kernel_has_all_parts_and_one_that_it_lacks_is_found_missing() {
        if let Err(why) = palisade_sandbox::enter_netns() {
            return println!("skipped: {why}");
        }
        let mut writer = Writer::open().expect("a netlink socket");
        assert_eq!(missing(&mut writer).expect("asked"), Vec::new());
        let unknown = trial(writer.port(), &[Expr::Other("palisade_none".to_owned())]);
        assert!(writer.refusal_of(unknown).expect("asked").is_some());
        let tables = palisade_sys::nft::Reader::open().and_then(|mut reader| reader.tables()).expect("listed");
        assert_eq!(tables, Vec::new(), "nothing was changed by asking");
    }
}
