//! The words of Palisade: what at least two guards, the server, the command line and the console
//! say to each other. Pure: no I/O, no async, no type that belongs to one guard alone.

mod address;
mod cidr;
mod event;
mod failsafe;
mod finding;
mod fleet;
mod host;
mod mask;
mod order;
mod plan;
mod practice;
mod selector;
mod severity;
mod span;

pub use address::{HostAddress, HostAddressError};
pub use cidr::{Cidr, CidrError};
pub use event::{Actor, Event, Outcome};
pub use failsafe::{Failsafe, FailsafeError};
pub use finding::{Check, CheckOutcome, CheckRun, Finding, FindingState, Fix, Verdicts, finding_id};
pub use fleet::{HostKind, Profile, Standing, Tag, TagError, Tags, VerdictWord, region_rule};
pub use host::{HostId, HostIdError};
pub use mask::mask;
pub use order::{Job, JobState, Order, OrderKind};
pub use plan::{
    Effect, EffectKind, Generation, Plan, PlanHostState, PlanProgress, PlanState, Report, Step, StepOutcome, StepReport,
};
pub use practice::{Judgement, PRACTICES, Practice, PracticeState, PracticeTally, judge, judge_tally, practice, score};
pub use selector::{SELECTOR_HOSTS_MAX, Selector};
pub use severity::{Severity, State};
pub use span::{Span, SpanError};

/// A moment in UTC; RFC 3339 on the wire.
pub type Timestamp = jiff::Timestamp;

/// Where the present comes from. Everything that needs the time takes it as an argument; only the
/// outermost loops hold a clock.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The wall clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
