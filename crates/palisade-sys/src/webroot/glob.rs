//! Patterns of include directives: `*` and `?` in any part of a path.

use crate::Root;

/// How many files one pattern may stand for.
const MATCHES_MAX: usize = 1_000;

/// The files that the absolute pattern stands for, in the order of their names; a directory stands
/// for the files in it, as for Apache.
pub(super) fn files(root: &Root, pattern: &str) -> Vec<String> {
    let mut paths = vec![String::new()];
    for part in pattern.split('/').filter(|p| !p.is_empty()) {
        paths = paths.iter().flat_map(|base| step(root, base, part)).take(MATCHES_MAX).collect();
    }
    let into = |path: String| match root.metadata(&path) {
        Ok(meta) if meta.is_dir() && !pattern.contains(['*', '?']) => step(root, &path, "*"),
        Ok(meta) if meta.is_file() => vec![path],
        _ => Vec::new(),
    };
    paths.into_iter().flat_map(into).collect()
}

fn step(root: &Root, base: &str, part: &str) -> Vec<String> {
    if !part.contains(['*', '?']) {
        return vec![format!("{base}/{part}")];
    }
    let names = root.names(if base.is_empty() { "/" } else { base }).unwrap_or_default();
    let fits =
        |name: &String| matches(part.as_bytes(), name.as_bytes()) && (part.starts_with('.') || !name.starts_with('.'));
    names.into_iter().filter_map(|n| n.into_string().ok()).filter(fits).map(|name| format!("{base}/{name}")).collect()
}

/// One star to go back to is enough: a later star takes over from an earlier one.
pub(super) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == b'?' || c == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}
