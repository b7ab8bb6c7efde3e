//! A one-off act: carried out once, under an id; the same id twice changes nothing.

use crate::{HostId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What kind of act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderKind {
    /// Every guard observes the host now, and does not wait for its period.
    Look,
}

impl OrderKind {
    /// The word that the host's permit must hold.
    pub fn permit(self) -> &'static str {
        match self {
            OrderKind::Look => "observe",
        }
    }
}

/// Where the job of an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Not taken up by the host yet.
    Waiting,
    /// Under way.
    Running,
    /// Carried out.
    Done,
    /// Not carried out, or not to its end; `message` says why.
    Failed,
    /// Ended because somebody asked for it.
    Cancelled,
}

impl JobState {
    /// True when nothing more will happen.
    pub fn is_over(self) -> bool {
        matches!(self, JobState::Done | JobState::Failed | JobState::Cancelled)
    }
}

/// How far a job is. Stored by the agent after every part, so that it goes on there after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// The order that it carries out.
    pub order: String,
    /// Where it stands.
    pub state: JobState,
    /// Parts done.
    pub done: u32,
    /// Parts in all.
    pub total: u32,
    /// What failed, or what is being done.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub message: Option<String>,
}

/// A one-off act for one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Order {
    /// `o-1`, `o-2`, …; unique on its server.
    pub id: String,
    /// The host that carries it out.
    pub host: HostId,
    /// What is done.
    pub kind: OrderKind,
    /// Who asked for it.
    pub by: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// True when somebody asked to end it.
    #[serde(default)]
    pub cancelled: bool,
    /// How far it is.
    pub job: Job,
}
