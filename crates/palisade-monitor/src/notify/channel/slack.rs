//! An incoming webhook of Slack. Its address lets anybody write, so that it is the secret.

use super::{Failure, Letter};
use crate::notify::template;
use serde_json::json;

/// Sends it.
pub async fn send(letter: &Letter<'_>) -> Result<String, Failure> {
    let url = letter.secret.ok_or_else(|| Failure::again("the address of Slack is not set as the secret"))?;
    let template = letter.spec.template.as_ref();
    let title = escaped(&template::title(template, letter.message));
    let text = escaped(&template::text(template, letter.message));
    let mark = if letter.message.is_resolved() { ":white_check_mark:" } else { ":rotating_light:" };
    let body = json!({ "text": format!("{mark} *{title}*\n{text}") });
    letter.post(url.trim(), body.to_string().into_bytes(), Vec::new()).await
}

/// The three characters that mean something in a message of Slack: a name cannot become a link or
/// call everybody.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_called_by_a_hostile_name() {
        assert_eq!(escaped("<!channel> a&b"), "&lt;!channel&gt; a&amp;b");
    }
}
