//! Reports of small campaigns: finished and unfinished ones, with names that mean something elsewhere.

use serde_json::{Value, json};

use super::patch::{self, Kind, PatchError, Target};
use super::{Report, html, markdown};
use crate::optimizer::embedded::{Campaign, Entry};

const COMPONENT: &str = "web/main";

fn header(component: &str, metric: &str) -> Value {
    let range = |name: &str, max: f64, value: f64, whole: bool| {
        json!({"component": component, "setting": name, "unit": null, "value": value,
            "domain": {"range": {"min": if whole { 1.0 } else { 0.25 }, "max": max,
                "step": if whole { 1.0 } else { 0.25 }, "whole": whole}}})
    };
    json!({
        "entry": "header", "format": 2, "version": "0.1.0", "began": "2026-01-01T00:00:00Z", "id": "a.com/<b>",
        "settings": [range("cpu", 4.0, 2.0, false), range("mem", 4.0, 2.0, false), range("replicas", 5.0, 3.0, true),
            {"component": component, "setting": "GC", "unit": null, "value": "g1", "domain": {"enum": ["g1", "z<&>"]}}],
        "metrics": {metric: "ms", "throughput": "rps"},
        "campaign": {"objective": {"minimize": "cost"},
            "slo": [{"metric": metric, "threshold": 100}, {"metric": "throughput", "threshold": 50, "keep": "above"}],
            "trials": 10},
    })
}

fn settings(component: &str, cpu: f64, gc: &str) -> Value {
    json!({format!("{component}.cpu"): cpu, format!("{component}.mem"): 1.5, format!("{component}.replicas"): 3,
        format!("{component}.GC"): gc})
}

fn trial(number: usize, purpose: &str, settings: &Value, outcome: &Value) -> Value {
    json!({
        "entry": "trial", "number": number, "purpose": purpose, "settings": settings, "cost": 0.5, "why": "<i>why</i>",
        "forecast": {"objective": {"mean": 0.5, "deviation": 0.0},
            "constraints": [{"mean": 80.0, "deviation": 5.0}, {"mean": -60.0, "deviation": 2.0}],
            "probability_feasible": 0.97},
        "expected_improvement": 0.01, "outcome": outcome,
        "began": "2026-01-01T00:00:00Z", "ended": "2026-01-01T00:06:00Z",
    })
}

/// A campaign with a trial that keeps the objectives, one that violates both, and one that failed.
fn entries(component: &str, metric: &str) -> Vec<Value> {
    let measured =
        |latency: f64, rate: f64| json!({"status": "measured", "metrics": {metric: latency, "throughput": rate}});
    let failed = json!({"status": "infeasible", "during": "adjustment", "word": "rejected", "reason": "unstable",
        "message": "<script>alert(1)</script>"});
    vec![
        header(component, metric),
        trial(1, "baseline", &settings(component, 2.0, "g1"), &measured(50.0, 60.0)),
        trial(2, "search", &settings(component, 0.25, "g1"), &measured(150.0, 40.0)),
        trial(3, "search", &settings(component, 0.5, "z<&>"), &failed),
        trial(4, "search", &settings(component, 1.5, "z<&>"), &measured(90.0, 55.0)),
    ]
}

fn end(component: &str, is_baseline: bool, confirmed: bool) -> [Value; 2] {
    let winner = json!({
        "settings": settings(component, 0.5, "z<&>"), "is_baseline": is_baseline, "confirmed": confirmed, "forecast": null,
        "objective": {"baseline": 0.5, "winner": 0.25, "interval": [-0.25, -0.25]},
        "metrics": {"p99": {"baseline": 50.0, "winner": 90.0, "interval": [30.0, 50.0]}},
    });
    let left = json!({"entry": "left", "settings": settings(component, 2.0, "g1"), "problem": null});
    [json!({"entry": "end", "stop": "budget", "winner": winner, "ended": "2026-01-01T01:00:00Z"}), left]
}

fn report(entries: Vec<Value>) -> Report {
    let entries = entries.into_iter().map(|entry| serde_json::from_value::<Entry>(entry).unwrap());
    Report::of(&Campaign::replay(entries).unwrap())
}

fn finished(component: &str) -> Report {
    let mut all = entries(component, "p99");
    all.extend(end(component, false, true));
    report(all)
}

#[test]
fn a_report_says_what_was_read_and_expected_in_the_units_of_the_metrics() {
    let json: Value = serde_json::from_str(&finished(COMPONENT).to_json()).unwrap();
    let trial = &json["trials"][1];
    assert_eq!(trial["feasible"], false);
    assert_eq!(trial["readings"][1], json!({"value": 40.0, "threshold": 50.0, "holds": false}));
    assert_eq!(trial["margin"], -0.5, "that of the tightest objective");
    assert_eq!(trial["expected"][1]["mean"], 60.0, "what is to be above is not negated");
    assert_eq!(json["trials"][2]["outcome"]["reason"], "unstable");
    let best: Vec<&Value> = json["trials"].as_array().unwrap().iter().map(|trial| &trial["best_so_far"]).collect();
    assert_eq!(best, [0.5, 0.5, 0.5, 0.5]);
    assert_eq!(json["result"]["changes"][0], json!({"setting": "web/main.cpu", "from": 2.0, "to": 0.5, "unit": null}));
    let explanation = trial["explanation"].as_str().unwrap();
    assert!(explanation.ends_with("p99 80.00 ms ± 5.00, throughput 60.00 rps ± 2.00, 97% likely to keep all objectives, improvement 0.0100 per hour"), "{explanation}");
    assert!(!json["front"].as_array().unwrap().is_empty());
}

#[test]
fn each_setting_has_a_curve_for_each_metric_with_its_own_values() {
    let report = finished(COMPONENT);
    let named: Vec<(&str, &str, usize)> =
        report.effects.iter().map(|of| (of.metric.as_str(), of.setting.as_str(), of.curve.len())).collect();
    assert_eq!(named.len(), 12, "{named:?}");
    assert_eq!(named[0], ("cost", "web/main.cpu", 16));
    assert_eq!(named[7], ("p99", "web/main.GC", 2));
    assert_eq!(report.effects[7].curve[1].value, json!("z<&>"));
    let throughput = report.effects.iter().find(|effect| effect.metric == "throughput").unwrap();
    assert!(throughput.curve.iter().all(|point| point.mean > 0.0), "{throughput:?}");
}

/// The tags that are open; what is not balanced is an error.
fn assert_balanced(page: &str) {
    const VOID: [&str; 3] = ["meta", "br", "!DOCTYPE"];
    let mut open = Vec::new();
    for piece in page.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').unwrap_or_else(|| panic!("no end of a tag: {piece}"));
        let name = tag.split_whitespace().next().unwrap_or_default();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "{piece}"),
            None if tag.ends_with('/') || VOID.contains(&name) => {}
            None => open.push(name),
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn the_page_needs_nothing_else_and_no_name_is_markup() {
    for all in [entries("<b>\"x", "m'<u>"), entries("web/main", "p99")[..1].to_vec(), entries("web/main", "p99")] {
        let page = html::page(&report(all));
        assert_balanced(&page);
        for foreign in ["http:", "https:", "//", "src=", "href=", "url(", "@import", "<script", "<i>", "<b>\"", "<u>"] {
            assert!(!page.contains(foreign), "{foreign} in {page}");
        }
        assert!(!page.contains("NaN") && !page.contains("inf "), "{page}");
    }
    let page = html::page(&finished(COMPONENT));
    assert_balanced(&page);
    assert!(page.contains("-50.0%") && page.contains("exactly") && page.contains("+60.0% to +100.0%"), "{page}");
    assert!(page.contains("&lt;script&gt;") && page.contains("z&lt;&amp;&gt;"), "{page}");
}

#[test]
fn markdown_has_the_result_and_no_cell_breaks_its_table() {
    let text = markdown::document(&finished("a|b"));
    assert!(text.contains("| cost | 0.5000 per hour | 0.2500 per hour | -50.0% | exactly |"), "{text}");
    assert!(text.contains("| a\\|b.cpu | 2.0 | 0.5 |  |"), "{text}");
    assert!(!text.contains("<script"), "{text}");
    assert!(markdown::document(&report(entries(COMPONENT, "p99"))).contains("There is none yet."));
}

fn target() -> Target {
    Target { kind: Kind::Deployment, namespace: None }
}

#[test]
fn a_patch_changes_the_container_and_nothing_else() {
    let patches = patch::patches(&finished(COMPONENT), &target()).unwrap();
    let resources = json!({"cpu": "500m", "memory": "1536Mi"});
    assert_eq!(patches.len(), 1);
    assert_eq!(
        patches[0].body,
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
            "replicas": 3,
            "template": {"spec": {"containers": [{"name": "main",
                "resources": {"requests": resources, "limits": resources},
                "env": [{"name": "GC", "value": "z<&>"}]}]}}}})
    );
    let in_shop = Target { kind: Kind::StatefulSet, namespace: Some("shop".to_owned()) };
    let body = &patch::patches(&finished(COMPONENT), &in_shop).unwrap()[0].body;
    assert_eq!((&body["kind"], &body["metadata"]["namespace"]), (&json!("StatefulSet"), &json!("shop")));
}

fn parsed(yaml: &str) -> Value {
    let parsed = crate::config::file::parse_documents(yaml, "test").unwrap();
    assert_eq!(parsed.documents.len(), 1);
    parsed.documents[0].to_json()
}

#[test]
fn patches_are_yaml_also_inside_of_a_kustomization() {
    let patches = patch::patches(&finished(COMPONENT), &target()).unwrap();
    assert_eq!(parsed(&patches[0].to_yaml()), patches[0].body);
    let kustomization = parsed(&patch::kustomization(&patches, "../base"));
    assert_eq!(kustomization["resources"], json!(["../base"]));
    assert_eq!(kustomization["patches"][0]["target"], json!({"kind": "Deployment", "name": "web"}));
    assert_eq!(parsed(kustomization["patches"][0]["patch"].as_str().unwrap()), patches[0].body);
}

#[test]
fn what_a_tuning_pod_showed_is_for_the_workload_beside_it() {
    let name = |tuning: &str, pinned: &str| {
        let mut all = entries(tuning, "p99");
        let main = json!({"component": pinned, "setting": "cpu", "domain": "pinned", "unit": null, "value": 2.0});
        all[0]["settings"].as_array_mut().unwrap().push(main);
        all.extend(end(tuning, false, true));
        let body = patch::patches(&report(all), &target()).unwrap()[0].body.clone();
        let container = &body["spec"]["template"]["spec"]["containers"][0]["name"];
        format!("{}/{}", body["metadata"]["name"].as_str().unwrap(), container.as_str().unwrap())
    };
    assert_eq!(name("web/main-tuning", "web/main"), "web/main");
    assert_eq!(name("tuning", "web/main"), "web/main");
    assert_eq!(name("web/main-tuning", "web/other"), "web/main-tuning");
    assert_eq!(name("service", "other"), "service/service");
}

#[test]
fn without_a_better_setting_there_is_no_patch() {
    let of = |more: Vec<Value>| {
        let mut all = entries(COMPONENT, "p99");
        all.extend(more);
        patch::patches(&report(all), &target()).unwrap_err()
    };
    assert_eq!(of(Vec::new()), PatchError::NotOver);
    assert_eq!(of(end(COMPONENT, true, false).to_vec()), PatchError::Baseline);
    let nothing = json!({"entry": "end", "stop": "budget", "winner": null, "ended": "2026-01-01T01:00:00Z"});
    assert_eq!(of(vec![nothing]), PatchError::Nothing);
    let mut unproven = entries(COMPONENT, "p99");
    unproven.extend(end(COMPONENT, false, false));
    assert!(patch::warning(&report(unproven)).is_some() && patch::warning(&finished(COMPONENT)).is_none());
}
