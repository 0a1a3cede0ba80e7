{{- define "labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end }}

{{- define "metadata" -}}
name: {{ .Chart.Name }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "labels" . | nindent 2 }}
{{- end }}

{{- define "account" -}}
- kind: ServiceAccount
  name: {{ .Chart.Name }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{/* Whether the replicas elect who works: not empty then. */}}
{{- define "elects" -}}
{{- if or (gt (int .Values.replicas) 1) (gt (int .Values.shards) 1) }}yes{{ end }}
{{- end }}

{{/* Whether the operator has a database of its own: not empty then. It is taken from it by nothing but the word. */}}
{{- define "own" -}}
{{- if ne (toString .Values.database.own) "false" }}yes{{ end }}
{{- end }}

{{/* What the operator needs in the namespaces that it serves. A test holds it to what `manifests` prints. */}}
{{- define "rules.served" -}}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
- apiGroups: [kopf.demo]
  resources: [databasetables]
  verbs: [get, list, watch, patch]
- apiGroups: [kopf.demo]
  resources: [databasetables/status]
  verbs: [patch]
{{- end }}
