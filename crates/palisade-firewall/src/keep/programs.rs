//! What the keeper remembers of compiled filters, and what it asks of connection tracking.

use crate::filter::Filter;
use crate::filter::compile::compile;
use crate::filter::program::Program;
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
        Programs { compile, last: Vec::new() }
    }

    /// The program of a filter, compiled once.
    pub fn of(&mut self, filter: &Filter) -> Arc<Program> {
        if let Some((_, program)) = self.last.iter().find(|(known, _)| known == filter) {
            return program.clone();
        }
        let program = Arc::new((self.compile)(filter));
        self.last.truncate(PROGRAMS_MAX - 1);
        self.last.insert(0, (filter.clone(), program.clone()));
        program
    }
}
