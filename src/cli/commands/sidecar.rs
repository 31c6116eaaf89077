//! `servo inject-sidecar` and `servo eject-sidecar`: put an Envoy proxy into a workload, and take it out again.
//!
//! Only what the command line alone can tell is checked here.

use crate::cli::context::Context;
use crate::cli::exit::{CliError, ExitCode};

/// Inject an Envoy sidecar into a Deployment
///
/// The sidecar listens in front of a port of the application and counts its requests, so that Prometheus can measure
/// them. Needs access to the cluster, and no servo.yaml.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: servo inject-sidecar deployment/web --image opsani/envoy-proxy:latest --service web")]
pub(crate) struct InjectArgs {
    /// What to inject into: deployment/NAME
    target: String,
    /// The image of the sidecar
    #[arg(short, long)]
    image: String,
    /// The namespace of the target
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// The service in front of the target
    #[arg(short, long)]
    service: Option<String>,
    /// The port of the service, or without a service that of the container: a number or a name
    #[arg(short, long)]
    port: Option<String>,
}

/// Eject the Envoy sidecar from a Deployment
///
/// Takes out what `servo inject-sidecar` put in. Needs access to the cluster, and no servo.yaml.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: servo eject-sidecar deployment/web --namespace shop")]
pub(crate) struct EjectArgs {
    /// What to eject from: deployment/NAME
    target: String,
    /// The namespace of the target
    #[arg(short, long, default_value = "default")]
    namespace: String,
}

/// Injects.
#[expect(clippy::unused_async, reason = "all commands are called alike")]
pub(crate) async fn inject(args: InjectArgs, _cx: &Context) -> Result<ExitCode, CliError> {
    let deployment = deployment(&args.target, &["pod", "rollout"], "injection")?;
    if args.service.is_none() && args.port.is_none() {
        return Err(CliError::Usage("service or port must be given: use --service or --port".to_owned()));
    }
    let InjectArgs { namespace, image, .. } = &args;
    Err(unavailable(&format!("inject '{image}' into Deployment '{deployment}' in '{namespace}'")))
}

/// Ejects.
#[expect(clippy::unused_async, reason = "all commands are called alike")]
pub(crate) async fn eject(args: EjectArgs, _cx: &Context) -> Result<ExitCode, CliError> {
    let deployment = deployment(&args.target, &["pod"], "ejection")?;
    Err(unavailable(&format!("eject the sidecar from Deployment '{deployment}' in '{}'", args.namespace)))
}

/// The name of the Deployment that is meant; `later` are the kinds that are known, but cannot be targets yet.
fn deployment<'a>(target: &'a str, later: &[&str], work: &str) -> Result<&'a str, CliError> {
    match target.split_once('/') {
        Some(("deploy" | "deployment", name)) if !name.is_empty() => Ok(name),
        Some((kind, name)) if later.contains(&kind) && !name.is_empty() => {
            Err(CliError::Usage(format!("{kind} sidecar {work} is not yet implemented: name a deployment/NAME")))
        }
        _ => Err(CliError::Usage(format!("invalid target '{target}': name it as deployment/NAME"))),
    }
}

fn unavailable(work: &str) -> CliError {
    CliError::Usage(format!("cannot {work}: this build has no kubernetes connector"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_deployment() {
        for (target, expected) in [
            ("deploy/web", Ok("web")),
            ("deployment/web", Ok("web")),
            ("pod/web", Err("pod sidecar injection is not yet implemented: name a deployment/NAME")),
            ("rollout/web", Err("invalid target 'rollout/web': name it as deployment/NAME")),
            ("web", Err("invalid target 'web': name it as deployment/NAME")),
            ("deploy/", Err("invalid target 'deploy/': name it as deployment/NAME")),
        ] {
            let found = deployment(target, &["pod"], "injection").map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{target}");
        }
    }
}
