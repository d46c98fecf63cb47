//! One source file as tokens, and what imports need of them: its `use` declarations, the paths that
//! its code names, the modules that it declares. What is compiled for tests only is left out.

/// A `use` declaration of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Use {
    /// The path, as written.
    pub path: Vec<String>,
    /// The name it has in this file; `*` for all of a module, `_` for a trait without a name.
    pub name: String,
}

/// A source file.
#[derive(Debug)]
pub struct Source {
    /// Its `use` declarations, trees written out.
    pub uses: Vec<Use>,
    /// Paths of two or more names outside of `use` declarations.
    pub paths: Vec<Vec<String>>,
    /// Modules in files of their own that are compiled for tests only.
    pub test_modules: Vec<String>,
    /// Whether it holds nothing but `mod` and `use` declarations.
    pub declares_only: bool,
}

impl Source {
    /// Reads a file's text.
    pub fn of(text: &str) -> Self {
        let (tokens, test_modules) = without_tests(&tokens(text));
        let declares_only = declares_only(&tokens);
        let tokens = without_inline_modules(&tokens);
        let (mut uses, mut code) = (Vec::new(), Vec::new());
        let mut rest = tokens.as_slice();
        while let Some((first, after)) = rest.split_first() {
            // `use<'a>` is a bound.
            if first == "use" && after.first().is_some_and(|next| next != "<") {
                let end = after.iter().position(|token| token == ";").unwrap_or(after.len());
                expand(&[], &after[..end], &mut uses);
                rest = &after[end..];
            } else {
                code.push(first.as_str());
                rest = after;
            }
        }
        Self { uses, paths: paths(&code), test_modules, declares_only }
    }
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// Words, `::` and single characters; comments and the contents of strings are left out.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let find = |from: usize, what: &[char]| {
        let found = (from..chars.len()).find(|&i| chars[i..].starts_with(what));
        found.map_or(chars.len(), |i| i + what.len())
    };
    let mut found = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        let c = at(i);
        if c.is_alphanumeric() || c == '_' {
            let end = (i..).find(|&i| !at(i).is_alphanumeric() && at(i) != '_').unwrap_or(i);
            let word: String = chars[i..end].iter().collect();
            let hashes = (end..).take_while(|&i| at(i) == '#').count();
            if matches!(word.as_str(), "r" | "br" | "cr") && at(end + hashes) == '"' {
                let closing: Vec<char> =
                    std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
                i = find(end + hashes + 1, &closing);
            } else {
                found.push(word);
                i = end;
            }
        } else if c == '/' && at(i + 1) == '/' {
            i = find(i, &['\n']);
        } else if c == '/' && at(i + 1) == '*' {
            i = find(i, &['*', '/']);
        } else if c == '"' || c == '\'' && (at(i + 1) == '\\' || at(i + 2) == '\'') {
            i += 1;
            while i < chars.len() && at(i) != c {
                i += if at(i) == '\\' { 2 } else { 1 };
            }
            found.push("\"".to_owned());
            i += 1;
        } else if c == ':' && at(i + 1) == ':' {
            found.push("::".to_owned());
            i += 2;
        } else {
            if !c.is_whitespace() {
                found.push(c.to_string());
            }
            i += 1;
        }
    }
    found
}

/// Length of what stands in brackets at the start, the brackets included.
fn bracketed(tokens: &[String]) -> usize {
    let mut depth = 0;
    for (i, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return i + 1;
        }
    }
    tokens.len()
}

/// Length of the attributes at the start.
fn attributes(tokens: &[String]) -> usize {
    let mut length = 0;
    while tokens.get(length).is_some_and(|token| token == "#") {
        length += if tokens.get(length + 1).is_some_and(|token| token == "!") { 2 } else { 1 };
        length += bracketed(&tokens[length..]);
    }
    length
}

/// Length of the visibility at the start.
fn visibility(tokens: &[String]) -> usize {
    match tokens {
        [public, open, ..] if public == "pub" && open == "(" => 1 + bracketed(&tokens[1..]),
        [public, ..] if public == "pub" => 1,
        _ => 0,
    }
}

/// Length of the item at the start: to its semicolon, or to the end of its body.
fn item(tokens: &[String]) -> usize {
    let import = tokens.first().is_some_and(|token| token == "use");
    let mut i = 0;
    while i < tokens.len() {
        match tokens[i].as_str() {
            ";" => return i + 1,
            "{" if !import => return i + bracketed(&tokens[i..]),
            "(" | "[" | "{" => i += bracketed(&tokens[i..]),
            _ => i += 1,
        }
    }
    tokens.len()
}

/// The tokens without items under `#[cfg(test)]`, and the names of modules declared so.
fn without_tests(tokens: &[String]) -> (Vec<String>, Vec<String>) {
    let (mut kept, mut modules) = (Vec::new(), Vec::new());
    let mut rest = tokens;
    while let Some((first, after)) = rest.split_first() {
        let attribute = ["#", "[", "cfg", "(", "test", ")", "]"];
        if rest.len() < attribute.len() || rest[..attribute.len()] != attribute {
            kept.push(first.clone());
            rest = after;
            continue;
        }
        rest = &rest[attributes(rest)..];
        rest = &rest[visibility(rest)..];
        if let [module, name, end, ..] = rest
            && module == "mod"
            && end == ";"
        {
            modules.push(name.clone());
        }
        rest = &rest[item(rest)..];
    }
    (kept, modules)
}

/// The tokens with `super` in modules that are written inside of the file counted from the file.
fn without_inline_modules(tokens: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    let (mut depth, mut inline) = (0, Vec::new());
    let mut rest = tokens;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first.as_str() {
            "mod" if after.get(1).is_some_and(|token| token == "{") => inline.push(depth),
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                inline.pop_if(|outer| *outer == depth);
            }
            "super" if !inline.is_empty() && kept.last().is_none_or(|token| token != "::") => {
                // The file's own modules are left first.
                let mut inside = inline.len();
                while inside > 1 && rest.get(1).is_some_and(|token| token == "super") {
                    inside -= 1;
                    rest = &rest[2..];
                }
                kept.push("self".to_owned());
                continue;
            }
            _ => {}
        }
        kept.push(first.clone());
    }
    kept
}

fn declares_only(tokens: &[String]) -> bool {
    let mut rest = tokens;
    loop {
        rest = &rest[attributes(rest)..];
        rest = &rest[visibility(rest)..];
        match rest {
            [] => return true,
            [module, _, end, after @ ..] if module == "mod" && end == ";" => rest = after,
            [import, ..] if import == "use" => rest = &rest[item(rest)..],
            _ => return false,
        }
    }
}

/// Writes out a tree of imports below `prefix`.
fn expand(prefix: &[String], tree: &[String], uses: &mut Vec<Use>) {
    let brace = tree.iter().position(|token| token == "{");
    let names = |tokens: &[String]| {
        let names = tokens.iter().filter(|token| is_word(token) || *token == "*").cloned();
        prefix.iter().cloned().chain(names).collect::<Vec<_>>()
    };
    let Some(brace) = brace else {
        let (path, alias) = match tree {
            [path @ .., keyword, alias] if keyword == "as" => (names(path), Some(alias.clone())),
            path => (names(path), None),
        };
        // `a::{self}` imports `a`.
        let path = match path.as_slice() {
            [path @ .., last] if last == "self" && !path.is_empty() => path.to_vec(),
            _ => path,
        };
        if let Some(name) = alias.or_else(|| path.last().cloned()) {
            uses.push(Use { path, name });
        }
        return;
    };
    let prefix = names(&tree[..brace]);
    let mut branches = &tree[brace + 1..tree.len() - 1];
    while !branches.is_empty() {
        let mut end = 0;
        while end < branches.len() && branches[end] != "," {
            end += bracketed(&branches[end..]);
        }
        if end > 0 {
            expand(&prefix, &branches[..end], uses);
        }
        branches = branches.get(end + 1..).unwrap_or(&[]);
    }
}

/// Paths of two or more names.
fn paths(code: &[&str]) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    let mut i = 0;
    while i < code.len() {
        let mut names = Vec::new();
        while code.get(i).is_some_and(|token| is_word(token)) {
            names.push(code[i].to_owned());
            if code.get(i + 1) != Some(&"::") {
                break;
            }
            i += 2;
        }
        if names.len() > 1 {
            paths.push(names);
        }
        i += 1;
    }
    paths
}
