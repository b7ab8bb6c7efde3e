//! The rows of one section over one host or all, filtered, sorted and cut into a page.

use super::InventoryPage;
use crate::difference::SectionName;
use palisade_core::{HostId, Timestamp};
use palisade_guard::api::{ApiError, PageParams};
use palisade_guard::{ServerContext, store};
use serde_json::Value;
use sqlx::SqliteConnection;
use std::cmp::Ordering;

/// How many rows are held at once to be sorted; a fleet has more packages than that.
const SORTED_MAX: usize = 200_000;
/// How many notes a page carries.
const NOTES_MAX: usize = 50;

/// Without `sort`, rows come by host in the order of the section, and only the page is held.
pub(super) async fn page(
    context: &ServerContext,
    section: SectionName,
    host: Option<&HostId>,
    params: &PageParams,
) -> Result<InventoryPage, ApiError> {
    let mut db = context.db.read().acquire().await?;
    let hosts = match host {
        None => store::hosts_in_service(&mut db).await?,
        Some(host) if store::host(&mut db, host).await?.is_some() => vec![host.clone()],
        Some(host) => return Err(ApiError::not_found(format!("host `{host}`"))),
    };
    let mut window = Window::new(params)?;
    let mut page = InventoryPage::default();
    for host in &hosts {
        match body(&mut db, host, section).await? {
            Some((seen, body)) => {
                page.observed_at = Some(page.observed_at.map_or(seen, |oldest: Timestamp| oldest.min(seen)));
                page.notes.extend(notes(host, &body));
                window.take(host, body, params)?;
            }
            None => page.notes.push(format!("{host} has not sent its {} yet", section.as_str())),
        }
    }
    page.notes.truncate(NOTES_MAX);
    window.close(&mut page, params);
    if page.total == 0 {
        page.reason = Some(reason(section, &hosts, &page, params));
    }
    Ok(page)
}

/// When the host was last looked at, and the section as it was last sent.
async fn body(
    db: &mut SqliteConnection,
    host: &HostId,
    section: SectionName,
) -> Result<Option<(Timestamp, Value)>, ApiError> {
    let Some((changed_at, body)) = store::section(db, host, "inventory", section.as_str()).await? else {
        return Ok(None);
    };
    let seen = store::freshness(db, host).await?.into_iter().find(|f| f.guard == "inventory").map(|f| f.observed_at);
    Ok((!body.is_null()).then(|| (seen.unwrap_or(changed_at), body)))
}

fn notes(host: &HostId, body: &Value) -> Vec<String> {
    let error = body["error"].as_str().map(|error| format!("{host}: {error}"));
    let shown = body["rows"].as_array().map_or(0, Vec::len);
    let cut = body["total"].as_u64().map(|total| format!("{host}: {shown} of {total} are listed"));
    error.into_iter().chain(cut).collect()
}

fn reason(section: SectionName, hosts: &[HostId], page: &InventoryPage, params: &PageParams) -> String {
    match () {
        () if hosts.is_empty() => "no host has joined yet".to_owned(),
        () if params.q.as_deref().is_some_and(|q| !q.trim().is_empty()) => "nothing matches these words".to_owned(),
        () if !page.notes.is_empty() => page.notes[0].clone(),
        () => format!("there are no {} on these hosts", section.as_str()),
    }
}

/// The part of all rows that is asked for.
struct Window {
    offset: usize,
    limit: usize,
    total: usize,
    rows: Vec<Value>,
    sorted: bool,
}

impl Window {
    fn new(params: &PageParams) -> Result<Window, ApiError> {
        let sorted = params.sort.as_deref().is_some_and(|sort| !sort.is_empty());
        Ok(Window { offset: params.offset()?, limit: params.limit(), total: 0, rows: Vec::new(), sorted })
    }

    fn take(&mut self, host: &HostId, mut body: Value, params: &PageParams) -> Result<(), ApiError> {
        let Some(Value::Array(rows)) = body.get_mut("rows").map(Value::take) else { return Ok(()) };
        for mut row in rows {
            if let Some(fields) = row.as_object_mut() {
                fields.insert("host".to_owned(), host.as_str().into());
            }
            if !matches(&row, params) {
                continue;
            }
            let in_page = (self.offset..self.offset.saturating_add(self.limit)).contains(&self.total);
            self.total += 1;
            if self.sorted || in_page {
                self.rows.push(row);
            }
            if self.rows.len() > SORTED_MAX {
                return Err(ApiError::invalid(format!(
                    "more than {SORTED_MAX} rows cannot be sorted; ask for one host, or fewer with `q`"
                )));
            }
        }
        Ok(())
    }

    fn close(mut self, page: &mut InventoryPage, params: &PageParams) {
        if self.sorted {
            let sort = params.sort.as_deref().unwrap_or_default();
            let (field, descending) = sort.strip_prefix('-').map_or((sort, false), |field| (field, true));
            self.rows.sort_by(|a, b| {
                let order = compared(&a[field], &b[field]);
                if descending { order.reverse() } else { order }
            });
            self.rows = self.rows.into_iter().skip(self.offset).take(self.limit).collect();
        }
        let end = self.offset.saturating_add(self.limit);
        page.next_cursor = (end < self.total).then(|| end.to_string());
        page.total = self.total as u64;
        page.items = self.rows;
    }
}

fn matches(row: &Value, params: &PageParams) -> bool {
    if params.q.is_none() {
        return true;
    }
    let said: Vec<String> = row
        .as_object()
        .into_iter()
        .flatten()
        .map(|(_, value)| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        .collect();
    params.matches(&said.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Numbers by size, everything else by its text; what is absent comes first.
fn compared(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64().unwrap_or(0.0).total_cmp(&b.as_f64().unwrap_or(0.0)),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        (a, b) => a.to_string().cmp(&b.to_string()),
    }
}
