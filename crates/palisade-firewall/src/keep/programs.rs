//! What the keeper remembers of compiled filters, and what it asks of connection tracking.

use crate::filter::Filter;
use crate::filter::compile::compile;
use crate::filter::program::{Act, Program};
use palisade_sys::{SysError, conntrack};
use std::fmt;
use std::sync::Arc;

/// So many programs are remembered: those of the filter and of the candidate, now and before.
const PROGRAMS_MAX: usize = 4;

/// The conversations that the kernel tracks.
pub trait Conversations: fmt::Debug + Send + Sync {
    /// Takes the bits of `mask` off the marks of all conversations but those whose bits are one of
    /// `keep`. Returns how many were changed.
    fn unmark(&self, mask: u32, keep: &[u32]) -> Result<usize, SysError>;
}

/// Those of the network namespace of the calling thread.
#[derive(Debug)]
pub struct Tracked;

impl Conversations for Tracked {
    fn unmark(&self, mask: u32, keep: &[u32]) -> Result<usize, SysError> {
        conntrack::clear_marks(mask, &|flow| keep.contains(&(flow.mark & mask)))
    }
}

/// The last programs, each with the filter that it was made of.
#[derive(Debug)]
pub struct Programs {
    compile: fn(&Filter) -> Program,
    logs: bool,
    last: Vec<(Filter, Arc<Program>)>,
}

impl Default for Programs {
    fn default() -> Programs {
        Programs::new(compile)
    }
}

impl Programs {
    /// None yet.
    pub fn new(compile: fn(&Filter) -> Program) -> Programs {
        Programs { compile, logs: true, last: Vec::new() }
    }

    /// Programs tell of no packet from now on: the kernel cannot.
    pub fn without_logs(&mut self) {
        (self.logs, self.last) = (false, Vec::new());
    }

    /// The program of a filter, compiled once.
    pub fn of(&mut self, filter: &Filter) -> Arc<Program> {
        if let Some((_, program)) = self.last.iter().find(|(known, _)| known == filter) {
            return program.clone();
        }
        let mut program = (self.compile)(filter);
        if !self.logs {
            let lines = program.chains.iter_mut().flat_map(|chain| &mut chain.lines);
            lines.for_each(|line| line.acts.retain(|act| !matches!(act, Act::Log { .. })));
        }
        let program = Arc::new(program);
        self.last.truncate(PROGRAMS_MAX - 1);
        self.last.insert(0, (filter.clone(), program.clone()));
        program
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Defaults;
    use crate::group::model::Action;

    #[test]
    fn a_kernel_that_cannot_log_gets_the_same_program_without_logs() {
        let defaults = Some(Defaults { inbound: Action::Deny, outbound: Action::Allow });
        let filter = Filter { defaults, ..Filter::default() };
        let logs = |program: &Program| {
            let acts = program.chains.iter().flat_map(|chain| &chain.lines).flat_map(|line| &line.acts);
            acts.filter(|act| matches!(act, Act::Log { .. })).count()
        };
        let mut programs = Programs::default();
        let with = programs.of(&filter);
        programs.without_logs();
        let without = programs.of(&filter);
        assert!(logs(&with) > 0 && logs(&without) == 0);
        assert_eq!(with.chains.len(), without.chains.len());
    }
}
