//! The rules of the crate's structure, as absences in its source: import directions, circles, doors of the rooms,
//! lengths, who may touch the environment, standard output and the exit code. Allow-lists may only shrink.

mod circles;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A source file with its production lines: everything before an inline test module.
struct Source {
    /// Below `src`, such as `connectors/wait/config.rs`.
    path: String,
    production: Vec<String>,
}

impl Source {
    /// The first folder or file stem: the module that others import.
    fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    assert!(files.len() > 30, "the walk found only {} files", files.len());
    files.iter().map(|file| read(&root, file)).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn read(root: &Path, file: &Path) -> Source {
    let text = fs::read_to_string(file).unwrap();
    let production = text.lines().take_while(|line| *line != "#[cfg(test)]").map(str::to_owned).collect();
    Source { path: file.strip_prefix(root).unwrap().to_string_lossy().into_owned(), production }
}

fn check(rule: &str, violations: impl IntoIterator<Item = String>) {
    let violations: Vec<String> = violations.into_iter().collect();
    assert!(violations.is_empty(), "{rule}:\n  {}", violations.join("\n  "));
}

/// The modules of ours that each module may import; a module that is missing here may import none.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("causes", &[]),
    ("decode", &[]),
    ("types", &["decode"]),
    ("yaml", &["decode"]),
    ("wire", &["decode", "types"]),
    ("table", &[]),
    ("retry", &[]),
    ("telemetry", &[]),
    ("exchange", &[]),
    ("http", &["telemetry"]),
    ("network", &["decode", "http"]),
    ("config", &["decode", "types", "yaml"]),
    ("k8s", &["decode", "network", "telemetry", "types"]),
    ("printable", &[]),
    ("logging", &["causes", "printable"]),
    ("subprocess", &[]),
    ("checks", &["causes", "connector", "table", "types"]),
    ("connector", &["causes", "decode", "exchange", "k8s", "network", "subprocess", "telemetry", "types"]),
    ("progress", &["connector", "types"]),
    ("fast_fail", &["connector", "decode", "types"]),
    (
        "optimizer",
        &["causes", "config", "connector", "decode", "http", "network", "retry", "telemetry", "types", "wire"],
    ),
    ("servo", &["checks", "config", "connector", "optimizer", "telemetry", "types"]),
    ("runner", &["connector", "optimizer", "retry", "servo", "types"]),
    ("endpoints", &["exchange", "http", "optimizer", "runner", "telemetry", "types"]),
    (
        "connectors",
        &[
            "causes",
            "checks",
            "config",
            "connector",
            "decode",
            "exchange",
            "fast_fail",
            "http",
            "k8s",
            "network",
            "progress",
            "retry",
            "subprocess",
            "table",
            "telemetry",
            "types",
            "wire",
        ],
    ),
    (
        "assembly",
        &[
            "config",
            "connector",
            "connectors",
            "decode",
            "exchange",
            "k8s",
            "network",
            "optimizer",
            "servo",
            "subprocess",
            "telemetry",
        ],
    ),
    (
        "cli",
        &[
            "assembly",
            "causes",
            "checks",
            "config",
            "connector",
            "connectors",
            "decode",
            "endpoints",
            "k8s",
            "logging",
            "network",
            "optimizer",
            "printable",
            "retry",
            "runner",
            "servo",
            "table",
            "telemetry",
            "types",
            "wire",
        ],
    ),
    ("main", &[]),
    ("lib", &[]),
];

/// What the tests and benches may see: it imports everything, and nothing imports it.
const DOOR: &str = "internals";

#[test]
fn imports_go_down_only() {
    check(
        "a module may import only what stands below it",
        sources().iter().filter(|source| source.module() != DOOR).flat_map(|source| {
            let allowed = MAY_IMPORT.iter().find(|(module, _)| *module == source.module()).map(|(_, allowed)| *allowed);
            imports(source).into_iter().filter_map(move |import| {
                let permitted = import == source.module() || allowed.is_some_and(|a| a.contains(&import.as_str()));
                (!permitted).then(|| format!("{} imports {import}", source.path))
            })
        }),
    );
}

#[test]
fn every_permission_is_used() {
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources() {
        used.entry(source.module().to_owned()).or_default().extend(imports(&source));
    }
    check(
        "a permission that nobody uses is taken away",
        MAY_IMPORT.iter().flat_map(|(module, allowed)| {
            let used = used.get(*module).cloned().unwrap_or_default();
            let unused = allowed.iter().filter(move |import| !used.contains(**import));
            unused.map(move |import| format!("{module} may import {import}"))
        }),
    );
}

#[test]
fn no_modules_import_each_other() {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let allowed = MAY_IMPORT.iter().map(|(module, allowed)| ((*module).to_owned(), owned(allowed))).collect();
    let circles = circles::circles(&allowed).into_iter().map(|circle| circle.join(" ─► "));
    check("modules do not import each other", circles);
}

/// The modules named after `crate::` outside of comments.
fn imports(source: &Source) -> BTreeSet<String> {
    let code = source.production.iter().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>())
        .filter(|module| !module.is_empty())
        .collect()
}

/// The one room whose types are found at run time, and stand in no registry. The assembly asks for them there.
const FOUND: &str = "external";

/// The one room that is composed of others.
const COMPOSITE: &str = "opsani_dev";

#[test]
fn rooms_do_not_know_each_other() {
    let sources = sources();
    let rooms: BTreeSet<String> = rooms(&sources);
    check(
        "a room imports no other room, unless it is composed of them",
        sources.iter().filter_map(|source| {
            let room = source.path.strip_prefix("connectors/")?.split_once('/')?.0;
            if room == COMPOSITE {
                return None;
            }
            let other = rooms.iter().filter(|other| *other != room).find(|other| {
                let path = format!("connectors::{other}");
                source.production.iter().any(|line| line.contains(&path))
            })?;
            Some(format!("{} imports {other}", source.path))
        }),
    );
}

fn rooms(sources: &[Source]) -> BTreeSet<String> {
    let rooms = sources.iter().filter_map(|source| source.path.strip_prefix("connectors/")?.split_once('/'));
    rooms.map(|(room, _)| room.to_owned()).collect()
}

#[test]
fn every_room_has_the_same_doors_and_one_entry() {
    let sources = sources();
    let registry = sources.iter().find(|source| source.path == "connectors/mod.rs").expect("the registry");
    check(
        "a room has mod.rs, config.rs, connector.rs and one registry entry",
        rooms(&sources).iter().flat_map(|room| {
            let missing = ["mod.rs", "config.rs", "connector.rs"].into_iter().filter_map(|door| {
                let path = format!("connectors/{room}/{door}");
                (!sources.iter().any(|source| source.path == path)).then_some(path)
            });
            let entry = format!("&{room}::FACTORY");
            let entries = registry.production.join("\n").matches(&entry).count();
            let expected = usize::from(room != FOUND);
            missing.chain((entries != expected).then(|| format!("{room}: {entries} entries"))).collect::<Vec<_>>()
        }),
    );
}

#[test]
fn the_registry_names_every_connector_once_and_its_samples_are_mappings() {
    let mut names = BTreeSet::new();
    for factory in servox::internals::connectors::CONNECTORS {
        let metadata = factory.metadata();
        assert!(names.insert(metadata.default_name.clone()), "{} is registered twice", metadata.default_name);
        assert!(metadata.class_name.ends_with("Connector"), "{}", metadata.class_name);
        assert!(factory.sample().is_object(), "{} has no sample", metadata.default_name);
    }
}

#[test]
fn only_the_edge_touches_the_environment_prints_and_exits() {
    const RULES: &[(&str, &[&str])] = &[
        ("std::env::", &["config/", "cli/"]),
        ("env::var", &["config/", "cli/"]),
        ("println!", &["cli/"]),
        ("print!(", &["cli/"]),
        ("process::exit", &["main.rs"]),
        ("std::time::Instant", &[]),
        ("std::process::Command", &[]),
        ("thread::sleep", &[]),
    ];
    let sources = sources();
    check(
        "these belong to the edge of the program",
        RULES.iter().flat_map(|(text, allowed)| {
            sources
                .iter()
                .filter(|source| !allowed.iter().any(|place| source.path.starts_with(place)))
                .filter(move |source| {
                    source.production.iter().any(|line| !line.trim_start().starts_with("//") && line.contains(text))
                })
                .map(move |source| format!("{} in {}", text, source.path))
        }),
    );
}

#[test]
fn no_file_is_longer_than_600_lines() {
    check(
        "a file is split before it has 600 production lines",
        sources().iter().filter(|s| s.production.len() > 600).map(|s| format!("{}: {}", s.path, s.production.len())),
    );
}

#[test]
fn a_folder_has_at_most_15_files() {
    let mut folders: BTreeMap<String, usize> = BTreeMap::new();
    for source in sources() {
        let folder = source.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        *folders.entry(folder.to_owned()).or_default() += 1;
    }
    let crowded = folders.iter().filter(|(_, count)| **count > 15);
    check("a folder with more than 15 files gets rooms", crowded.map(|(folder, count)| format!("{folder}: {count}")));
}

#[test]
fn every_file_says_what_it_is() {
    check(
        "a file begins with a module doc",
        sources()
            .iter()
            .filter(|source| !source.production.first().is_some_and(|line| line.starts_with("//! ")))
            .map(|source| source.path.clone()),
    );
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file does not name them.
    let words = ["TO", "FIX", "XX"].into_iter().zip(["DO", "ME", "X"]).map(|(a, b)| format!("{a}{b}"));
    let words: Vec<String> = words.chain(["todo!(".to_owned(), "unimplemented!(".to_owned()]).collect();
    check(
        "nothing is left for later",
        sources().iter().flat_map(|source| {
            let lines = source.production.iter().enumerate();
            lines
                .filter(|(_, line)| words.iter().any(|word| line.contains(word)))
                .map(|(number, _)| format!("{}:{}", source.path, number + 1))
                .collect::<Vec<_>>()
        }),
    );
}
