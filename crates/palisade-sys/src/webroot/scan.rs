//! Directives of the two configuration languages, as lists of words.

/// How many directives of one file are looked at, and words of one directive.
const DIRECTIVES_MAX: usize = 20_000;
const WORDS_MAX: usize = 64;

/// nginx: words end at white space, directives at `;`, `{` or `}`; `#` begins a comment; quotes
/// hold a word together.
pub(super) fn nginx(text: &str) -> Vec<Vec<String>> {
    let mut directives = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '#' => while chars.next_if(|&c| c != '\n').is_some() {},
            ';' | '{' | '}' => {
                if !words.is_empty() {
                    directives.push(std::mem::take(&mut words));
                }
                if directives.len() >= DIRECTIVES_MAX {
                    break;
                }
            }
            c if c.is_whitespace() => {}
            quote @ ('"' | '\'') => {
                let mut word = String::new();
                while let Some(c) = chars.next().filter(|&c| c != quote) {
                    word.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
                }
                push(&mut words, word);
            }
            first => {
                let mut word = String::from(first);
                let mut in_variable = false; // the braces of `${name}` belong to the word
                while let Some(c) = chars.next_if(|&c| {
                    in_variable || (!c.is_whitespace() && !";}".contains(c) && (c != '{' || word.ends_with('$')))
                }) {
                    in_variable = (in_variable || c == '{') && c != '}' && c != '\n';
                    word.push(c);
                }
                push(&mut words, word);
            }
        }
    }
    directives
}

fn push(words: &mut Vec<String>, word: String) {
    if words.len() < WORDS_MAX {
        words.push(word);
    }
}

/// Apache: one directive per line, a backslash at the end joins the next one, `#` at the beginning
/// is a comment, double quotes hold a word together.
pub(super) fn apache(text: &str) -> Vec<Vec<String>> {
    let joined = text.replace("\\\r\n", " ").replace("\\\n", " ");
    let lines = joined.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with(['#', '<']));
    lines.take(DIRECTIVES_MAX).map(apache_words).filter(|words| !words.is_empty()).collect()
}

fn apache_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line;
    while !rest.is_empty() && words.len() < WORDS_MAX {
        let (word, left) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = left.trim_start();
    }
    words
}
