//! `servo recommend`: what was found, as a patch of a Kubernetes workload.

use std::path::PathBuf;

use super::read;
use crate::cli::context::Context;
use crate::cli::exit::{CliError, ExitCode};
use crate::optimizer::report::Report;
use crate::optimizer::report::patch::{self, Kind, Target};

/// Write what was found as a patch of a Kubernetes workload, without applying it
///
/// Components must be named WORKLOAD/CONTAINER, as those of the kubernetes connector are. Apply a patch for kubectl with
/// `kubectl --namespace NAMESPACE patch deployment WORKLOAD --patch-file FILE`, a kustomization with `kubectl apply -k FOLDER`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: servo recommend --format kustomize --output-folder overlays/tuned")]
pub(crate) struct Args {
    /// The journal [default: that of servo.yaml]
    journal: Option<PathBuf>,
    /// What to write
    #[arg(short, long, value_enum, default_value_t)]
    format: PatchFormat,
    /// What the workloads are
    #[arg(long, value_enum, default_value_t)]
    kind: WorkloadKind,
    /// The namespace of the workloads
    #[arg(short, long)]
    namespace: Option<String>,
    /// What a kustomization stands on
    #[arg(long, value_name = "PATH", default_value = "../../base")]
    base: String,
    /// Write files to this folder instead of standard output: WORKLOAD.yaml, or kustomization.yaml
    #[arg(short, long, value_name = "FOLDER")]
    output_folder: Option<PathBuf>,
    /// Write it although it was not confirmed that the objectives hold and that it is better
    #[arg(long)]
    unconfirmed: bool,
}

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum PatchFormat {
    /// A strategic merge patch for each workload
    #[default]
    Kubectl,
    /// A kustomization with the patches in it
    Kustomize,
}

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum WorkloadKind {
    /// Deployments
    #[default]
    Deployment,
    /// Stateful sets
    StatefulSet,
}

/// Writes the patches.
pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    let campaign = read(args.journal.clone(), cx).await?.campaign()?;
    let report = Report::of(&campaign);
    let warning = patch::warning(&report);
    if let Some(warning) = warning
        && !args.unconfirmed
    {
        return Err(CliError::NotConfirmed(format!(
            "{warning}: --unconfirmed writes it all the same, at the risk that the objectives do not hold or that nothing \
             is gained"
        )));
    }
    let kind = match args.kind {
        WorkloadKind::Deployment => Kind::Deployment,
        WorkloadKind::StatefulSet => Kind::StatefulSet,
    };
    let target = Target { kind, namespace: args.namespace.clone() };
    let patches = patch::patches(&report, &target).map_err(|error| CliError::Failed(error.to_string()))?;
    if let Some(warning) = warning {
        tracing::warn!("{warning}");
    }
    let documents: Vec<(String, String)> = match args.format {
        PatchFormat::Kubectl => {
            patches.iter().map(|patch| (format!("{}.yaml", patch.workload), patch.to_yaml())).collect()
        }
        PatchFormat::Kustomize => {
            vec![("kustomization.yaml".to_owned(), patch::kustomization(&patches, &args.base))]
        }
    };
    let Some(folder) = &args.output_folder else {
        let texts: Vec<String> = documents.into_iter().map(|(_, text)| text).collect();
        cx.output.write(&texts.join("---\n"))?;
        return Ok(ExitCode::Success);
    };
    let failed = |error| CliError::Failed(format!("failed to create the folder '{}': {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    for (name, text) in documents {
        cx.write_file(&folder.join(name), &text).await?;
    }
    Ok(ExitCode::Success)
}
