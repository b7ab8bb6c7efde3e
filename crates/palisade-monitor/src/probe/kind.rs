//! The kind `Probe`.

use super::spec::ProbeSpec;
use axum::http::StatusCode;
use palisade_core::{Effect, EffectKind, Severity, Standing};
use palisade_guard::Kind;
use palisade_guard::api::{ApiError, Role};
use palisade_guard::contract::BoxFuture;
use palisade_guard::kind::{self, Asked, Effects, Refused, SpecChange};
use palisade_guard::store;
use serde_json::{Value, json};
use sqlx::SqliteConnection;

/// Probes that there may be.
const PROBES_MAX: usize = 1_000;

/// Looks from the server at something, again and again.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProbeKind;

impl Kind for ProbeKind {
    fn name(&self) -> &'static str {
        "Probe"
    }

    fn plural(&self) -> &'static str {
        "probes"
    }

    fn guard(&self) -> &'static str {
        crate::WORD
    }

    fn description(&self) -> &'static str {
        "A look from the server at something, again and again: an echo request, a connection, a URL, a certificate, a DNS answer."
    }

    fn after(&self) -> &'static [&'static str] {
        &["Host"]
    }

    fn topics(&self) -> &'static [&'static str] {
        &[super::TOPIC]
    }

    fn schema(&self) -> Value {
        kind::schema_of::<ProbeSpec>()
    }

    fn normalise(&self, name: &str, spec: &Value) -> Result<(String, Value), ApiError> {
        kind::name_checked(name)?;
        let spec: ProbeSpec = kind::spec_of(spec)?;
        Ok((name.to_owned(), json!(spec.checked()?)))
    }

    fn apply<'a>(
        &'a self,
        asked: &'a Asked<'a>,
        db: &'a mut SqliteConnection,
        changes: &'a [SpecChange],
    ) -> BoxFuture<'a, Result<Effects, Refused>> {
        Box::pin(apply(asked, db, changes))
    }
}

async fn apply(asked: &Asked<'_>, db: &mut SqliteConnection, changes: &[SpecChange]) -> Result<Effects, Refused> {
    let made = changes.iter().filter(|change| change.old.is_none()).count();
    if made > 0 && store::resources(db, "Probe", None).await?.len() + made > PROBES_MAX {
        let error = ApiError::conflict(format!("there may be {PROBES_MAX} probes at most"));
        return Err(Refused { index: None, error });
    }
    let mut effects = Effects::default();
    for (index, change) in changes.iter().enumerate() {
        let effect = put(asked, db, change).await.map_err(|error| Refused { index: Some(index), error })?;
        effects.effects.push(effect);
    }
    Ok(effects)
}

/// Checks what the document alone does not say; the frame keeps the document.
async fn put(asked: &Asked<'_>, db: &mut SqliteConnection, change: &SpecChange) -> Result<Effect, ApiError> {
    let name = &change.name;
    let Some(new) = &change.new else {
        return Ok(effect(Severity::Low, format!("probe {name} looks no more")));
    };
    let spec: ProbeSpec = kind::spec_of(new)?;
    if spec.allow_private && asked.caller.role < Role::Admin {
        let why = "a probe with `allow_private` needs role admin: it reaches what only the server can reach";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", why).at("spec.allow_private"));
    }
    if let Some(host) = &spec.host {
        let row = store::host(db, host).await?.filter(|row| row.standing == Standing::Active);
        if row.is_none() {
            let error = ApiError::invalid(format!("there is no host `{host}` in the fleet")).at("spec.host");
            return Err(error.hint("leave it out, and the series become those of the server's own host"));
        }
    }
    let (how, target, interval) = (format!("{:?}", spec.kind).to_lowercase(), &spec.target, spec.interval);
    Ok(effect(Severity::Informational, format!("probe {name} looks at {target} ({how}) every {interval}")))
}

fn effect(severity: Severity, sentence: String) -> Effect {
    Effect { kind: EffectKind::Changes, severity, sentence, hosts: Vec::new() }
}
