//! From what the cluster says of pods to the values of metrics, in the order in which they are known. Pure.

use bigdecimal::{BigDecimal, ToPrimitive, Zero};
use k8s_openapi::api::core::v1::Pod;
use serde_json::Value as Json;

use super::config::KubeMetricsConfig;
use super::error::SampleError;
use super::metric::{KubeMetric, Quantity, Role};
use super::series::PodSeries;
use crate::k8s::{
    Container, ContainerMetrics, PodMetrics, ROLE_LABEL, Resource, TUNING_ROLE, Workload, parse_bytes, parse_cores,
};
use crate::types::{ByteSize, Core, Point, ResourceRequirement, UnixTime};

/// The quantities of a pod that the metrics API knows, in the order in which they are read.
const OF_CONTAINERS: [Quantity; 8] = [
    Quantity::CpuUsage,
    Quantity::MemoryUsage,
    Quantity::CpuRequest,
    Quantity::CpuLimit,
    Quantity::CpuSaturation,
    Quantity::MemoryRequest,
    Quantity::MemoryLimit,
    Quantity::MemorySaturation,
];

/// The metrics that a measurement wants.
#[derive(Debug)]
pub(super) struct RequestedMetrics(Vec<KubeMetric>);

impl RequestedMetrics {
    pub(super) fn new(metrics: impl IntoIterator<Item = KubeMetric>) -> Self {
        Self(metrics.into_iter().collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the metrics API is to be asked about the pods of a role.
    pub(super) fn needs_usage(&self, role: Role) -> bool {
        self.0.iter().any(|metric| metric.role == role && metric.quantity.needs_usage())
    }

    pub(super) fn has_restarts(&self, role: Role) -> bool {
        self.has(role, Quantity::RestartCount)
    }

    /// The metrics that will have no value: without another one that needs the metrics API, nothing says which pods
    /// there are.
    pub(super) fn lost(&self) -> Vec<String> {
        let is_lost =
            |metric: &&KubeMetric| metric.quantity != Quantity::RestartCount && !self.needs_usage(metric.role);
        self.0.iter().filter(is_lost).map(ToString::to_string).collect()
    }

    fn has(&self, role: Role, quantity: Quantity) -> bool {
        self.0.contains(&KubeMetric { role, quantity })
    }
}

/// The target container as an object has it, with what a node allocates to it.
#[derive(Debug, Clone)]
pub(super) struct Allocated<'a> {
    /// The object, such as `pod "web-tuning"`.
    owner: String,
    container: Container<'a>,
}

impl<'a> Allocated<'a> {
    /// The target container of the pods of a workload.
    pub(super) fn of_workload(workload: &'a Workload, config: &KubeMetricsConfig) -> Result<Self, SampleError> {
        let owner = format!("{} \"{}\"", config.kind.as_str(), config.name);
        Self::find(owner, &workload.template["spec"], config)
    }

    /// The target container of the tuning pod.
    fn of_tuning_pod(pod: &'a Json, config: &KubeMetricsConfig) -> Result<Self, SampleError> {
        Self::find(format!("pod \"{}\"", config.tuning_pod()), &pod["spec"], config)
    }

    fn find(owner: String, spec: &'a Json, config: &KubeMetricsConfig) -> Result<Self, SampleError> {
        let all: Vec<Container<'_>> = Container::all(spec).collect();
        let container = only_or_named(&all, config, |container| container.name());
        let container = *container.map_err(|problem| problem.in_object(&owner))?;
        Ok(Self { owner, container })
    }

    /// The first of these requirements that there is.
    fn amount(&self, requirements: &[ResourceRequirement], resource: Resource) -> Result<Option<Amount>, SampleError> {
        let Some(text) = self.container.resources().first(requirements, resource) else { return Ok(None) };
        Amount::parse(resource, text)
            .map(Some)
            .ok_or_else(|| unreadable(&self.owner, self.container.name(), resource, text))
    }
}

/// What the target container of a pod uses.
struct Usage<'a> {
    pod: &'a str,
    container: &'a ContainerMetrics,
}

impl<'a> Usage<'a> {
    /// `None` when the metrics API knows nothing of the pod's containers yet.
    fn find(pod: &'a PodMetrics, config: &KubeMetricsConfig) -> Result<Option<Self>, SampleError> {
        if pod.containers.is_empty() {
            return Ok(None);
        }
        let container = only_or_named(&pod.containers, config, |container| &container.name);
        let container = container.map_err(|problem| problem.in_metrics(&pod.name))?;
        Ok(Some(Self { pod: &pod.name, container }))
    }

    fn amount(&self, resource: Resource) -> Result<Option<Amount>, SampleError> {
        let Some(text) = self.container.usage(resource) else { return Ok(None) };
        let owner = || format!("pod \"{}\"", self.pod);
        let amount = Amount::parse(resource, text);
        amount.map(Some).ok_or_else(|| unreadable(&owner(), &self.container.name, resource, text))
    }

    /// The value of a quantity; `None` when it has none.
    fn value(&self, quantity: Quantity, allocated: Option<&Allocated<'_>>) -> Result<Option<f64>, SampleError> {
        let usage = |resource| Ok(self.amount(resource)?.as_ref().map(Amount::value));
        let allocated =
            |requirements, resource| allocated.map_or(Ok(None), |allocated| allocated.amount(requirements, resource));
        // What is not requested is as much as the limit: so the scheduler sees it.
        let request = |resource| allocated(&ResourceRequirement::ALL, resource);
        let limit = |resource| allocated(&[ResourceRequirement::Limit], resource);
        let valued = |amount: Result<Option<Amount>, SampleError>| Ok(amount?.as_ref().map(Amount::value));
        let saturation = |resource| {
            let (usage, request) = (self.amount(resource)?, request(resource)?);
            Ok(usage.zip(request).and_then(|(usage, request)| usage.percent_of(&request)))
        };
        match quantity {
            Quantity::CpuUsage => usage(Resource::Cpu),
            Quantity::CpuRequest => valued(request(Resource::Cpu)),
            Quantity::CpuLimit => valued(limit(Resource::Cpu)),
            Quantity::CpuSaturation => saturation(Resource::Cpu),
            Quantity::MemoryUsage => usage(Resource::Memory),
            Quantity::MemoryRequest => valued(request(Resource::Memory)),
            Quantity::MemoryLimit => valued(limit(Resource::Memory)),
            Quantity::MemorySaturation => saturation(Resource::Memory),
            Quantity::RestartCount => Ok(None),
        }
    }
}

/// An exact amount of a resource.
#[derive(Debug, Clone, PartialEq)]
enum Amount {
    Cpu(Core),
    Memory(ByteSize),
}

impl Amount {
    fn parse(resource: Resource, text: &str) -> Option<Self> {
        match resource {
            Resource::Cpu => parse_cores(text).map(Self::Cpu),
            Resource::Memory => parse_bytes(text).map(Self::Memory),
        }
    }

    fn value(&self) -> f64 {
        match self {
            Self::Cpu(cores) => cores.as_f64(),
            Self::Memory(bytes) => bytes.as_gib(),
        }
    }

    /// In hundredths of another amount of the resource; `None` when that is nothing.
    fn percent_of(&self, whole: &Self) -> Option<f64> {
        let (part, whole) = (self.exact(), whole.exact());
        if whole.is_zero() { None } else { (part * BigDecimal::from(100) / whole).to_f64() }
    }

    fn exact(&self) -> BigDecimal {
        match self {
            Self::Cpu(cores) => cores.cores().clone(),
            Self::Memory(bytes) => BigDecimal::from(bytes.bytes()),
        }
    }
}

/// Adds the points of one sample to the series.
pub(super) struct Sample<'a> {
    pub(super) config: &'a KubeMetricsConfig,
    pub(super) requested: &'a RequestedMetrics,
    pub(super) series: &'a mut PodSeries,
}

impl Sample<'_> {
    /// Adds the usage and the allocation of the workload's pods. Returns the time of the last of them.
    pub(super) fn add_main_usage(
        &mut self,
        allocated: &Allocated<'_>,
        pods: &[PodMetrics],
    ) -> Result<Option<UnixTime>, SampleError> {
        for pod in pods {
            self.add_usage(Role::Main, pod, Some(allocated))?;
        }
        Ok(pods.last().map(|pod| pod.time))
    }

    /// Adds how often the pods of the workload were restarted.
    pub(super) fn add_main_restarts(&mut self, pods: &[Pod], time: UnixTime) {
        let tuning_pod = self.config.tuning_pod();
        for pod in pods {
            let name = pod.metadata.name.as_deref().unwrap_or_default();
            let role = pod.metadata.labels.as_ref().and_then(|labels| labels.get(ROLE_LABEL));
            if name != tuning_pod && role.is_none_or(|role| role != TUNING_ROLE) {
                self.add_restarts(Role::Main, name, restarts_of(pod), time);
            }
        }
    }

    /// Adds what is known of the tuning pod, which need not exist. Returns whether anything is known of one that does.
    pub(super) fn add_tuning(&mut self, pod: &TuningPod<'_>, metrics: &[PodMetrics]) -> Result<bool, SampleError> {
        let tuning_pod = self.config.tuning_pod();
        let mut is_known = pod.allocated.is_none();
        for item in metrics {
            if item.name != tuning_pod {
                return Err(SampleError::UnexpectedTuningPod { found: item.name.clone(), expected: tuning_pod });
            }
            // An adjustment replaces the pod, and what the metrics API says for a while is still of the one before it.
            if pod.created.is_some_and(|created| item.time <= created) {
                continue;
            }
            is_known = true;
            if self.requested.has_restarts(Role::Tuning) {
                self.add_restarts(Role::Tuning, &tuning_pod, pod.restarts, item.time);
            }
            self.add_usage(Role::Tuning, item, pod.allocated.as_ref())?;
        }
        Ok(is_known)
    }

    /// Adds how often the tuning pod was restarted, if nothing else of it is requested.
    pub(super) fn add_tuning_restarts(&mut self, pod: &TuningPod<'_>, time: UnixTime) {
        self.add_restarts(Role::Tuning, &self.config.tuning_pod(), pod.restarts, time);
    }

    fn add_usage(
        &mut self,
        role: Role,
        pod: &PodMetrics,
        allocated: Option<&Allocated<'_>>,
    ) -> Result<(), SampleError> {
        let Some(used) = Usage::find(pod, self.config)? else { return Ok(()) };
        for quantity in OF_CONTAINERS.into_iter().filter(|quantity| self.requested.has(role, *quantity)) {
            if let Some(value) = used.value(quantity, allocated)? {
                self.series.add(KubeMetric { role, quantity }, &pod.name, Point::new(pod.time, value));
            }
        }
        Ok(())
    }

    fn add_restarts(&mut self, role: Role, pod: &str, restarts: f64, time: UnixTime) {
        self.series.add(KubeMetric { role, quantity: Quantity::RestartCount }, pod, Point::new(time, restarts));
    }
}

/// What is used of a tuning pod.
#[derive(Debug, Clone, Default)]
pub(super) struct TuningPod<'a> {
    allocated: Option<Allocated<'a>>,
    /// When it was made, as far as that is known.
    created: Option<UnixTime>,
    /// Of all its containers; 0 when there is no pod.
    restarts: f64,
}

impl<'a> TuningPod<'a> {
    /// The tuning pod as the API has it.
    pub(super) fn new(pod: &'a Json, config: &KubeMetricsConfig) -> Result<Self, SampleError> {
        let statuses = pod["status"]["containerStatuses"].as_array().into_iter().flatten();
        let restarts =
            statuses.filter_map(|status| status["restartCount"].as_f64()).fold(0.0, |sum, count| sum + count);
        let created = pod["metadata"]["creationTimestamp"].as_str().and_then(|time| time.parse().ok());
        Ok(Self { allocated: Some(Allocated::of_tuning_pod(pod, config)?), created, restarts })
    }
}

fn restarts_of(pod: &Pod) -> f64 {
    let statuses = pod.status.iter().filter_map(|status| status.container_statuses.as_ref()).flatten();
    statuses.fold(0.0, |sum, status| sum + f64::from(status.restart_count))
}

/// Why it is not clear which container is meant.
struct NoTarget {
    /// The one that the configuration names.
    requested: Option<String>,
    found: String,
}

impl NoTarget {
    fn in_object(self, owner: &str) -> SampleError {
        let (owner, found) = (owner.to_owned(), self.found);
        match self.requested {
            Some(container) => SampleError::NoContainer { container, owner, found },
            None => SampleError::SeveralContainers { owner, found },
        }
    }

    fn in_metrics(self, pod: &str) -> SampleError {
        self.in_object(&format!("the metrics of pod \"{pod}\""))
    }
}

/// The container that the configuration names, or the only one.
fn only_or_named<'c, T>(
    containers: &'c [T],
    config: &KubeMetricsConfig,
    name: impl Fn(&T) -> &str,
) -> Result<&'c T, NoTarget> {
    let found = match (&config.container, containers) {
        (Some(requested), all) => all.iter().find(|container| name(container) == requested),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    found.ok_or_else(|| {
        let names: Vec<&str> = containers.iter().map(&name).collect();
        NoTarget { requested: config.container.clone(), found: names.join(", ") }
    })
}

fn unreadable(owner: &str, container: &str, resource: Resource, text: &str) -> SampleError {
    SampleError::Quantity {
        owner: owner.to_owned(),
        container: container.to_owned(),
        resource: resource.as_str(),
        text: text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connector::{ConnectorName, Section};
    use crate::decode::{Decoder, NoVariables, Node, Origin};
    use crate::k8s::WorkloadKind;
    use crate::types::Reading;

    fn config(container: Option<&str>) -> KubeMetricsConfig {
        let section = json!({ "namespace": "default", "name": "web", "container": container });
        let node = Node::from_json(&section, &Origin::whole("test"));
        let section = Section { name: &ConnectorName::new("kube_metrics"), node: &node, prefix: "SERVO_KUBE_METRICS_" };
        Decoder::run(&NoVariables, |cx| section.keys::<KubeMetricsConfig>(cx)).expect("valid")
    }

    fn requested(names: &[&str]) -> RequestedMetrics {
        RequestedMetrics::new(KubeMetric::all().filter(|metric| names.contains(&metric.to_string().as_str())))
    }

    fn workload(containers: &Json) -> Workload {
        let object = json!({ "metadata": {}, "spec": { "template": { "spec": { "containers": containers } } } });
        Workload::from_json(WorkloadKind::Deployment, object).expect("an object of the API")
    }

    fn metrics(pod: &str, containers: &Json) -> PodMetrics {
        let item =
            json!({ "metadata": { "name": pod }, "timestamp": "2023-05-01T10:00:00Z", "containers": containers });
        serde_json::from_value(item).expect("an item of the API")
    }

    fn shown(series: PodSeries) -> Vec<String> {
        let readings = series.into_readings();
        let series = readings.iter().filter_map(Reading::as_series);
        let shown = series.map(|series| {
            let values: Vec<String> = series.points().iter().map(|point| point.value.to_string()).collect();
            format!("{} {} {}", series.metric().name, series.id(), values.join(" "))
        });
        shown.collect()
    }

    /// The values of the pod `a` of a workload, or why there are none.
    fn values(names: &[&str], resources: &Json, usage: &Json) -> Result<Vec<String>, String> {
        let (config, requested, mut series) = (config(None), requested(names), PodSeries::default());
        let workload = workload(&json!([{ "name": "main", "resources": resources }]));
        let allocated = Allocated::of_workload(&workload, &config).map_err(|error| error.to_string())?;
        let mut sample = Sample { config: &config, requested: &requested, series: &mut series };
        let pods = [metrics("a", &json!([{ "name": "main", "usage": usage }]))];
        sample.add_main_usage(&allocated, &pods).map_err(|error| error.to_string())?;
        Ok(shown(series))
    }

    #[test]
    fn a_saturation_is_a_share_of_what_is_requested_and_there_is_none_of_nothing() {
        const CPU: &[&str] = &["main_cpu_request", "main_cpu_saturation"];
        const MEMORY: &[&str] = &["main_mem_limit", "main_mem_saturation"];
        let usage = json!({ "cpu": "100m", "memory": "128Mi" });
        for (names, resources, expected) in [
            (CPU, json!({ "requests": { "cpu": "300m" } }), &["request a 0.3", "saturation a 33.333333333333336"][..]),
            (CPU, json!({ "limits": { "cpu": "1" } }), &["request a 1", "saturation a 10"]),
            (CPU, json!({ "requests": { "cpu": "0" }, "limits": { "cpu": "1" } }), &["request a 0"]),
            (CPU, json!({ "requests": { "memory": "1Gi" } }), &[]),
            (CPU, json!(null), &[]),
            (MEMORY, json!({ "requests": { "memory": "256Mi" } }), &["saturation a 50"]),
            (MEMORY, json!({ "limits": { "memory": "1Gi" } }), &["limit a 1", "saturation a 12.5"]),
            (MEMORY, json!({ "limits": { "memory": "0" } }), &["limit a 0"]),
        ] {
            let found = values(names, &resources, &usage).expect("readable");
            let found: Vec<&str> = found.iter().filter_map(|text| text.splitn(3, '_').nth(2)).collect();
            assert_eq!(found, expected, "{resources}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_named_with_its_place_when_it_is_wanted() {
        let resources = json!({ "requests": { "cpu": "much" } });
        let of_pod = "cannot read the cpu of container \"main\" of pod \"a\": 'lots' is no quantity";
        let of_workload = "cannot read the cpu of container \"main\" of Deployment \"web\": 'much' is no quantity";
        for (name, cpu, expected) in [
            ("main_cpu_usage", "lots", Err(of_pod)),
            ("main_cpu_usage", "1", Ok("main_cpu_usage a 1")),
            ("main_cpu_saturation", "1", Err(of_workload)),
            ("main_mem_usage", "lots", Ok("main_mem_usage a 1")),
        ] {
            let found = values(&[name], &resources, &json!({ "cpu": cpu, "memory": "1Gi" }));
            assert_eq!(found, expected.map(|text| vec![text.to_owned()]).map_err(str::to_owned), "{name} {cpu}");
        }
    }

    #[test]
    fn a_pod_of_which_nothing_is_known_yet_has_no_values() {
        assert_eq!(values(&["main_cpu_usage", "main_cpu_saturation"], &json!({}), &json!({})), Ok(vec![]));
        let (config, requested, mut series) =
            (config(Some("main")), requested(&["main_cpu_usage"]), PodSeries::default());
        let workload = workload(&json!([{ "name": "main" }]));
        let allocated = Allocated::of_workload(&workload, &config).expect("it is there");
        let mut sample = Sample { config: &config, requested: &requested, series: &mut series };
        assert!(sample.add_main_usage(&allocated, &[metrics("a", &json!([]))]).is_ok());
        assert_eq!(shown(series), [""; 0]);
    }

    #[test]
    fn it_must_be_clear_which_container_is_meant() {
        let two = json!([{ "name": "main" }, { "name": "proxy" }]);
        for (container, containers, problem) in [
            (None, json!([{ "name": "main" }]), None),
            (Some("proxy"), two.clone(), None),
            (
                Some("other"),
                two.clone(),
                Some("container \"other\" is not in Deployment \"web\", which has 'main, proxy'"),
            ),
            (None, two, Some("Deployment \"web\" has more containers than one, or none ('main, proxy')")),
        ] {
            let (config, workload) = (config(container), workload(&containers));
            let found = Allocated::of_workload(&workload, &config).err().map(|error| error.to_string());
            let is_told = match (&found, problem) {
                (Some(found), Some(problem)) => found.starts_with(problem),
                (found, problem) => found.is_none() && problem.is_none(),
            };
            assert!(is_told, "{container:?}: {found:?}");
        }
    }

    #[test]
    fn restarts_are_those_of_all_containers_of_all_pods_but_the_tuning_pod() {
        let pod = |name: &str, role: &str, counts: &[i32]| -> Pod {
            let status =
                |count: &i32| json!({ "name": "c", "image": "", "imageID": "", "ready": true, "restartCount": count });
            let statuses: Vec<Json> = counts.iter().map(status).collect();
            let labels = json!({ "app": "web", "opsani_role": role });
            serde_json::from_value(json!({
                "metadata": { "name": name, "labels": labels }, "status": { "containerStatuses": statuses },
            }))
            .expect("a pod")
        };
        let pods = [
            pod("tuning-web-1", "", &[2, 3]),
            pod("web-2", "main", &[]),
            pod("web-tuning", "", &[9]),
            pod("web-3", "tuning", &[9]),
        ];
        let (config, requested, mut series) =
            (config(None), requested(&["main_pod_restart_count"]), PodSeries::default());
        let mut sample = Sample { config: &config, requested: &requested, series: &mut series };
        sample.add_main_restarts(&pods, UnixTime::from_seconds(1));
        assert_eq!(shown(series), ["main_pod_restart_count tuning-web-1 5", "main_pod_restart_count web-2 0"]);
    }

    #[test]
    fn the_tuning_pod_has_its_own_request_and_no_other_pod_passes_for_it() {
        const NAMES: &[&str] = &["tuning_cpu_saturation", "tuning_pod_restart_count"];
        let pod = json!({
            "spec": { "containers": [{ "name": "main", "resources": { "requests": { "cpu": "2" } } }] },
            "status": { "containerStatuses": [{ "restartCount": 1 }, { "restartCount": 2 }] },
        });
        let mut newer = pod.clone();
        newer["metadata"] = json!({ "creationTimestamp": "2023-05-01T10:00:01Z" });
        for (item, pod, expected) in [
            // What is known is of a pod that was there before.
            ("web-tuning", Some(&newer), Ok(&[][..])),
            (
                "web-tuning",
                Some(&pod),
                Ok(&["tuning_pod_restart_count web-tuning 3", "tuning_cpu_saturation web-tuning 50"][..]),
            ),
            ("web-tuning", None, Ok(&["tuning_pod_restart_count web-tuning 0"])),
            ("shop-tuning", Some(&pod), Err("pod \"shop-tuning\" is labelled as a tuning pod")),
        ] {
            let (config, requested, mut series) = (config(None), requested(NAMES), PodSeries::default());
            let pod = pod.map(|pod| TuningPod::new(pod, &config).expect("it has the container")).unwrap_or_default();
            let metrics = [metrics(item, &json!([{ "name": "main", "usage": { "cpu": "1" } }]))];
            let mut sample = Sample { config: &config, requested: &requested, series: &mut series };
            match (sample.add_tuning(&pod, &metrics), expected) {
                (Ok(is_known), Ok(expected)) => {
                    assert_eq!(
                        (is_known, shown(series)),
                        (!expected.is_empty(), expected.iter().map(|&text| text.to_owned()).collect())
                    );
                }
                (Err(error), Err(expected)) => assert!(error.to_string().starts_with(expected), "{error}"),
                (found, expected) => panic!("{found:?} is not {expected:?}"),
            }
        }
    }

    #[test]
    fn requests_and_limits_take_a_metric_of_the_metrics_api_beside_them() {
        for (names, lost) in [
            (&["main_cpu_request", "main_mem_limit"][..], &["main_cpu_request", "main_mem_limit"][..]),
            (&["main_cpu_request", "main_mem_usage"], &[]),
            (&["main_cpu_usage", "tuning_cpu_limit", "tuning_pod_restart_count"], &["tuning_cpu_limit"]),
            (&["main_pod_restart_count"], &[]),
        ] {
            assert_eq!(requested(names).lost(), lost);
        }
    }
}
