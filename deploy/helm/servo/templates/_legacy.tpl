{{/* The servo.yaml of the chart of ServoX 2.2.4. */}}
{{- define "servo.legacyConfig" -}}
{{- $v := .Values -}}
optimizer:
  optimizer_id: {{ required "`optimizerId` is required" $v.optimizerId | quote }}
{{- if eq $v.connectionSettingsType "static" }}
  tenant_id: {{ required "`tenantId` is required for static connection settings" $v.tenantId | quote }}
  base_url: {{ required "`baseUrl` is required for static connection settings" $v.baseUrl | quote }}
  client_id: {{ required "`clientId` is required for static connection settings" $v.clientId | quote }}
{{- else }}
  connection_file: /agent-management-sidecar/connection.yaml
{{- end }}
{{- with $v.urlOverride }}
  url: {{ . | quote }}
{{- end }}
kubernetes:
  namespace: {{ include "servo.namespace" . }}
  # The rules of the Role.
  permissions:
    - {group: '', resources: [namespaces], verbs: [get]}
    - {group: apps, resources: [deployments], verbs: [get, list, watch, patch]}
    - {group: apps, resources: [replicasets], verbs: [get, list]}
    - {group: '', resources: [pods], verbs: [get, list, watch, create, delete]}
  deployments:
    - name: {{ required "`workloadName` is required" $v.workloadName | quote }}
      strategy: {type: canary, alias: tuning}
      replicas: {min: 0, max: 1, pinned: true}
      containers:
        - name: {{ required "`workloadContainerName` is required" $v.workloadContainerName | quote }}
          alias: main
          cpu: {{ toJson $v.cpu }}
          memory: {{ toJson $v.memory }}
wait: {measure_enabled: true}
{{- end -}}
