//! Why a query is not answered, and whose fault that is.

use thiserror::Error;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum QueryError {
    /// The query makes no sense, or asks for what is not supported here.
    #[error("{message}{}", place(*position))]
    Bad {
        /// What is wrong.
        message: String,
        /// Where: the number of the character, from 1; absent where the parser does not say.
        position: Option<usize>,
    },
    /// It makes sense, and cannot be answered with these samples.
    #[error("{0}")]
    Execution(String),
    /// It would take more than one query may.
    #[error("{0}")]
    TooMuch(String),
    /// It took too long, or its asker has gone.
    #[error("the query took more than {0} s")]
    Timeout(u64),
    /// The database.
    #[error(transparent)]
    Store(#[from] Unreadable),
}

/// The samples could not be read; the log says why.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("the samples could not be read: {0}")]
pub struct Unreadable(pub String);

fn place(position: Option<usize>) -> String {
    position.map(|n| format!(" (at character {n})")).unwrap_or_default()
}

impl QueryError {
    /// A query that makes no sense, anywhere in it.
    pub fn bad(message: impl Into<String>) -> QueryError {
        QueryError::Bad { message: message.into(), position: None }
    }

    /// Prometheus' word for it.
    pub fn kind(&self) -> &'static str {
        match self {
            QueryError::Bad { .. } => "bad_data",
            QueryError::Execution(_) | QueryError::TooMuch(_) => "execution",
            QueryError::Timeout(_) => "timeout",
            QueryError::Store(_) => "internal",
        }
    }
}
