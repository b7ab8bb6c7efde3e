//! A topic of ntfy, by its JSON form.

use super::{Failure, Letter};
use crate::notify::template;
use palisade_core::Severity;
use serde_json::json;

/// What ntfy takes in one message, in bytes.
const TEXT_BYTES_MAX: usize = 3_500;

/// Sends it.
pub async fn send(letter: &Letter<'_>) -> Result<String, Failure> {
    let (server, topic) = split(letter.url()?).map_err(|why| Failure::Refused(why.to_owned()))?;
    let (message, template) = (letter.message, letter.spec.template.as_ref());
    let resolved = message.is_resolved();
    let mut text = template::text(template, message);
    text.truncate((0..=TEXT_BYTES_MAX.min(text.len())).rev().find(|&n| text.is_char_boundary(n)).unwrap_or(0));
    let body = json!({
        "topic": topic,
        "title": template::title(template, message),
        "message": text,
        "priority": if resolved { 2 } else { priority(message.severity()) },
        "tags": [if resolved { "white_check_mark" } else { "rotating_light" }],
    });
    let token = letter.secret.map(|token| ("authorization", format!("Bearer {token}")));
    letter.post(server, body.to_string().into_bytes(), token.into_iter().collect()).await
}

/// The server and the topic of `https://ntfy.example.org/topic`.
pub fn split(url: &str) -> Result<(&str, &str), &'static str> {
    const WHY: &str = "the address of ntfy ends with the topic: https://ntfy.example.org/topic";
    let (server, topic) = url.rsplit_once('/').ok_or(WHY)?;
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_topic = !topic.is_empty() && topic.len() <= 64 && topic.chars().all(good);
    if is_topic && server.contains("://") && !server.ends_with('/') { Ok((server, topic)) } else { Err(WHY) }
}

fn priority(severity: Severity) -> u8 {
    match severity {
        Severity::Critical => 5,
        Severity::High => 4,
        Severity::Medium => 3,
        Severity::Low => 2,
        Severity::Informational => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topic_is_the_last_part_of_the_address() {
        assert_eq!(split("https://ntfy.example.org/ops"), Ok(("https://ntfy.example.org", "ops")));
        for url in ["https://ntfy.example.org", "https://ntfy.example.org/", "https://ntfy.example.org/a?b", "ops"] {
            assert!(split(url).is_err(), "{url}");
        }
    }
}
