//! From configuration to servos: each section to the factory of its type, each servo to its optimizer.
//!
//! Two steps, so that a command takes no more than it needs. [`load`] is pure: it validates every section of every servo
//! and reports all problems together. [`PreparedServo::build`] makes connectors and clients, and still talks to
//! nobody.

pub(crate) mod discovery;
mod dump;
pub(crate) mod schema;

use std::sync::Arc;

use tokio::sync::watch;

use crate::config::file::ParsedFile;
use crate::config::{
    self, ConnectionFile, Environment, KnownConnector, LoadOptions, OptimizerConfig, OptimizerRequirement,
    SectionConfig, ServoConfig,
};
use crate::connector::{
    BuildContext, BuildError, ConnectorName, ErasedFactory, OptimizerIdentity, Prepared, Section, Services,
};
use crate::decode::{Decoder, Problems, Secrets, Variables as _};
use crate::exchange::Exchange;
use crate::k8s::Surroundings;
use crate::network::Network;
use crate::optimizer::Optimizer;
use crate::optimizer::embedded::{LocalOptimizer, Snapshot};
use crate::optimizer::remote::{self, RemoteOptimizer};
use crate::servo::{Parts, Servo};
use crate::subprocess::SearchPath;
use crate::telemetry::Telemetry;

/// All connector types, in dispatch order.
pub(crate) type Registry = &'static [&'static dyn ErasedFactory];

/// Why servos cannot be built from a valid configuration.
#[derive(Debug, thiserror::Error)]
pub enum AssemblyError {
    /// A connector cannot be used in these surroundings.
    #[error(transparent)]
    Connector(#[from] BuildError),
    /// The optimizer's client cannot be made.
    #[error("failed to make the client of optimizer '{id}'")]
    Optimizer {
        id: String,
        #[source]
        source: remote::BuildError,
    },
}

/// A servo whose configuration is valid.
pub struct PreparedServo {
    pub config: ServoConfig,
    /// Its active connectors, in dispatch order.
    pub routes: Vec<Route>,
    /// The optimizer's identity.
    identity: Option<OptimizerIdentity>,
}

/// A connector under its name.
pub struct Route {
    pub name: ConnectorName,
    pub factory: &'static dyn ErasedFactory,
    pub section: Box<dyn Prepared>,
}

/// The servos of a configuration file.
pub struct Loaded {
    /// One for each document, in the order of the file.
    pub servos: Vec<PreparedServo>,
    /// Complete sentences about what is legal but hardly meant.
    pub warnings: Vec<String>,
}

/// Validates a configuration file with all its sections.
///
/// # Errors
/// All problems of the file.
pub fn load(
    file: ParsedFile,
    registry: Registry,
    environment: &Environment,
    optimizer: OptimizerRequirement,
) -> Result<Loaded, Problems> {
    load_offering(file, registry, environment, optimizer, &[])
}

/// As [`load`], for documents without a key `connectors` only with these connectors: names, and default names of
/// types. None is all of them.
///
/// # Errors
/// All problems of the file.
pub(crate) fn load_offering(
    file: ParsedFile,
    registry: Registry,
    environment: &Environment,
    optimizer: OptimizerRequirement,
    offered: &[(&str, &str)],
) -> Result<Loaded, Problems> {
    let known: Vec<KnownConnector<'_>> = registry.iter().map(|factory| known(*factory)).collect();
    let check_section = |section: &SectionConfig, cx: &mut Decoder<'_>| {
        parse(section, registry, cx);
    };
    let options = LoadOptions { known: &known, offered, environment, optimizer, check_section: &check_section };
    let loaded = config::load(file, &options)?;
    let servos = loaded.servos.into_iter().map(|config| prepare(config, registry, environment));
    Ok(Loaded { servos: servos.collect::<Result<_, _>>()?, warnings: loaded.warnings })
}

fn known(factory: &'static dyn ErasedFactory) -> KnownConnector<'static> {
    let metadata = factory.metadata();
    KnownConnector {
        default_name: &metadata.default_name,
        class_name: &metadata.class_name,
        reserved: !factory.is_by_name_only(),
    }
}

/// Parses a section by the factory of its type.
fn parse(section: &SectionConfig, registry: Registry, cx: &mut Decoder<'_>) -> Option<Route> {
    let factory = *registry.iter().find(|factory| factory.metadata().default_name == section.connector)?;
    let name = ConnectorName::new(section.name.as_str());
    let section = factory.parse(Section { name: &name, node: &section.node, prefix: &section.prefix }, cx)?;
    Some(Route { name, factory, section })
}

/// The sections have been checked with the whole document; here their values are kept.
fn prepare(config: ServoConfig, registry: Registry, environment: &Environment) -> Result<PreparedServo, Problems> {
    let routes = Decoder::run(environment, |cx| {
        config.sections().iter().map(|section| parse(section, registry, cx)).collect::<Option<Vec<_>>>()
    })?;
    let identity = identity(&config);
    Ok(PreparedServo { config, routes, identity })
}

impl PreparedServo {
    /// The name of the configuration, else the optimizer's id, else `servo`.
    pub fn name(&self) -> String {
        let id = || self.identity().map(|identity| identity.id.clone());
        self.config.name.clone().or_else(id).unwrap_or_else(|| "servo".to_owned())
    }

    pub fn identity(&self) -> Option<&OptimizerIdentity> {
        self.identity.as_ref()
    }

    /// What the connectors of the servo will share.
    pub fn services(&self, environment: &Environment) -> Services {
        Services {
            optimizer: self.identity.clone(),
            telemetry: Telemetry::new(environment.get("POD_NAMESPACE")),
            exchange: Exchange::default(),
            network: Network::from_variables(environment),
            programs: SearchPath::new(environment.get("PATH")),
            kubernetes: Surroundings::from_variables(environment),
        }
    }

    /// Makes the servo with its connectors and its client.
    ///
    /// # Errors
    /// When a connector or the client cannot be used in these surroundings.
    pub fn build(self, environment: &Environment) -> Result<Servo, AssemblyError> {
        let name = self.name();
        let services = Arc::new(self.services(environment));
        let client =
            self.config.optimizer.as_ref().map(|config| client(config, &self.config, &services)).transpose()?;
        let (optimizer, campaign) = client.map_or((None, None), |client| (Some(client.optimizer), client.campaign));
        let context = BuildContext { optimizer: services.optimizer.clone(), network: services.network.clone() };
        let sections = self
            .routes
            .iter()
            .map(|route| (route.name.as_str().to_owned(), route.section.show(Secrets::Redacted)))
            .collect();
        let connectors = self
            .routes
            .into_iter()
            .map(|route| route.section.build(route.name, &context))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Servo::new(Parts { name, config: self.config, sections, optimizer, campaign, services, connectors }))
    }
}

/// The optimizer's identity. That of an optimizer with a connection file is in the file; while there is none, the
/// configured part is all that is known.
fn identity(config: &ServoConfig) -> Option<OptimizerIdentity> {
    let config = config.optimizer.as_ref()?;
    let connected = connection_file(config).map(|file| config.connected(&file));
    let config = connected.as_ref().unwrap_or(config);
    Some(OptimizerIdentity {
        id: config.display_id(),
        name: config.name().to_owned(),
        embedded: matches!(config, OptimizerConfig::Embedded(_)),
    })
}

/// An optimizer, and the campaign of one in this process.
struct Client {
    optimizer: Arc<dyn Optimizer>,
    campaign: Option<watch::Receiver<Snapshot>>,
}

fn client(optimizer: &OptimizerConfig, config: &ServoConfig, services: &Services) -> Result<Client, AssemblyError> {
    if let OptimizerConfig::Embedded(embedded) = optimizer {
        let optimizer = LocalOptimizer::new((**embedded).clone());
        let campaign = Some(optimizer.watch());
        return Ok(Client { optimizer: Arc::new(optimizer), campaign });
    }
    let client = RemoteOptimizer::new(optimizer, &config.settings, config.servo_uid.as_deref(), &services.network)
        .map_err(|source| AssemblyError::Optimizer { id: optimizer.display_id(), source })?;
    Ok(Client { optimizer: Arc::new(client), campaign: None })
}

/// The connection file as it is now. It may come later, and may be half written: its client waits and complains.
fn connection_file(config: &OptimizerConfig) -> Option<ConnectionFile> {
    let path = config.connection_file()?;
    let text = std::fs::read_to_string(path).ok()?;
    ConnectionFile::parse(&text, &path.display().to_string()).ok()
}
