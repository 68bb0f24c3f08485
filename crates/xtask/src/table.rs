//! What happened, as a table.

use std::time::{Duration, Instant};

/// One line of the table.
#[derive(Debug)]
struct Row {
    step: String,
    result: Result<String, String>,
    took: Duration,
}

/// Collects what happened.
#[derive(Debug)]
pub(crate) struct Table {
    title: &'static str,
    rows: Vec<Row>,
    begin: Instant,
}

impl Table {
    pub(crate) fn new(title: &'static str) -> Self {
        Self { title, rows: Vec::new(), begin: Instant::now() }
    }

    /// Does a step and records what it says, or how it failed. Returns whether it went as it should.
    pub(crate) fn step(&mut self, step: &str, action: impl FnOnce() -> anyhow::Result<String>) -> bool {
        let begin = Instant::now();
        let result = action().map_err(|e| format!("{e:#}"));
        let took = begin.elapsed();
        match &result {
            Ok(text) => println!("ok    {step}: {text} ({:.1} s)", took.as_secs_f32()),
            Err(text) => println!("FAIL  {step}: {text} ({:.1} s)", took.as_secs_f32()),
        }
        let good = result.is_ok();
        self.rows.push(Row { step: step.to_owned(), result, took });
        good
    }

    /// How many steps went as they should.
    pub(crate) fn passed(&self) -> usize {
        self.rows.iter().filter(|row| row.result.is_ok()).count()
    }

    /// Prints the table.
    pub(crate) fn print(&self) {
        let width = self.rows.iter().map(|row| row.step.chars().count()).max().unwrap_or(0);
        println!("\n{}", self.title);
        for row in &self.rows {
            let (verdict, text) = match &row.result {
                Ok(text) => ("ok  ", text.as_str()),
                Err(text) => ("FAIL", text.lines().next().unwrap_or_default()),
            };
            println!("  {verdict}  {:width$}  {:>5.1} s  {text}", row.step, row.took.as_secs_f32());
        }
        let (passed, total) = (self.passed(), self.begin.elapsed().as_secs_f32());
        println!("  {passed} steps as they should be, {} not, in {total:.1} s", self.rows.len() - passed);
    }
}
