//! Texts of one's own: `{{ name }}` and nothing else. No code, no loops, no includes; what a
//! placeholder stands for is never read as a template again.

use super::message::{self, Message, TEXT_CHARS_MAX, TITLE_CHARS_MAX};
use super::spec::TemplateSpec;
use palisade_guard::api::ApiError;
use palisade_guard::notice::NoticeState;

/// A template, in characters.
pub const TEMPLATE_CHARS_MAX: usize = 4_000;
/// Every placeholder but `labels.NAME` and `annotations.NAME`.
const NAMES: [&str; 10] =
    ["title", "text", "status", "severity", "host", "policy", "count", "firing", "resolved", "since"];

/// Refuses what is too long, or names something that does not exist.
pub fn checked(spec: &TemplateSpec) -> Result<(), ApiError> {
    for (field, text) in [("title", &spec.title), ("text", &spec.text)] {
        let Some(text) = text else { continue };
        if text.chars().count() > TEMPLATE_CHARS_MAX {
            return Err(ApiError::invalid(format!("more than {TEMPLATE_CHARS_MAX} characters")).at(field));
        }
        parts(text).map_err(|error| error.at(field))?;
    }
    Ok(())
}

/// The title of a message.
pub fn title(spec: Option<&TemplateSpec>, message: &Message) -> String {
    match spec.and_then(|spec| spec.title.as_deref()) {
        Some(text) => message::line(&filled(text, message), TITLE_CHARS_MAX),
        None => message.title(),
    }
}

/// The text of a message.
pub fn text(spec: Option<&TemplateSpec>, message: &Message) -> String {
    match spec.and_then(|spec| spec.text.as_deref()) {
        Some(text) => message::bounded(&filled(text, message), TEXT_CHARS_MAX),
        None => message.text(),
    }
}

enum Part<'a> {
    Text(&'a str),
    Name(&'a str),
}

fn filled(text: &str, message: &Message) -> String {
    // what is stored was checked when it was applied
    let parts = parts(text).unwrap_or_default();
    let value = |part: Part<'_>| match part {
        Part::Text(text) => text.to_owned(),
        Part::Name(name) => value(name, message),
    };
    parts.into_iter().map(value).collect()
}

fn parts(text: &str) -> Result<Vec<Part<'_>>, ApiError> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once("{{") {
        let open = || ApiError::invalid("`{{` without `}}`");
        let (name, after) = after.split_once("}}").ok_or_else(open)?;
        let name = name.trim();
        if !known(name) {
            return Err(unknown(name));
        }
        parts.extend([Part::Text(before), Part::Name(name)]);
        rest = after;
    }
    parts.push(Part::Text(rest));
    Ok(parts)
}

fn known(name: &str) -> bool {
    let inner = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    NAMES.contains(&name)
        || name.strip_prefix("labels.").or_else(|| name.strip_prefix("annotations.")).is_some_and(inner)
}

fn unknown(name: &str) -> ApiError {
    let error = ApiError::invalid(format!("`{}` is no placeholder", message::line(name, 80)));
    match palisade_guard::kind::nearest(name, NAMES.into_iter()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("the placeholders are {}, labels.NAME, annotations.NAME", NAMES.join(", "))),
    }
}

fn value(name: &str, message: &Message) -> String {
    let first = message.items.first();
    match name {
        "title" => message.title(),
        "text" => message.text(),
        "status" => if message.is_resolved() { "resolved" } else { "firing" }.to_owned(),
        "severity" => message.severity().to_string(),
        "host" => message.common(|item| item.labels.get("host")).unwrap_or_default().to_owned(),
        "policy" => message.policy.clone(),
        "count" => (message.items.len() + message.left_out).to_string(),
        "firing" => (message.items.len() - message.count(NoticeState::Resolved)).to_string(),
        "resolved" => message.count(NoticeState::Resolved).to_string(),
        "since" => first.map_or_else(String::new, |item| message::moment(item.notice.starts_at)),
        _ => common(name, message).unwrap_or_default().to_owned(),
    }
}

fn common<'a>(name: &str, message: &'a Message) -> Option<&'a str> {
    if let Some(label) = name.strip_prefix("labels.") {
        return message.common(|item| item.labels.get(label));
    }
    let annotation = name.strip_prefix("annotations.")?;
    message.common(|item| item.notice.annotations.get(annotation))
}
