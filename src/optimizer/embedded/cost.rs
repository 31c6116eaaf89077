//! The cost of settings: prices of cores and memory, times replicas.
//!
//! Pure. What is measured plays no part, so that the cost of every setting is known without a trial.

use serde_json::Value;

use super::tunable::{Settings, Tunable};
use crate::config::Prices;

/// Price of an hour with these settings, in the currency of the prices. Components in which nothing can be changed do
/// not count: they cost the same whatever is found.
pub(super) fn of(tunables: &[Tunable], settings: &Settings, prices: &Prices) -> f64 {
    let mut components: Vec<&str> =
        tunables.iter().filter(|tunable| !tunable.is_pinned()).map(|tunable| tunable.component.as_str()).collect();
    components.dedup();
    components.iter().map(|component| of_component(component, tunables, settings, prices)).sum()
}

fn of_component(component: &str, tunables: &[Tunable], settings: &Settings, prices: &Prices) -> f64 {
    let value = |names: &[&str]| {
        let of = |tunable: &&Tunable| tunable.component == component && names.contains(&tunable.setting.as_str());
        let tunable = tunables.iter().find(of)?;
        number(settings.get(&tunable.name()).unwrap_or(&tunable.value))
    };
    let cpu = value(&["cpu"]).unwrap_or(0.0);
    let memory = value(&["mem", "memory"]).unwrap_or(0.0);
    (cpu * prices.cpu + memory * prices.memory) * value(&["replicas"]).unwrap_or(1.0)
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::optimizer::embedded::tunable;
    use crate::wire::{self, Place};

    fn check(components: &Value, expected: f64) {
        let body = json!({"application": {"components": components}});
        let described = Place { origin: "test", key: "descriptor" }.read(&body, wire::description::decode).unwrap();
        let tunables = tunable::read(&described).unwrap();
        let found = of(&tunables, &tunable::baseline(&tunables), &Prices { cpu: 2.0, memory: 0.5 });
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    fn range(value: f64, pinned: bool) -> Value {
        json!({"type": "range", "min": 0.0, "max": 10.0, "step": 0.5, "value": value, "pinned": pinned})
    }

    #[test]
    fn cores_and_memory_are_paid_for_each_replica_and_nothing_else() {
        check(&json!({"web": {"settings": {"cpu": range(1.5, false), "mem": range(4.0, false)}}}), 5.0);
        let web = json!({"cpu": range(1.5, false), "memory": range(4.0, true), "replicas": range(3.0, true),
            "workers": range(9.0, false)});
        check(&json!({"web": {"settings": web}}), 15.0);
    }

    #[test]
    fn components_that_are_pinned_do_not_count() {
        let tuning = json!({"settings": {"cpu": range(1.0, false), "replicas": range(1.0, true)}});
        check(&json!({"main": {"settings": {"cpu": range(8.0, true)}}, "tuning": tuning}), 2.0);
    }
}
