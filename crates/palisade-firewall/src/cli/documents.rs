//! Files of documents as a fleet, for commands that work without a server.

use crate::filter::Filter;
use crate::group::overlay::{self, lay};
use crate::group::resolve::{Fleet, resolve};
use anyhow::{Result, anyhow, bail};
use palisade_core::{HostId, Timestamp};
use palisade_guard::api::ApiError;
use palisade_guard::cli::file::{self, Given};
use palisade_guard::cli::printable;
use palisade_guard::kind::nearest;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The fleet of the files; what is wrong is named with file and line, peers that nobody stands behind
/// are said on standard error.
pub fn fleet(files: &[PathBuf]) -> Result<Fleet> {
    let given = file::read(files)?;
    let (mut fleet, mut seen) = (Fleet::default(), BTreeSet::new());
    for (n, one) in given.iter().enumerate() {
        let document = one.document();
        let name = format!("{} {}", document["kind"], document["name"]).to_lowercase();
        if !seen.insert(name) {
            bail!("{}", placed(&ApiError::invalid("is there twice").at("name"), n, &given));
        }
        lay(&mut fleet, &document).map_err(|error| anyhow!(placed(&error, n, &given)))?;
    }
    overlay::unresolved(&fleet).iter().for_each(|said| eprintln!("warning: {}", printable(said)));
    Ok(fleet)
}

/// The filter of one host of the files.
pub fn filter(fleet: &Fleet, host: &HostId, now: Timestamp) -> Result<Filter> {
    if let Some(filter) = resolve(fleet, host, now) {
        return Ok(filter);
    }
    let hint = match nearest(host.as_str(), fleet.hosts.iter().map(|member| member.id.as_str())) {
        Some(name) => format!("did you mean `{name}`?"),
        None => "give it as a document: `kind: Host`, `name: ...`, `spec: { tags: {}, addresses: [] }`".to_owned(),
    };
    bail!("`{host}` is no host of the files\nhint: {hint}")
}

/// An error about a document with where it stands: `groups.yaml:14: document 2, spec.rules[0].ports`.
fn placed(error: &ApiError, n: usize, given: &[Given]) -> String {
    let path = format!("resources[{n}].{}", error.path().unwrap_or_default());
    let place = file::place(&path, given).unwrap_or_default();
    let hint = error.hinted().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    format!("{place}: {}{hint}", error.message())
}
