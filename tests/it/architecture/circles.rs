//! Circles between files: who needs whom, by the paths in `use` declarations and in the code.
//!
//! A name that a `mod.rs` passes on belongs to the file that defines it. A door and the files behind it may need each
//! other: they are one module, and the door defines what they share.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, check, sources};

/// Files where a known circle begins. May only shrink.
const KNOWN: &[&str] =
    &["decode/decoder.rs", "decode/keys.rs", "decode/scalar.rs", "decode/schema.rs", "wire/answer.rs"];

/// A file as a module: where it is, what it passes on, and what it names.
struct Module {
    /// The segments below the crate, such as `["connectors", "wait", "config"]`.
    path: Vec<String>,
    /// The names that `pub use` passes on, with the absolute paths that they stand for.
    passed_on: BTreeMap<String, Vec<String>>,
    /// The absolute paths that the file names itself.
    named: Vec<Vec<String>>,
}

#[test]
fn no_files_need_each_other() {
    let sources = sources();
    let modules: BTreeMap<Vec<String>, &Source> = sources.iter().map(|source| (module_path(source), source)).collect();
    let parsed: Vec<Module> = sources.iter().map(|source| parse(source, &modules)).collect();
    let by_path: BTreeMap<&[String], &Module> = parsed.iter().map(|module| (module.path.as_slice(), module)).collect();
    let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (source, module) in sources.iter().zip(&parsed) {
        let needed = needs.entry(source.path.clone()).or_default();
        for path in &module.named {
            let target = resolve(path, &by_path, 0);
            if !module.path.starts_with(&target)
                && let Some(target) = modules.get(target.as_slice())
            {
                needed.insert(target.path.clone());
            }
        }
    }
    let circles = circles(&needs);
    let known = |circle: &&Vec<String>| KNOWN.contains(&circle[0].as_str());
    check("files must not need each other", circles.iter().filter(|c| !known(c)).map(|circle| circle.join(" ─► ")));
    let unused = KNOWN.iter().filter(|file| !circles.iter().any(|circle| circle[0] == **file));
    check("a circle that is gone is taken off the list", unused.map(|file| (*file).to_owned()));
}

#[test]
fn a_circle_is_found_and_a_line_is_none() {
    let needs = |edges: &[(&str, &str)]| {
        let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in edges {
            needs.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        needs
    };
    assert_eq!(circles(&needs(&[("a", "b"), ("b", "c"), ("a", "c")])), Vec::<Vec<String>>::new());
    assert_eq!(circles(&needs(&[("a", "b"), ("b", "c"), ("c", "b")])), [["b", "c", "b"]]);
}

#[test]
fn names_of_a_use_declaration_are_found_with_their_paths() {
    let names = |declaration: &str| {
        let mut found = Vec::new();
        expand(declaration, &mut Vec::new(), &mut found);
        found.iter().map(|(path, name)| format!("{} as {name}", path.join("::"))).collect::<Vec<_>>()
    };
    assert_eq!(names("crate::{a::{self, B as C}, d::*}"), ["crate::a as a", "crate::a::B as C", "crate::d::* as *"]);
}

/// The shortest way back to where it began, for the first file of each group of files that need each other.
pub(super) fn circles(needs: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = Vec::new();
    for start in needs.keys() {
        if found.iter().any(|circle| circle.contains(start)) {
            continue;
        }
        let mut ways = vec![vec![start.clone()]];
        let mut seen = BTreeSet::new();
        'search: while !ways.is_empty() {
            let mut longer = Vec::new();
            for way in &ways {
                for next in needs.get(&way[way.len() - 1]).into_iter().flatten() {
                    let way = [way.clone(), vec![next.clone()]].concat();
                    if next == start {
                        found.push(way);
                        break 'search;
                    }
                    if seen.insert(next.clone()) {
                        longer.push(way);
                    }
                }
            }
            ways = longer;
        }
    }
    found
}

fn module_path(source: &Source) -> Vec<String> {
    let mut path: Vec<String> = source.path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if matches!(path.last().map(String::as_str), Some("mod" | "lib")) {
        path.pop();
    }
    path
}

fn parse(source: &Source, modules: &BTreeMap<Vec<String>, &Source>) -> Module {
    let path = module_path(source);
    let lines = source.production.iter().filter(|line| !line.trim_start().starts_with("//"));
    let text = lines.map(String::as_str).collect::<Vec<_>>().join("\n");
    let (declarations, code) = split(&text);
    let words: BTreeSet<&str> = code.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let mut module = Module { path: path.clone(), passed_on: BTreeMap::new(), named: Vec::new() };
    for (public, declaration) in declarations {
        let mut names = Vec::new();
        expand(&declaration, &mut Vec::new(), &mut names);
        for (named, name) in names {
            let Some(absolute) = absolute(&named, &path, modules) else { continue };
            if public {
                module.passed_on.insert(name.clone(), absolute.clone());
            }
            if !public || words.contains(name.as_str()) {
                module.named.push(absolute);
            }
        }
    }
    for start in ["crate::", "super::"] {
        for (index, _) in code.match_indices(start) {
            let continues_a_path = code[..index].ends_with("::");
            let end = code[index..].find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
            let text = code[index..end.map_or(code.len(), |end| index + end)].trim_end_matches(':');
            let segments: Vec<String> = text.split("::").map(str::to_owned).collect();
            if !continues_a_path && let Some(absolute) = absolute(&segments, &path, modules) {
                module.named.push(absolute);
            }
        }
    }
    module
}

/// The `use` declarations, each with whether it passes its names on, and everything else.
fn split(text: &str) -> (Vec<(bool, String)>, String) {
    let (mut declarations, mut code) = (Vec::new(), String::new());
    let mut open: Option<(bool, String)> = None;
    for line in text.lines() {
        let trimmed = line.trim();
        let begun = open.take().or_else(|| {
            let (visibility, _) = trimmed.split_once("use ")?;
            let visibility = visibility.trim();
            let is_use = visibility.is_empty()
                || (visibility.starts_with("pub") && !visibility.contains(' '))
                || visibility.starts_with("pub(in ");
            is_use.then(|| (!visibility.is_empty(), String::new()))
        });
        match begun {
            None => {
                code.push_str(line);
                code.push('\n');
            }
            Some((public, mut declaration)) => {
                declaration.push_str(trimmed.split_once("use ").map_or(trimmed, |(_, rest)| rest));
                if declaration.ends_with(';') {
                    declarations.push((public, declaration.trim_end_matches(';').to_owned()));
                } else {
                    open = Some((public, declaration));
                }
            }
        }
    }
    (declarations, code)
}

/// The paths of a tree of names, each with the name under which it is known.
fn expand(tree: &str, outer: &mut Vec<String>, found: &mut Vec<(Vec<String>, String)>) {
    let tree = tree.trim();
    let depth = outer.len();
    let mut rest = tree;
    loop {
        if let Some(group) = rest.strip_prefix('{') {
            for part in parts(group.trim_end_matches(|c: char| c.is_whitespace()).strip_suffix('}').unwrap_or(group)) {
                expand(part, outer, found);
            }
            break;
        }
        match rest.split_once("::") {
            Some((segment, below)) if !segment.contains(['{', ',']) => {
                outer.push(segment.trim().to_owned());
                rest = below.trim();
            }
            _ => {
                let (name, alias) = rest.split_once(" as ").unwrap_or((rest, rest));
                let (name, alias) = (name.trim(), alias.trim());
                if name == "self" {
                    let alias =
                        if alias == "self" { outer.last().cloned().unwrap_or_default() } else { alias.to_owned() };
                    found.push((outer.clone(), alias));
                } else if !name.is_empty() {
                    let path = outer.iter().cloned().chain([name.to_owned()]).collect();
                    found.push((path, alias.to_owned()));
                }
                break;
            }
        }
    }
    outer.truncate(depth);
}

/// The parts between commas that stand in no group.
fn parts(group: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (index, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&group[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&group[start..]);
    parts
}

/// The path below the crate; `None` for one that leads out of it.
fn absolute(path: &[String], module: &[String], modules: &BTreeMap<Vec<String>, &Source>) -> Option<Vec<String>> {
    let first = path.first()?.as_str();
    let mut base = match first {
        "crate" => return Some(path[1..].to_vec()),
        "self" => module.to_vec(),
        "super" => module[..module.len().checked_sub(1)?].to_vec(),
        child => {
            let below = [module, &[child.to_owned()]].concat();
            return modules.contains_key(&below).then(|| [module, path].concat());
        }
    };
    let mut rest = &path[1..];
    while rest.first().is_some_and(|segment| segment == "super") {
        base.pop()?;
        rest = &rest[1..];
    }
    Some([&base, rest].concat())
}

/// The module that defines what the path names.
fn resolve(path: &[String], modules: &BTreeMap<&[String], &Module>, depth: usize) -> Vec<String> {
    let known = (0..=path.len()).rev().find(|length| modules.contains_key(&path[..*length])).unwrap_or(0);
    let (found, rest) = path.split_at(known);
    let passed_on = rest.first().and_then(|name| modules.get(found)?.passed_on.get(name));
    match passed_on {
        // A name that stands for itself in another module of the same name would lead nowhere.
        Some(target) if depth < 8 && target != path => {
            resolve(&[target.as_slice(), &rest[1..]].concat(), modules, depth + 1)
        }
        _ => found.to_vec(),
    }
}
