{{/* Whether the values are those of the chart of ServoX 2.2.4. */}}
{{- define "servo.isLegacy" -}}
{{- if .Values.config -}}
{{- if .Values.optimizerId }}{{ fail "both `config` and `optimizerId` are set: the optimizer belongs into `config`" }}{{ end -}}
{{- else -}}
{{- if not .Values.optimizerId }}{{ fail "`config` is missing: give a servo.yaml, or the values of the chart of ServoX, which begin with `optimizerId`" }}{{ end -}}
true
{{- end -}}
{{- end -}}

{{- define "servo.app" -}}{{ if include "servo.isLegacy" . }}servox{{ else }}servo{{ end }}{{- end -}}

{{- define "servo.identifier" -}}
{{- if and (not .Values.servoUid) (eq .Release.Name "release-name") -}}
{{- fail "a release needs a name of its own, or `servoUid`" -}}
{{- end -}}
{{- .Values.servoUid | default .Release.Name -}}
{{- end -}}

{{- define "servo.name" -}}
{{- $app := include "servo.app" . -}}
{{- $identifier := include "servo.identifier" . -}}
{{- if eq $app $identifier }}{{ $app }}{{ else }}{{ printf "%s-%s" $app $identifier | trunc 63 | trimSuffix "-" }}{{ end -}}
{{- end -}}

{{/* Where the agent is, and unless `config` says otherwise the workloads. */}}
{{- define "servo.namespace" -}}{{ .Values.workloadNamespaceName | default .Release.Namespace }}{{- end -}}

{{- define "servo.image" -}}
{{- .Values.servoImageOverride | default (printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion)) -}}
{{- end -}}

{{- define "servo.selector" -}}
app.kubernetes.io/name: {{ include "servo.app" . }}
app.kubernetes.io/instance: {{ include "servo.identifier" . | trunc 63 | trimSuffix "-" | quote }}
app.kubernetes.io/component: core
{{- end -}}

{{- define "servo.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "servo.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "servo.metadata" -}}
name: {{ include "servo.name" . }}
namespace: {{ include "servo.namespace" . }}
labels: {{- include "servo.labels" . | nindent 2 }}
{{- end -}}

{{- define "servo.serviceAccount" -}}{{ .Values.serviceAccount.name | default (include "servo.name" .) }}{{- end -}}

{{- define "servo.tokenSecret" -}}
{{- if .Values.token.existingSecret }}{{ .Values.token.existingSecret }}{{ else if .Values.token.value }}{{ include "servo.name" . }}{{ end -}}
{{- end -}}

{{/* The types of the connectors that `config` uses, separated by blanks. */}}
{{- define "servo.connectors" -}}
{{- $config := .Values.config -}}
{{- $types := list -}}
{{- if not $config }}{{ $config = dict "kubernetes" dict }}{{ end -}}
{{- if kindIs "map" $config.connectors }}{{ $types = values $config.connectors }}
{{- else if kindIs "slice" $config.connectors }}{{ $types = $config.connectors }}
{{- else }}{{ $types = keys $config }}{{ end -}}
{{- join " " ($types | sortAlpha | uniq) -}}
{{- end -}}

{{/* The name of the section of a type of connector. */}}
{{- define "servo.sectionName" -}}
{{- $name := .type -}}
{{- if kindIs "map" .config.connectors }}{{ range $key, $type := .config.connectors }}{{ if eq $type $.type }}{{ $name = $key }}{{ end }}{{ end }}{{ end -}}
{{- $name -}}
{{- end -}}

{{/* The section of a type of connector, as JSON. */}}
{{- define "servo.section" -}}
{{- get .config (include "servo.sectionName" .) | default dict | toJson -}}
{{- end -}}

{{/* No container may do more than it must. */}}
{{- define "servo.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* `config` with what the chart knows: namespaces, and the permissions that the Role has. */}}
{{- define "servo.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $root := . -}}
{{- $types := splitList " " (include "servo.connectors" .) -}}
{{- range $type := list "kubernetes" "kube_metrics" "opsani_dev" -}}
{{- if has $type $types -}}
{{- $name := include "servo.sectionName" (dict "config" $config "type" $type) -}}
{{- $section := get $config $name | default dict -}}
{{- if not (hasKey $section "namespace") }}{{ $_ := set $section "namespace" (include "servo.namespace" $root) }}{{ end -}}
{{- if and (eq $type "kubernetes") (not (hasKey $section "permissions")) -}}
{{- $_ := set $section "permissions" (include "servo.permissions" $section | fromYamlArray) -}}
{{- end -}}
{{- $_ := set $config $name $section -}}
{{- end -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* The servo.yaml, whichever way it is given. */}}
{{- define "servo.yaml" -}}
{{- if include "servo.isLegacy" . }}{{ include "servo.legacyConfig" . }}{{ else }}{{ include "servo.config" . }}{{ end -}}
{{- end -}}

{{/* What the section `kubernetes` needs, as it says it itself. */}}
{{- define "servo.permissions" -}}
- {group: "", resources: [namespaces], verbs: [get]}
{{- if .deployments }}
- {group: apps, resources: [deployments], verbs: [get, list, watch, patch]}
{{- end }}
- {group: apps, resources: [replicasets], verbs: [get, list]}
{{- $isCanary := false }}
{{- range .deployments }}
{{- $strategy := .strategy | default "default" }}
{{- if kindIs "map" $strategy }}{{ $strategy = $strategy.type }}{{ end }}
{{- if eq $strategy "canary" }}{{ $isCanary = true }}{{ end }}
{{- end }}
- {group: "", resources: [pods], verbs: [get, list, watch{{ if $isCanary }}, create, delete{{ end }}]}
{{- end -}}

{{/* The rules of the Role in a namespace. */}}
{{- define "servo.rules" -}}
{{- $config := .config -}}
{{- $types := splitList " " .types -}}
{{- if has "kubernetes" $types }}
{{- $section := include "servo.section" (dict "config" $config "type" "kubernetes") | fromJson }}
{{- range $section.permissions }}
- {apiGroups: [{{ .group | quote }}], resources: {{ toJson .resources }}, verbs: {{ toJson .verbs }}}
{{- end }}
{{- if $section.stateful_sets }}
- {apiGroups: [apps], resources: [statefulsets], verbs: [get, list, watch, update, patch]}
- {apiGroups: [""], resources: [pods], verbs: [delete]}
{{- end }}
{{- if regexMatch `"on_failure":"rollback"` (toJson $section) }}
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, create, patch, delete]}
{{- end }}
{{- if $section.container_logs_in_error_status }}
- {apiGroups: [""], resources: [pods/log], verbs: [get]}
{{- end }}
{{- end }}
{{- if has "opsani_dev" $types }}
# What the checks of `opsani_dev` ask for: those of ServoX.
- {apiGroups: [apps], resources: [deployments, deployments/status, replicasets], verbs: [get, list, watch, update, patch]}
- {apiGroups: [""], resources: [namespaces], verbs: [get]}
- apiGroups: [""]
  resources: [pods, pods/logs, pods/status, pods/exec, pods/portforward, services]
  verbs: [create, delete, get, list, watch, update, patch]
- {apiGroups: [""], resources: [configmaps], verbs: [get, list]}
{{- end }}
{{- if or (has "kube_metrics" $types) (has "opsani_dev" $types) }}
- {apiGroups: [metrics.k8s.io], resources: [pods], verbs: [get, list]}
{{- end }}
{{- if has "kube_metrics" $types }}
- {apiGroups: [apps], resources: [deployments, statefulsets, replicasets], verbs: [get, list]}
- {apiGroups: [""], resources: [pods], verbs: [get, list]}
{{- end }}
{{- end -}}
