//! `servo inject-sidecar` and `servo eject-sidecar`: put an Envoy proxy into a workload, and take it out again.
//!
//! Only what the command line alone can tell is checked here.

use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::exit::{CliError, ExitCode};
use crate::cli::render::output::Format;
use crate::k8s::{Cluster, Injection, PortName, SIDECAR_NAME, Surroundings, connect_without_settings};
use crate::network::Network;

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
    /// How to print what was done
    #[arg(long, value_enum, default_value_t)]
    output: Format,
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
    /// How to print what was done
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

pub(crate) async fn inject(args: InjectArgs, cx: &Context) -> Result<ExitCode, CliError> {
    let deployment = deployment(&args.target, &["pod", "rollout"], "injection")?;
    let InjectArgs { namespace, image, service, port, .. } = &args;
    if service.is_none() && port.is_none() {
        return Err(CliError::Usage("service or port must be given: use --service or --port".to_owned()));
    }
    check_name("namespace", namespace)?;
    service.as_deref().map(|service| check_name("service", service)).transpose()?;
    let wrong_port = || CliError::Usage("invalid port: give a number from 1 to 65535, or a name".to_owned());
    let port = port.as_deref().map(|port| PortName::parse(port).ok_or_else(wrong_port)).transpose()?;
    let wanted = Injection { namespace, deployment, image, service: service.as_deref(), port: port.as_ref() };
    let proxied = cluster(cx).await?.inject_sidecar(wanted).await?;
    let said = format!("Envoy sidecar injected to Deployment {deployment} in {namespace}");
    let mut value = about(namespace, deployment);
    value["image"] = json!(image);
    value["proxied_port"] = json!(proxied);
    cx.output.result(args.output, said, &value)?;
    Ok(ExitCode::Success)
}

pub(crate) async fn eject(args: EjectArgs, cx: &Context) -> Result<ExitCode, CliError> {
    let deployment = deployment(&args.target, &["pod"], "ejection")?;
    let namespace = &args.namespace;
    check_name("namespace", namespace)?;
    if !cluster(cx).await?.eject_sidecar(namespace, deployment).await? {
        return Err(CliError::Failed(format!("No Envoy sidecar found in Deployment {deployment} in {namespace}")));
    }
    let said = format!("Envoy sidecar ejected from Deployment {deployment} in {namespace}");
    cx.output.result(args.output, said, &about(namespace, deployment))?;
    Ok(ExitCode::Success)
}

/// The cluster of the surroundings: these commands read no configuration.
async fn cluster(cx: &Context) -> Result<Cluster, CliError> {
    let surroundings = Surroundings::from_variables(&cx.environment);
    Ok(connect_without_settings(&surroundings, &Network::from_variables(&cx.environment)).await?)
}

fn about(namespace: &str, deployment: &str) -> Value {
    json!({ "namespace": namespace, "deployment": deployment, "container": SIDECAR_NAME })
}

/// The name of the Deployment that is meant; `later` are the kinds that are known, but cannot be targets yet.
fn deployment<'a>(target: &'a str, later: &[&str], work: &str) -> Result<&'a str, CliError> {
    match target.split_once('/') {
        Some(("deploy" | "deployment", name)) if !name.is_empty() => check_name("target", name).map(|()| name),
        Some((kind, name)) if later.contains(&kind) && !name.is_empty() => {
            Err(CliError::Usage(format!("{kind} sidecar {work} is not yet implemented: name a deployment/NAME")))
        }
        _ => Err(CliError::Usage(format!("invalid target '{target}': name it as deployment/NAME"))),
    }
}

/// Other characters would change what is asked of the cluster.
fn check_name(what: &str, name: &str) -> Result<(), CliError> {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if !name.is_empty() && name.chars().all(is_inner) {
        return Ok(());
    }
    Err(CliError::Usage(format!("invalid {what} '{name}': a name has letters, digits, '-' and '.'")))
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
            ("deploy/a/b", Err("invalid target 'a/b': a name has letters, digits, '-' and '.'")),
            ("deploy/", Err("invalid target 'deploy/': name it as deployment/NAME")),
        ] {
            let found = deployment(target, &["pod"], "injection").map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{target}");
        }
    }
}
