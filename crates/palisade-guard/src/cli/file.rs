//! Files of documents: YAML, which JSON is a part of, with the line on which everything stands.

use super::printable;
use crate::kind::nearest;
use anyhow::{Context, Result, anyhow, bail};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Number, Value};
use serde_saphyr::options::MergeKeyPolicy;
use serde_saphyr::{Options, Spanned};
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

/// All files of one command together, in bytes; the server takes no more.
const FILES_BYTES_MAX: u64 = 12 << 20;
/// Documents in one file: more than the server takes, so that it names its own bound.
const DOCUMENTS_MAX: usize = 20_000;
/// Values in one file; a file of 2,000 documents has some 40,000, a list of networks up to 100,000.
const NODES_MAX: usize = 200_000;
/// How deep values may lie in each other.
const DEPTH_MAX: usize = 32;
/// Values that aliases may stand for in one file: enough to share a list, too few for a bomb.
const ALIASED_MAX: usize = 20_000;

const FIELDS: [&str; 4] = ["kind", "name", "version", "spec"];

/// A document of a file.
pub struct Given {
    file: String,
    /// From 1.
    number: usize,
    node: Node,
    /// The version that is overwritten knowingly.
    pub replaces: Option<u64>,
}

impl Given {
    /// As the server takes it.
    pub fn document(&self) -> Value {
        let mut value = self.node.value();
        if let (Some(seen), Some(map)) = (self.replaces, value.as_object_mut()) {
            map.insert("replaces".to_owned(), seen.into());
        }
        value
    }

    /// True if it says which version it is an edit of.
    pub fn has_version(&self) -> bool {
        self.node.field("version").is_some()
    }
}

/// The documents of all files, in order.
pub fn read(files: &[PathBuf]) -> Result<Vec<Given>> {
    let (mut all, mut bytes_left) = (Vec::new(), FILES_BYTES_MAX);
    for path in files {
        let name = if path.as_os_str() == "-" { "standard input".to_owned() } else { path.display().to_string() };
        let text = text(path, bytes_left).with_context(|| format!("reading `{name}`"))?;
        bytes_left -= text.len() as u64;
        all.extend(parse(&name, &text)?);
    }
    if all.is_empty() {
        bail!("there is no document in the files\nhint: a document is `kind: …`, `name: …` and `spec: …`");
    }
    Ok(all)
}

fn text(path: &Path, bytes_max: u64) -> Result<String> {
    let mut text = String::new();
    let source: Box<dyn Read> =
        if path.as_os_str() == "-" { Box::new(std::io::stdin()) } else { Box::new(std::fs::File::open(path)?) };
    source.take(bytes_max + 1).read_to_string(&mut text)?;
    if text.len() as u64 > bytes_max {
        bail!("more than {FILES_BYTES_MAX} bytes\nhint: apply the files one by one, or split them");
    }
    Ok(text)
}

/// The documents of one text; a document that is a list holds several.
fn parse(file: &str, text: &str) -> Result<Vec<Given>> {
    let documents: Vec<Node> = serde_saphyr::from_multiple_with_options(text, options()).map_err(|error| {
        let line = error.location().map(|l| format!(":{}", l.line())).unwrap_or_default();
        anyhow!("{file}{line}: {}", printable(&error.without_snippet().to_string()))
    })?;
    let mut given = Vec::new();
    for (n, node) in documents.into_iter().enumerate() {
        let parts = match node.content {
            Content::List(list) => list,
            Content::Scalar(Value::Null) => continue,
            _ => vec![node],
        };
        for node in parts {
            let one = Given { file: file.to_owned(), number: n + 1, node, replaces: None };
            checked(&one).with_context(|| format!("{file}:{}: document {}", one.node.line, n + 1))?;
            given.push(one);
        }
    }
    Ok(given)
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: DOCUMENTS_MAX,
            max_nodes: NODES_MAX,
            max_depth: DEPTH_MAX,
            flow_nesting_limit: DEPTH_MAX,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: ALIASED_MAX },
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
    }
}

/// What is wrong with a document whatever its kind is.
fn checked(given: &Given) -> Result<()> {
    let Content::Map(fields) = &given.node.content else {
        bail!("is no document\nhint: a document is `kind: …`, `name: …` and `spec: …`");
    };
    for (key, node) in fields {
        if !FIELDS.contains(&key.as_str()) {
            let hint = match nearest(key, FIELDS.into_iter()) {
                Some(field) => format!("did you mean `{field}`?"),
                None => format!("the fields are {}", FIELDS.join(", ")),
            };
            bail!("line {}: unknown field `{}`\nhint: {hint}", node.line, printable(key));
        }
    }
    match ["kind", "name", "spec"].into_iter().find(|field| given.node.field(field).is_none()) {
        Some(missing) => bail!("has no `{missing}`"),
        None => Ok(()),
    }
}

/// Where `path`, which the server names, stands: `fleet.yaml:14: document 2, spec.region`.
pub fn place(path: &str, given: &[Given]) -> Option<String> {
    let (number, rest) = path.strip_prefix("resources[")?.split_once(']')?;
    let one = given.get(number.parse::<usize>().ok()?)?;
    let inner = rest.trim_start_matches('.');
    let at = if inner.is_empty() { String::new() } else { format!(", {}", printable(inner)) };
    Some(format!("{}:{}: document {}{at}", one.file, one.node.line_of(inner), one.number))
}

/// Resources as documents that can be applied again.
pub fn yaml(resources: &[Value]) -> Result<String> {
    let mut text = String::new();
    for (n, resource) in resources.iter().enumerate() {
        text.push_str(if n == 0 { "" } else { "---\n" });
        text.push_str(&serde_saphyr::to_string(&Fields(resource)).context("writing YAML")?);
    }
    Ok(text)
}

/// A resource with the fields of a document in the order in which people write them.
struct Fields<'a>(&'a Value);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for field in FIELDS {
            map.serialize_entry(field, &self.0[field])?;
        }
        map.end()
    }
}

/// A value and the line on which it stands.
struct Node {
    line: u64,
    content: Content,
}

enum Content {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    fn value(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(list) => list.iter().map(Node::value).collect(),
            Content::Map(map) => map.iter().map(|(k, v)| (k.clone(), v.value())).collect::<Map<_, _>>().into(),
        }
    }

    fn field(&self, name: &str) -> Option<&Node> {
        match &self.content {
            Content::Map(map) => map.iter().find(|(key, _)| key == name).map(|(_, node)| node),
            _ => None,
        }
    }

    /// The line of `spec.rules[2].port`, or of the innermost part of it that is there.
    fn line_of(&self, path: &str) -> u64 {
        let (first, rest) = match path.find(['.', '[']) {
            Some(at) if at > 0 => path.split_at(at),
            _ => (path, ""),
        };
        let inner = match (&self.content, path.strip_prefix('[').and_then(|p| p.split_once(']'))) {
            (Content::List(list), Some((n, rest))) => {
                n.parse().ok().and_then(|n: usize| list.get(n)).map(|i| (i, rest))
            }
            _ => self.field(first).map(|inner| (inner, rest)),
        };
        match inner {
            Some((inner, rest)) if !path.is_empty() => inner.line_of(rest.trim_start_matches('.')),
            _ => self.line,
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        let spanned = Spanned::<Content>::deserialize(deserializer)?;
        Ok(Node { line: spanned.referenced.line(), content: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Content, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Content, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("a number that is none"))?;
        Ok(Content::Scalar(number.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Content, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Content::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Content, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Content::Map(map))
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
