//! The door for the crate's own tests and benches: what they need of the modules, at the modules' own paths.
//!
//! This is not an interface for other crates. An item is listed here only while a test or a bench uses it.

pub mod assembly {
    pub use crate::assembly::{Loaded, PreparedServo, load};
    pub mod schema {
        pub use crate::assembly::schema::{
            Mount, Sections, definitions, of_configuration, of_connector, of_everything, of_servo,
        };
    }
}
pub mod checks {
    pub use crate::checks::{Check, CheckRequest, run_one};
}
pub mod cli {
    pub use crate::cli::{check_arguments, main};
}
pub mod config {
    pub use crate::config::{
        CampaignMode, ConnectionFile, Detail, Dump, Environment, OptimizerConfig, OptimizerRequirement,
        SearchAlgorithm, Secrets,
    };
    pub mod file {
        pub use crate::config::file::{parse_bytes, parse_documents, to_yaml};
    }
}
pub mod connector {
    pub use crate::connector::{
        Adjust, AdjustRequest, BuildContext, BuildError, Connector, ConnectorFactory, ConnectorName, Describe,
        DescribeRequest, ErasedFactory, ErrorKind, Event, EventContext, EventContextText, EventError, Measure,
        MeasureRequest, Metadata, OptimizerIdentity, Outcome, Phase, ProgressSender, Section, Services,
    };
}
pub mod connectors {
    pub use crate::connectors::CONNECTORS;
    pub mod external {
        pub use crate::connectors::external::Found;
        pub mod conformance {
            pub use crate::connectors::external::conformance::RULES;
        }
    }
    pub mod kube_metrics {
        pub use crate::connectors::kube_metrics::CHECK_METRICS_API;
    }
    pub mod kubernetes {
        pub use crate::connectors::kubernetes::{Role, cpu, environment, memory, replicas};
    }
    pub mod opsani_dev {
        pub use crate::connectors::opsani_dev::{OpsaniDevConfig, compose};
    }
    pub mod prometheus {
        pub use crate::connectors::prometheus::{ApiRequest, MetricConfig, QueryError, Window, check_name};
    }
    pub mod simulation {
        pub mod model {
            pub use crate::connectors::simulation::model::{Service, Settings};
        }
    }
    pub mod vegeta {
        pub use crate::connectors::vegeta::{AttackCommand, CHANNEL, Report, ReportError, Samples, VegetaConfig};
    }
}
pub mod decode {
    pub use crate::decode::{
        Decode, Decoder, KeyPath, NoVariables, Node, Origin, Problem, Problems, Show, plain_float,
    };
}
pub mod endpoints {
    pub use crate::endpoints::FAMILIES;
    pub mod sse {
        pub use crate::endpoints::sse::{Event, Reader};
    }
}
pub mod exchange {
    pub use crate::exchange::Delivery;
}
pub mod fast_fail {
    pub use crate::fast_fail::{FastFailConfig, Observed, Schedule, SloObserver};
}
pub mod k8s {
    pub use crate::k8s::{Resources, parse_bytes, parse_cores};
}
pub mod network {
    pub use crate::network::Network;
}
pub mod optimizer {
    pub mod embedded {
        pub mod search {
            pub use crate::optimizer::embedded::search::{
                Constraint, Dimension, ObjectiveSource, Observation, Outcome, Point, Problem, Scale, Space, recommend,
                suggest,
            };
        }
    }
}
pub mod runner {
    pub use crate::runner::status_word;
}
pub mod servo {
    pub use crate::servo::{Dispatch, Servo};
}
pub mod subprocess {
    pub use crate::subprocess::SearchPath;
}
pub mod types {
    pub use crate::types::{
        Adjustment, ByteSize, Component, Control, Core, CpuSetting, DataPoint, Description, Duration, EnumSetting,
        EnvironmentEnumSetting, EnvironmentRangeSetting, EnvironmentSetting, InstanceTypeSetting, KubernetesCpuSetting,
        KubernetesMemorySetting, Measurement, MemorySetting, Metric, Number, Point, RangeSetting, Reading,
        ReplicasSetting, Scalar, Setting, Severity, SloCondition, SloInput, StatusWord, TimeSeries, Unit, UnixTime,
        parse_decimal, step_aligned, step_suggestions,
    };
}
pub mod wire {
    pub mod adjustment {
        pub use crate::wire::adjustment::encode;
    }
    pub mod description {
        pub use crate::wire::description::{components, encode};
    }
    pub mod measurement {
        pub use crate::wire::measurement::encode;
    }
}
