//! The keys that a workload takes from the section when it does not say them itself.
//!
//! There are three layers: what a workload says, what the section says, and the built-in values. A key that is
//! written, also as null where null is allowed, or that comes from the environment, is said; its value does not
//! matter. Layers exist only while a section is read: everything else sees [`SharedSettings`].

use schemars::JsonSchema;
use serde_json::{Map, Value as Json};

use super::failure_mode::FailureMode;
use crate::decode::{Fields, FilePath, Form, INHERITED, Keys, Properties, Secrets, Show, keys};
use crate::k8s::DnsSubdomain;
use crate::types::Duration;

/// Enough for a rolling update of a few pods that start slowly.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// Declares the keys once for a section and once for its workloads, which document them by the text behind `in`.
macro_rules! shared_keys {
    ($($(#[doc = $doc:literal])* $field:ident: $type:ty = $default:expr, in workload: $kind:ident $text:literal;)*) => {
        keys! {
            /// The keys that a section and its workloads have in common. The default holds the built-in values.
            #[derive(Debug, Clone, PartialEq)]
            pub struct SharedSettings {
                $($(#[doc = $doc])* pub $field: $type = $default,)*
            }
            default: all;
        }

        /// What a workload says. Where null is allowed, the inner option is the value.
        #[derive(Debug, Clone)]
        pub(super) struct SharedLayer {
            $($field: Option<$type>,)*
        }

        impl SharedLayer {
            pub(super) fn read(fields: &mut Fields<'_, '_, '_>) -> Option<Self> {
                $(let $field = fields.get(stringify!($field));)*
                Some(Self { $($field: $field?,)* })
            }

            /// This layer, with what it does not say taken from below.
            pub(super) fn over(self, below: &SharedSettings) -> SharedSettings {
                SharedSettings { $($field: self.$field.unwrap_or_else(|| below.$field.clone()),)* }
            }
        }

        /// The form of these keys in a workload, where they are read as a [`SharedLayer`] first.
        pub(super) struct InWorkload;

        impl Form<SharedSettings> for InWorkload {
            fn read(
                _: &'static str,
                _: Option<SharedSettings>,
                fields: &mut Fields<'_, '_, '_>,
            ) -> Option<SharedSettings> {
                $(fields.accept(stringify!($field));)*
                Some(SharedSettings::default())
            }

            fn show(_: &'static str, value: &SharedSettings, secrets: Secrets, members: &mut Map<String, Json>) {
                value.show_keys(secrets, members);
            }

            fn describe(_: &'static str, _: &str, _: Option<&SharedSettings>, properties: &mut Properties<'_>) {
                $(
                    let default: $type = $default;
                    $kind::<$type>(stringify!($field), $text, &default, properties);
                )*
            }
        }
    };
}

/// Describes a key that is null where a workload lacks it.
fn unset<T: JsonSchema>(key: &str, text: &str, _: &T, properties: &mut Properties<'_>) {
    properties.add::<Option<T>>(key, text, Some(Json::Null));
}

/// Describes a key with a default that the section may have changed.
fn inherited<T: JsonSchema + Show>(key: &str, text: &str, default: &T, properties: &mut Properties<'_>) {
    let mut schema = properties.generator().subschema_for::<T>();
    schema.insert(INHERITED.to_owned(), true.into());
    properties.add_schema(key, text, Some(default.show(Secrets::Redacted)), schema);
}

/// Describes a key with a default of its own.
fn own<T: JsonSchema + Show>(key: &str, text: &str, default: &T, properties: &mut Properties<'_>) {
    properties.add::<T>(key, text, Some(default.show(Secrets::Redacted)));
}

shared_keys! {
    /// Path of a kubeconfig file; without it, `KUBECONFIG`, the file in the home directory or the pod's own access.
    kubeconfig: Option<FilePath> = None,
        in workload: unset "Path of a kubeconfig file; without it, that of the section.";
    /// Context of the kubeconfig file; without it, the one that the file calls current.
    context: Option<String> = None,
        in workload: unset "Context of the kubeconfig file; without it, that of the section.";
    /// Namespace of the workload; default `default`.
    namespace: DnsSubdomain = DnsSubdomain::default_namespace(),
        in workload: unset "Its namespace; without it, that of the section.";
    /// How long a workload is watched after an adjustment, unless the optimizer says so; not at all when absent.
    settlement: Option<Duration> = None,
        in workload: unset "How long it is watched after an adjustment; without it, as long as the section says.";
    /// What happens to a workload whose adjustment fails: `exception`, the default, leaves it as it failed; `ignore`
    /// also says that it succeeded; `shutdown` scales it to zero, or makes a tuning pod anew; `rollback` gives it its
    /// old values. `destroy` is an old name of `shutdown`.
    on_failure: FailureMode = FailureMode::default(),
        in workload: inherited "What happens to it when its adjustment fails; without it, what the section says.";
    /// How long a workload may take to become ready; default `5m`.
    timeout: Duration = DEFAULT_TIMEOUT,
        in workload: unset "How long it may take to become ready; without it, as long as the section says.";
    /// Whether messages about a failure carry the logs of its containers; default false.
    container_logs_in_error_status: bool = false,
        in workload: inherited "Whether messages about a failure carry the logs of its containers; without it, what the section says.";
    /// Without effect here, as `strategy` decides; kept for configurations that have it. Default true.
    create_tuning_pod: bool = true,
        in workload: own "Without effect; kept for configurations that have it.";
}
