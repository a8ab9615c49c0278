//! What was measured: a table for people, JSON lines for whoever compares runs.

use std::{fs::File, io::Write, path::Path};

use serde_json::{Value, json};

use crate::measure::{Spread, cores, scratch_root};

/// What a ratio shall be.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(least) => format!(">= {least}"),
            Self::AtMost(most) => format!("<= {most}"),
        }
    }
}

/// One figure, with what it is held against.
pub struct Figure {
    name: String,
    unit: &'static str,
    rounds: Vec<f64>,
    limit: Option<(String, Vec<f64>)>,
    goal: Option<Goal>,
    note: String,
}

impl Figure {
    /// A figure by its rounds.
    pub fn new(name: impl Into<String>, unit: &'static str, rounds: &[f64]) -> Self {
        Self { name: name.into(), unit, rounds: rounds.to_vec(), limit: None, goal: None, note: String::new() }
    }

    /// What it is held against, by the same rounds.
    pub fn beside(mut self, name: impl Into<String>, rounds: &[f64]) -> Self {
        self.limit = Some((name.into(), rounds.to_vec()));
        self
    }

    /// What the ratio to the limit shall be; without a limit, what the figure itself shall be.
    pub fn goal(mut self, goal: Goal) -> Self {
        self.goal = Some(goal);
        self
    }

    /// What else there is to know.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// The ratio, round by round, so that what disturbed a round disturbed both sides of it.
    fn ratio(&self) -> Option<Spread> {
        let (_, limit) = self.limit.as_ref()?;
        let ratios: Vec<f64> = self.rounds.iter().zip(limit).map(|(value, limit)| value / limit).collect();
        Some(Spread::of(&ratios))
    }

    fn verdict(&self) -> &'static str {
        let judged = self.ratio().unwrap_or_else(|| Spread::of(&self.rounds)).median;
        match self.goal {
            Some(goal) if goal.is_met(judged) => "goal met",
            Some(_) => "goal missed",
            None => "",
        }
    }

    fn json(&self, section: &str) -> Value {
        let limit = self.limit.as_ref().map(|(name, rounds)| json!({ "name": name, "spread": Spread::of(rounds).json() }));
        json!({
            "section": section, "figure": self.name, "unit": self.unit, "rounds": self.rounds.len(), "measured": Spread::of(&self.rounds).json(), "limit": limit,
            "ratio": self.ratio().map(Spread::json), "goal": self.goal.map(Goal::text), "verdict": self.verdict(), "note": self.note,
        })
    }

    fn print(&self) {
        let goal = self.goal.map(|goal| format!(" {}, {}", goal.text(), self.verdict())).unwrap_or_default();
        let own_goal = if self.limit.is_none() { goal.as_str() } else { "" };
        println!("  {:<62} {:>26} {}{own_goal}", self.name, Spread::of(&self.rounds).text(), self.unit);
        if let (Some((name, rounds)), Some(ratio)) = (&self.limit, self.ratio()) {
            println!("    {:<60} {:>26} {}", format!("beside: {name}"), Spread::of(rounds).text(), self.unit);
            println!("    {:<60} {:>26}{goal}", "ratio", ratio.text());
        }
        if !self.note.is_empty() {
            println!("    {}", self.note);
        }
    }
}

/// The report of a run.
pub struct Report {
    section: &'static str,
    lines: File,
    verdicts: Vec<(String, &'static str)>,
}

impl Report {
    pub fn begin() -> Self {
        let path = scratch_root().parent().unwrap_or(Path::new(".")).join("bench.json");
        println!("{} cores; every figure is the median of its rounds, with the least and the greatest", cores());
        Self { section: "", lines: File::create(path).expect("target/bench.json can be written"), verdicts: Vec::new() }
    }

    pub fn section(&mut self, name: &'static str) {
        self.section = name;
        println!("\n{name}");
    }

    pub fn add(&mut self, figure: Figure) {
        figure.print();
        writeln!(self.lines, "{}", figure.json(self.section)).expect("target/bench.json can be written");
        if figure.goal.is_some() {
            self.verdicts.push((format!("{}: {}", self.section, figure.name), figure.verdict()));
        }
    }

    /// What could not be measured, and why.
    pub fn left_out(&mut self, what: &str, why: &str) {
        println!("  {what}: left out, {why}");
        writeln!(self.lines, "{}", json!({ "section": self.section, "figure": what, "left_out": why })).expect("target/bench.json can be written");
    }

    pub fn end(self) {
        println!("\ngoals");
        for (name, verdict) in &self.verdicts {
            println!("  {verdict:<12} {name}");
        }
    }
}
