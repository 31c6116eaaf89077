//! The API servers of a section: one client for each kubeconfig and context that it names.

use super::workload_ref::WorkloadRef;
use super::{KubernetesConfig, SharedSettings, WorkloadConfig};
use crate::connector::{EventError, Services};
use crate::k8s::{ClientSettings, Cluster, WorkloadKind, connect};

/// One client for each way of access; the first is that of the section itself.
pub(super) struct Clusters {
    main: Cluster,
    others: Vec<(ClientSettings, Cluster)>,
}

impl Clusters {
    /// Reads the access of a section and of all its workloads. Talks to nobody.
    ///
    /// # Errors
    /// There is no access, or it cannot be used.
    pub(super) async fn connect(config: &KubernetesConfig, services: &Services) -> Result<Self, EventError> {
        let client = async |settings: &ClientSettings| {
            connect(settings, &services.kubernetes, &services.network)
                .await
                .map_err(|error| EventError::failed("the Kubernetes client cannot be configured").with_source(error))
        };
        let usual = settings(&config.shared);
        let (main, mut others) = (client(&usual).await?, Vec::new());
        for (_, workload) in config.workloads() {
            let settings = settings(&workload.shared);
            if settings != usual && others.iter().all(|(known, _)| *known != settings) {
                let cluster = client(&settings).await?;
                others.push((settings, cluster));
            }
        }
        Ok(Self { main, others })
    }

    /// That of the section itself.
    pub(super) fn main(&self) -> &Cluster {
        &self.main
    }

    /// The one that a workload is in.
    pub(super) fn of(&self, workload: &SharedSettings) -> &Cluster {
        let settings = settings(workload);
        self.others.iter().find(|(known, _)| *known == settings).map_or(&self.main, |(_, cluster)| cluster)
    }

    /// The configured workloads, in their order, each in its cluster.
    pub(super) fn workload_refs<'a>(&'a self, config: &'a KubernetesConfig) -> Vec<WorkloadRef<'a>> {
        let workload_ref = |(kind, config): (WorkloadKind, &'a WorkloadConfig)| WorkloadRef {
            cluster: self.of(&config.shared),
            kind,
            config,
        };
        config.workloads().map(workload_ref).collect()
    }
}

fn settings(shared: &SharedSettings) -> ClientSettings {
    ClientSettings {
        kubeconfig: shared.kubeconfig.as_ref().map(|path| path.as_path().to_owned()),
        context: shared.context.clone(),
    }
}
