//! From kiln's diagnostics to SARIF.

use std::collections::BTreeMap;

use super::shape::{
    ArtifactLocation, AutomationDetails, Driver, Location, Log, MappedTo, Message,
    PhysicalLocation, Properties, Region, Rule, Run, SarifResult, Tool, UriBase, VersionControl,
};
use crate::{
    archive::Digest,
    model::{DiagnosticKind, FileOrigin, Severity},
    protocol::{DiagnosticEntry, DiagnosticPlace, JobDiagnostics},
};

/// Where the standard's schema is.
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// The name that paths of the repository are relative to.
const ROOT: &str = "SRCROOT";

/// Where the source came from, if it was a repository.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Its URL.
    pub repository: &'a str,
    /// The commit.
    pub commit: &'a str,
}

/// The diagnostics of a job as a SARIF log of one run.
pub fn sarif(job: &JobDiagnostics, origin: Option<Origin<'_>>) -> Log {
    let mut rules: BTreeMap<&str, usize> =
        job.diagnostics.iter().filter_map(|one| Some((one.flag.as_deref()?, 0))).collect();
    for (index, (_, place)) in rules.iter_mut().enumerate() {
        *place = index;
    }
    let about = "The root of the source that was built".to_owned();
    let base = UriBase { description: Message { text: about } };
    let run = Run {
        tool: Tool { driver: driver(job, &rules) },
        automation_details: AutomationDetails {
            id: format!("kiln/{}/{}/{}", job.toolchain, job.job, job.attempt),
        },
        original_uri_base_ids: BTreeMap::from([(ROOT, base)]),
        version_control_provenance: origin.map(provenance).into_iter().collect(),
        // gcc and clang count the bytes of a line, which no value of the standard means; for the
        // usual ASCII it is the same.
        column_kind: "unicodeCodePoints",
        results: job.diagnostics.iter().map(|one| result(one, &rules)).collect(),
    };
    Log { schema: SCHEMA, version: "2.1.0", runs: vec![run] }
}

fn driver(job: &JobDiagnostics, rules: &BTreeMap<&str, usize>) -> Driver {
    // `gcc (Debian 14.2.0-19) 14.2.0`, `clang 19.1.7`: a name first, the version last.
    let mut words = job.compiler.split_whitespace();
    let family = job.toolchain.to_string();
    let family = family.split(':').next().unwrap_or(&family).to_owned();
    Driver {
        name: words.next().map_or(family, str::to_owned),
        version: words.next_back().map(str::to_owned),
        rules: rules.keys().map(|&id| Rule { id: id.to_owned() }).collect(),
    }
}

fn provenance(origin: Origin<'_>) -> VersionControl {
    VersionControl {
        repository_uri: origin.repository.to_owned(),
        revision_id: origin.commit.to_owned(),
        mapped_to: MappedTo { uri_base_id: ROOT },
    }
}

fn result(one: &DiagnosticEntry, rules: &BTreeMap<&str, usize>) -> SarifResult {
    let related = one.related.iter().enumerate().map(|(id, related)| Location {
        id: Some(id),
        physical: related.place.as_ref().map(physical),
        message: Some(Message { text: text(&related.message) }),
    });
    SarifResult {
        rule_id: one.flag.clone(),
        rule_index: one.flag.as_deref().and_then(|flag| rules.get(flag).copied()),
        level: match one.severity {
            Severity::Warning => "warning",
            Severity::Error | Severity::Fatal => "error",
        },
        message: Message { text: text(&one.message) },
        locations: one
            .place
            .as_ref()
            .map(|place| Location { id: None, physical: Some(physical(place)), message: None })
            .into_iter()
            .collect(),
        related_locations: related.collect(),
        occurrence_count: one.count.max(1),
        partial_fingerprints: BTreeMap::from([("kiln/v1", fingerprint(one))]),
        properties: Properties { step: one.step.to_string(), symbol: one.symbol.clone() },
    }
}

/// What stays the same when lines move: what was said, of which file, by what.
fn fingerprint(one: &DiagnosticEntry) -> String {
    let file = one.place.as_ref().map_or("", |place| &place.file);
    let flag = one.flag.as_deref().unwrap_or_default();
    let kind = match one.kind {
        DiagnosticKind::Compile => "compile",
        DiagnosticKind::Link => "link",
        DiagnosticKind::Configure => "configure",
        DiagnosticKind::Build => "build",
        DiagnosticKind::Command => "command",
    };
    Digest::of([kind, file, flag, &one.message].join("\0").as_bytes()).to_string()
}

fn physical(place: &DiagnosticPlace) -> PhysicalLocation {
    let in_source = matches!(place.origin, Some(FileOrigin::Repository | FileOrigin::Generated))
        && !place.file.starts_with('/');
    let region = place.line.filter(|line| *line > 0).map(|start_line| Region {
        start_line,
        start_column: place.column.filter(|column| *column > 0),
    });
    PhysicalLocation {
        artifact_location: ArtifactLocation {
            uri: uri(&place.file),
            uri_base_id: in_source.then_some(ROOT),
        },
        region,
    }
}

/// A path as a URI reference: what is not allowed there is encoded byte by byte.
fn uri(path: &str) -> String {
    use std::fmt::Write as _;
    let mut uri = String::with_capacity(path.len());
    if path.starts_with('/') {
        uri.push_str("file://");
    }
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/+@!$&'()*,;=".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            write!(uri, "%{byte:02X}").expect("a string takes all");
        }
    }
    uri
}

/// A message may not be empty.
fn text(message: &str) -> String {
    if message.is_empty() { "(no message)".to_owned() } else { message.to_owned() }
}
