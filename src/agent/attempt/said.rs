//! Everything that was said in an attempt, in the shape that is sent and stored.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};

use crate::{
    diagnostics::{Entry, Found, MAX_KEPT, Related},
    model::{FileOrigin, Step},
    protocol::{DiagnosticEntry, DiagnosticPlace, DiagnosticsReport, RelatedPlace},
};

/// Joins what was said in every step.
pub(super) fn report(steps: &[Step], said: Vec<Found>) -> DiagnosticsReport {
    let mut report = DiagnosticsReport::default();
    for (step, found) in steps.iter().zip(said) {
        report.errors += found.summary.errors;
        report.warnings += found.summary.warnings;
        report.omitted += found.omitted;
        for entry in found.entries {
            if report.diagnostics.len() < MAX_KEPT {
                report.diagnostics.push(shown(step, entry));
            } else {
                report.omitted += entry.count;
            }
        }
    }
    report
}

/// The report as it is stored; none if nothing was said.
pub(super) fn packed(report: &DiagnosticsReport) -> Option<Vec<u8>> {
    if report.diagnostics.is_empty() {
        return None;
    }
    let text = serde_json::to_vec(report).expect("plain data becomes JSON");
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let packed = gzip.write_all(&text).and_then(|()| gzip.finish());
    Some(packed.expect("memory takes all that is written"))
}

fn shown(step: &Step, entry: Entry) -> DiagnosticEntry {
    let Entry { diagnostic, origin, symbol, count, related } = entry;
    DiagnosticEntry {
        severity: diagnostic.severity,
        kind: diagnostic.kind,
        step: step.name.clone(),
        place: place(diagnostic.file, origin, (diagnostic.line, diagnostic.column)),
        message: diagnostic.message,
        flag: diagnostic.flag,
        symbol,
        count,
        related: related.into_iter().map(related_place).collect(),
    }
}

fn related_place(one: Related) -> RelatedPlace {
    RelatedPlace {
        place: place(one.file, one.origin, (one.line, one.column)),
        message: one.message,
    }
}

fn place(
    file: Option<String>,
    origin: Option<FileOrigin>,
    (line, column): (Option<u32>, Option<u32>),
) -> Option<DiagnosticPlace> {
    Some(DiagnosticPlace { file: file?, origin, line, column })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diagnostics::{Parser, SourceTree},
        model::{StepKind, Stream},
    };

    fn step(name: &str) -> Step {
        Step { name: name.parse().unwrap(), kind: StepKind::Compile, run: "make".into() }
    }

    fn said(output: &str) -> Found {
        let mut parser = Parser::new(SourceTree::default());
        parser.feed(Stream::Stderr, output.as_bytes());
        parser.finish()
    }

    #[test]
    fn nothing_is_lost_on_the_way() {
        let lines: String = (0..MAX_KEPT).map(|n| format!("a.c:{n}:1: warning: x\n")).collect();
        let more = "b.c:1:1: error: y\nb.c:1:1: error: y\n";
        let steps = [step("configure"), step("compile")];
        let report = report(&steps, vec![said(&lines), said(more)]);
        assert_eq!((report.warnings, report.errors, report.omitted), (MAX_KEPT as u64, 2, 2));
        let listed: u64 = report.diagnostics.iter().map(|one| one.count).sum();
        assert_eq!(listed + report.omitted, report.errors + report.warnings);
        let packed = packed(&report).unwrap();
        let back: DiagnosticsReport =
            serde_json::from_reader(flate2::read::GzDecoder::new(&packed[..])).unwrap();
        assert_eq!(back, report);
    }

    #[test]
    fn what_said_nothing_is_not_stored() {
        assert_eq!(packed(&report(&[step("compile")], vec![said("cc -c a.c\n")])), None);
    }
}
