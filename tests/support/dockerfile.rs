//! The image that the Dockerfile describes, assembled from its own lines where no Docker daemon runs.
//!
//! What the builder's stages make is given by the test; every other line of a final stage is taken as it stands, and one
//! that is not understood fails the test.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// What a final stage adds to an empty file system, and how its containers run.
#[derive(Debug, Default)]
pub(crate) struct Image {
    /// From where to where, and whose it is.
    pub(crate) copies: Vec<Copied>,
    /// In the words of an image: `User`, `WorkingDir`, `Entrypoint`, `Cmd`, `Env`.
    pub(crate) config: serde_json::Map<String, Value>,
}

/// One `COPY` line.
#[derive(Debug)]
pub(crate) struct Copied {
    /// The stage that made it; from the sources without one.
    pub(crate) stage: Option<String>,
    pub(crate) source: String,
    pub(crate) target: String,
    /// `0` is root.
    pub(crate) owner: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The instructions of the Dockerfile, without comments, each on one line.
fn instructions() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("Dockerfile")).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    joined.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// The instructions of each stage, with the name of what it is made from and its own.
fn stages() -> Vec<(String, String, Vec<String>)> {
    let mut stages: Vec<(String, String, Vec<String>)> = Vec::new();
    for line in instructions() {
        match line.strip_prefix("FROM ") {
            Some(from) => {
                let (base, name) = from.split_once(" AS ").unwrap_or((from, ""));
                stages.push((base.to_owned(), name.to_owned(), Vec::new()));
            }
            // Arguments before the first stage.
            None if stages.is_empty() => assert!(line.starts_with("ARG "), "{line}"),
            None => stages.last_mut().unwrap().2.push(line),
        }
    }
    stages
}

impl Image {
    /// The image that is built with this `--target`, or without one.
    pub(crate) fn of(target: Option<&str>) -> Self {
        let stages = stages();
        let named = |name: &str| stages.iter().position(|stage| stage.1 == name).unwrap_or_else(|| panic!("no {name}"));
        let mut chain = vec![target.map_or(stages.len() - 1, named)];
        while let base = &stages[*chain.last().unwrap()].0
            && base != "scratch"
        {
            chain.push(named(base));
        }
        let mut image = Self::default();
        for instruction in chain.iter().rev().flat_map(|index| &stages[*index].2) {
            image.apply(instruction);
        }
        image
    }

    fn apply(&mut self, instruction: &str) {
        let (word, rest) = instruction.split_once(' ').unwrap();
        match word {
            "COPY" => self.copies.push(Copied::parse(rest)),
            "USER" => self.set("User", json!(rest)),
            "WORKDIR" => self.set("WorkingDir", json!(rest)),
            "ENTRYPOINT" => self.set("Entrypoint", serde_json::from_str(rest).unwrap()),
            "CMD" => self.set("Cmd", serde_json::from_str(rest).unwrap()),
            "ENV" => self.set("Env", json!([rest])),
            // Known to the builder and to registries only.
            "ARG" | "LABEL" => {}
            _ => panic!("{instruction}: not known to this test"),
        }
    }

    fn set(&mut self, key: &str, value: Value) {
        self.config.insert(key.to_owned(), value);
    }

    /// Writes the image to a file as `docker save` does; `made` says what the builder's stages make.
    #[expect(clippy::disallowed_methods, reason = "the caller is on a thread that may wait")]
    pub(crate) fn save(&self, name: &str, file: &Path, made: impl Fn(&Copied) -> PathBuf) {
        let mut command = Command::new(root().join("tests/cluster/image"));
        command.arg(name).arg(file).arg(Value::Object(self.config.clone()).to_string());
        for copied in &self.copies {
            let source = if copied.stage.is_some() { made(copied) } else { root().join(&copied.source) };
            command.arg(format!("{}:{}:{}", source.display(), copied.target, copied.owner));
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Copied {
    fn parse(text: &str) -> Self {
        let (mut stage, mut owner, mut paths) = (None, "0".to_owned(), Vec::new());
        for word in text.split_whitespace() {
            match word.split_once('=') {
                Some(("--from", name)) => stage = Some(name.to_owned()),
                Some(("--chown", pair)) => pair.split(':').next().unwrap().clone_into(&mut owner),
                _ => paths.push(word.to_owned()),
            }
        }
        let [source, target] = <[String; 2]>::try_from(paths).unwrap();
        Self { stage, source, target, owner }
    }
}

/// Links the program of this test run again, without shared libraries, as the image has none.
#[expect(clippy::disallowed_methods, reason = "the caller is on a thread that may wait")]
pub(crate) fn static_servo(folder: &Path) -> PathBuf {
    let libraries = Path::new(env!("CARGO_BIN_EXE_servo")).parent().unwrap().join("deps");
    let written = |path: &PathBuf| path.metadata().and_then(|metadata| metadata.modified()).unwrap();
    let library = std::fs::read_dir(&libraries).unwrap().map(|entry| entry.unwrap().path()).filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("libservox-") && name.ends_with(".rlib")
    });
    let library = library.max_by_key(written).unwrap();
    let servo = folder.join("servo");
    let output = Command::new("rustc")
        .current_dir(root())
        .args([
            "--edition=2024",
            "--crate-name=servo",
            "src/main.rs",
            "-Ctarget-feature=+crt-static",
            "-Cstrip=symbols",
        ])
        .arg(format!("--extern=servox={}", library.display()))
        .arg(format!("-Ldependency={}", libraries.display()))
        .arg("-o")
        .arg(&servo)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    servo
}
