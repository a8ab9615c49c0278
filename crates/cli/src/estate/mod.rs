//! Estates in files: TOML and YAML are read with the line of every value, several files make one estate, and what the server says of a value is told by file and line.

pub mod node;
pub mod plan_file;
mod toml;
pub mod write;
mod yaml;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use self::node::{Kind, Node};
use crate::error::CliError;

/// A mistake in a file, as it is told: `estate.toml:12: keys[0].spec: is no kind of key. Give …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// File and line.
    pub at: String,
    /// The value, for example `keys[3].aliases[0]`; empty where a file cannot be read at all.
    pub field: String,
    /// What is wrong, as half a sentence.
    pub reason: String,
    /// What to do, as a sentence.
    pub mend: String,
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { at, field, reason, mend } = self;
        if field.is_empty() { write!(f, "{at}: {reason}. {mend}") } else { write!(f, "{at}: {field}: {reason}. {mend}") }
    }
}

/// An estate that was read from files.
#[derive(Debug, Default)]
pub struct Files {
    /// As the server takes it.
    pub estate: Value,
    /// Where each value stands, as `file:line`.
    pub places: Places,
}

/// Where values stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places(pub BTreeMap<String, String>);

/// Lists of a file that are put behind those of the files before it.
const LISTS: [&str; 2] = ["keystores", "keys"];

impl Files {
    /// Reads files into one estate.
    ///
    /// # Errors
    /// [`CliError::File`]; [`CliError::Mistakes`] with everything that cannot be read.
    pub fn read(paths: &[PathBuf]) -> Result<Self, CliError> {
        let mut reading = Reading::default();
        for path in paths {
            let text = fs::read_to_string(path).map_err(|reason| CliError::reading(path, reason))?;
            reading.add(path, &text);
        }
        reading.done()
    }
}

/// Files that are being read.
#[derive(Default)]
struct Reading {
    estate: Map<String, Value>,
    places: BTreeMap<String, String>,
    mistakes: Vec<Mistake>,
}

impl Reading {
    fn add(&mut self, path: &Path, text: &str) {
        let name = path.display().to_string();
        let parsed = match path.extension().and_then(|extension| extension.to_str()) {
            Some("toml") => toml::parse(text),
            Some("yaml" | "yml" | "json") => yaml::parse(text),
            _ => Err((1, "is of no known kind".to_owned(), "Name it .toml, .yaml or .yml.".to_owned())),
        };
        match parsed {
            Ok(Node { kind: Kind::Map(pairs), .. }) => pairs.into_iter().for_each(|(key, line, node)| self.take(&name, &key, line, node)),
            Ok(node) => self.note(&name, node.line, "", "holds no table", "Write keystores and keys: `keystead export estate` shows how."),
            Err((line, reason, mend)) => self.note(&name, line, "", &reason, &mend),
        }
    }

    /// One of a file's tables: a list goes behind the lists of the files before, anything else is said once.
    fn take(&mut self, file: &str, key: &str, line: usize, node: Node) {
        let before = self.places.get(key).cloned();
        if !LISTS.contains(&key) {
            if let Some(before) = before {
                return self.note(file, line, key, &format!("is given at {before}, too"), "Say it in one file.");
            }
            self.places.insert(key.to_owned(), format!("{file}:{line}"));
            let value = self.value(file, key, node);
            self.estate.insert(key.to_owned(), value);
            return;
        }
        let Kind::List(nodes) = node.kind else {
            return self.note(file, line, key, "is no list", &format!("Write [[{key}]] before each in TOML, and \"- \" before each in YAML."));
        };
        self.places.entry(key.to_owned()).or_insert_with(|| format!("{file}:{line}"));
        let known = self.estate.get(key).and_then(Value::as_array).map_or(0, Vec::len);
        let values: Vec<Value> = nodes.into_iter().enumerate().map(|(at, node)| self.placed(file, format!("{key}[{}]", known + at), node)).collect();
        if let Value::Array(list) = self.estate.entry(key.to_owned()).or_insert_with(|| Value::Array(Vec::new())) {
            list.extend(values);
        }
    }

    fn placed(&mut self, file: &str, path: String, node: Node) -> Value {
        self.places.insert(path.clone(), format!("{file}:{}", node.line));
        self.value(file, &path, node)
    }

    /// A value with everything below it.
    fn value(&mut self, file: &str, path: &str, node: Node) -> Value {
        match node.kind {
            Kind::Scalar(value) => value,
            Kind::List(nodes) => nodes.into_iter().enumerate().map(|(at, node)| self.placed(file, format!("{path}[{at}]"), node)).collect(),
            Kind::Map(pairs) => {
                let mut map = Map::new();
                for (key, line, node) in pairs {
                    let path = format!("{path}.{key}");
                    if map.contains_key(&key) {
                        self.note(file, line, &path, "is given twice", "Give it once.");
                        continue;
                    }
                    self.places.insert(path.clone(), format!("{file}:{line}"));
                    let value = self.value(file, &path, node);
                    map.insert(key, value);
                }
                Value::Object(map)
            }
        }
    }

    fn note(&mut self, file: &str, line: usize, field: &str, reason: &str, mend: &str) {
        let (reason, mend) = (reason.to_owned(), mend.to_owned());
        self.mistakes.push(Mistake { at: format!("{file}:{line}"), field: field.to_owned(), reason, mend });
    }

    fn done(self) -> Result<Files, CliError> {
        if !self.mistakes.is_empty() {
            return Err(CliError::Mistakes(self.mistakes));
        }
        Ok(Files { estate: Value::Object(self.estate), places: Places(self.places) })
    }
}

impl Places {
    /// Where a value stands, or what it is missing from.
    pub fn of(&self, path: &str) -> Option<&str> {
        let mut path = path;
        loop {
            if let Some(at) = self.0.get(path) {
                return Some(at);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }

    /// A refusal of the server with its values told by file and line; what is no refusal of a value stays as it is.
    pub fn told(&self, error: CliError) -> CliError {
        let CliError::Refused(problem) = &error else { return error };
        let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let mistakes: Vec<Mistake> = match problem.more.get("mistakes").and_then(Value::as_array) {
            Some(mistakes) => mistakes.iter().map(|one| self.mistake(&text(one, "field"), &text(one, "reason"), &text(one, "mend"))).collect(),
            None => match problem.field.as_deref().filter(|field| self.of(field.trim_start_matches("estate.")).is_some()) {
                Some(field) => {
                    let reason = problem.detail.strip_prefix(field).unwrap_or(&problem.detail).trim_matches([' ', '.']);
                    vec![self.mistake(field, reason, &problem.mend)]
                }
                None => return error,
            },
        };
        CliError::Mistakes(mistakes)
    }

    fn mistake(&self, field: &str, reason: &str, mend: &str) -> Mistake {
        let field = field.trim_start_matches("estate.");
        let at = self.of(field).unwrap_or("the estate").to_owned();
        Mistake { at, field: field.to_owned(), reason: self.with_places(reason), mend: mend.to_owned() }
    }

    /// A text in which values that are named are told by file and line.
    fn with_places(&self, text: &str) -> String {
        let word = |word: &str| match LISTS.iter().any(|list| word.starts_with(&format!("{list}["))) {
            true => self.of(word).map_or(word.to_owned(), str::to_owned),
            false => word.to_owned(),
        };
        text.split(' ').map(word).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::problem::Problem;

    fn read(files: &[(&str, &str)]) -> Result<Files, Vec<String>> {
        let mut reading = Reading::default();
        files.iter().for_each(|(name, text)| reading.add(Path::new(name), text));
        reading.done().map_err(|error| match error {
            CliError::Mistakes(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
            other => vec![format!("{other:?}")],
        })
    }

    const TOML: &str = "\
[[keys]]
name = \"orders\"
tags = { team = \"pay\" }
expires = 2027-01-01T00:00:00Z

[[keys]]
name = \"bills\"
aliases = [
  \"x\",
  \"y\",
]
[keys.rotation]
every = \"90d\"
";
    const YAML: &str = "\
# An estate.
keystores:
  - name: eu
    warm: true
keys:
  - name: ledger
    replicas:
      - keystore: us
        waiting_days: 7
";

    #[test]
    fn two_files_make_one_estate_and_every_value_has_its_line() {
        let files = read(&[("a.toml", TOML), ("b.yaml", YAML)]).expect("an estate");
        let expected = json!({
            "keystores": [{ "name": "eu", "warm": true }],
            "keys": [
                { "name": "orders", "tags": { "team": "pay" }, "expires": "2027-01-01T00:00:00Z" },
                { "name": "bills", "aliases": ["x", "y"], "rotation": { "every": "90d" } },
                { "name": "ledger", "replicas": [{ "keystore": "us", "waiting_days": 7 }] }
            ]
        });
        assert_eq!(files.estate, expected);
        for (path, at) in [
            ("keys[0]", "a.toml:1"),
            ("keys[0].tags.team", "a.toml:3"),
            ("keys[1].aliases[1]", "a.toml:10"),
            ("keys[1].rotation.every", "a.toml:13"),
            ("keys[2].replicas[0].waiting_days", "b.yaml:9"),
            ("keystores[0].warm", "b.yaml:4"),
            ("keys[2].spec", "b.yaml:6"),
        ] {
            assert_eq!(files.places.of(path), Some(at), "{path}");
        }
        assert_eq!(files.places.of("other"), None);
    }

    #[test]
    fn what_cannot_be_read_is_told_by_file_and_line() {
        let refused = |name: &str, text: &str| read(&[(name, text)]).expect_err("refused");
        for (name, text, told) in [
            ("a.toml", "[[keys]]\nname = \"a\"\nname = \"b\"\n", "a.toml:3: duplicate key"),
            ("a.toml", "[[keys]]\nname = \n", "a.toml:2: "),
            ("a.toml", "[keys]\nname = \"a\"\n", "a.toml:1: keys: is no list"),
            ("a.yaml", "keys:\n  - name: a\n    name: b\n", "a.yaml:3: keys[0].name: is given twice. Give it once."),
            ("a.yaml", "keys: [\n", "a.yaml:"),
            ("a.yaml", "keys:\n  - &a { name: x }\n", "a.yaml:2: has an anchor"),
            ("a.yaml", "- a\n", "a.yaml:1: holds no table"),
            ("a.txt", "", "a.txt:1: is of no known kind. Name it .toml, .yaml or .yml."),
        ] {
            let mistakes = refused(name, text);
            assert!(mistakes[0].starts_with(told), "{told}: {mistakes:?}");
        }
        let twice = read(&[("a.toml", "[rotation]\nevery = \"9d\"\n"), ("b.yaml", "rotation: {every: 9d}\n")]).expect_err("refused");
        assert_eq!(twice, ["b.yaml:1: rotation: is given at a.toml:1, too. Say it in one file."]);
    }

    #[test]
    fn what_the_server_says_of_a_value_is_told_by_its_file_and_line() {
        let files = read(&[("a.toml", TOML), ("b.yaml", YAML)]).expect("an estate");
        let more = json!({ "mistakes": [
            { "field": "keys[1].aliases[0]", "reason": "is x, as is keys[2].name", "mend": "Choose." },
            { "field": "estate.keys[0].spec", "reason": "is none", "mend": "Give one." },
        ] });
        let problem = Problem { more: more.as_object().cloned().expect("an object"), ..Problem::own("estate-mistakes", "", "", "") };
        let CliError::Mistakes(mistakes) = files.places.told(CliError::Refused(Box::new(problem))) else { panic!("mistakes") };
        let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["a.toml:9: keys[1].aliases[0]: is x, as is b.yaml:6. Choose.", "a.toml:1: keys[0].spec: is none. Give one."]);
        let unknown = Problem {
            field: Some("keys[0].alias".into()),
            detail: "keys[0].alias is not known here.".into(),
            mend: "Leave it out.".into(),
            ..Problem::default()
        };
        let CliError::Mistakes(mistakes) = files.places.told(CliError::Refused(Box::new(unknown))) else { panic!("a mistake") };
        assert_eq!(mistakes[0].to_string(), "a.toml:1: keys[0].alias: is not known here. Leave it out.");
    }
}
