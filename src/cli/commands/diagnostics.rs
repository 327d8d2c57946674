//! `kiln show ID --diagnostics`.

use crate::{
    cli::{CliError, Console, args::ShowArgs, render, target::Found},
    client::{ClientError, Paths, Rest},
    model::JobId,
    protocol::{DiagnosticsFormat, DiagnosticsQuery, JobDiagnostics},
};

/// Shows what compilers, linkers and build tools said of a job, or of every job of a build.
pub(in crate::cli) async fn diagnostics(
    rest: &Rest,
    args: &ShowArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    let jobs: Vec<JobId> = match args.target.find(rest).await? {
        Found::Job(job) => vec![job.summary.id],
        Found::Build(build) => {
            let newest = build.jobs.iter().filter(|job| !job.retried);
            newest.filter(|job| job.finished_at.is_some()).map(|job| job.id).collect()
        }
    };
    let format = if args.sarif { DiagnosticsFormat::Sarif } else { DiagnosticsFormat::Json };
    let query = DiagnosticsQuery { attempt: None, severity: args.severity, format: Some(format) };
    let mut all = Vec::new();
    for job in &jobs {
        match rest.get::<serde_json::Value>(&Paths::diagnostics(*job, &query)).await {
            Ok(said) => all.push(said),
            // A leg of a build that never ran said nothing; the others did.
            Err(error) if jobs.len() > 1 && error.code() == Some("not_found") => {}
            Err(error) => return Err(error.into()),
        }
    }
    if args.sarif {
        return Ok(console.json(&joined(all))?);
    }
    if args.json {
        return Ok(console.json(&one_or_all(all))?);
    }
    for (index, said) in all.into_iter().enumerate() {
        let said: JobDiagnostics =
            serde_json::from_value(said).map_err(|error| ClientError::Answer(error.to_string()))?;
        console.render(|out| {
            if index > 0 {
                writeln!(out)?;
            }
            render::diagnostics(&said, args.severity, out)
        })?;
    }
    Ok(())
}

/// One job's answer as the API gives it; those of several as a list.
fn one_or_all(mut all: Vec<serde_json::Value>) -> serde_json::Value {
    if all.len() == 1 { all.remove(0) } else { all.into() }
}

/// SARIF logs as one, with a run for each.
fn joined(all: Vec<serde_json::Value>) -> serde_json::Value {
    let mut logs = all.into_iter();
    let Some(mut first) = logs.next() else {
        return serde_json::json!({"version": "2.1.0", "runs": []});
    };
    for mut log in logs {
        if let (Some(runs), Some(more)) = (first["runs"].as_array_mut(), log["runs"].as_array_mut())
        {
            runs.append(more);
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_answers_of_several_jobs_become_one() {
        let log = |name: &str| json!({"version": "2.1.0", "runs": [{"tool": name}]});
        assert_eq!(
            joined(vec![log("gcc"), log("clang")]),
            json!({"version": "2.1.0", "runs": [{"tool": "gcc"}, {"tool": "clang"}]})
        );
        assert_eq!(one_or_all(vec![json!(1)]), json!(1));
        assert_eq!(one_or_all(vec![json!(1), json!(2)]), json!([1, 2]));
    }
}
