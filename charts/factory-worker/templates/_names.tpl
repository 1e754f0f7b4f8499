{{/* The release's own name for everything it makes: factory-worker-1 for the release worker-1 and for factory-worker-1. */}}
{{- define "factory-worker.fullname" -}}
{{- if hasPrefix "factory-" .Release.Name }}{{ .Release.Name }}{{ else }}factory-{{ .Release.Name }}{{ end }}
{{- end }}

{{/* What the commands call this worker: worker-1. */}}
{{- define "factory-worker.worker" -}}
{{- trimPrefix "factory-" .Release.Name }}
{{- end }}

{{/* The only place that reads the namespace, so that no object can miss it. */}}
{{- define "factory-worker.namespace" -}}
{{- .Release.Namespace }}
{{- end }}

{{/* The Secret that is mounted, whoever made it. */}}
{{- define "factory-worker.secretName" -}}
{{- .Values.secrets.existingSecret | default (printf "%s-secrets" (include "factory-worker.fullname" .)) }}
{{- end }}

{{/* The claim of the state volume, whoever made it. */}}
{{- define "factory-worker.dataClaim" -}}
{{- .Values.persistence.existingClaim | default (printf "%s-data" (include "factory-worker.fullname" .)) }}
{{- end }}

{{/* The claim of Docker's volume when docker.storage.kind is claim. */}}
{{- define "factory-worker.dockerClaim" -}}
{{- .Values.docker.storage.existingClaim | default (printf "%s-docker" (include "factory-worker.fullname" .)) }}
{{- end }}

{{/*
Labels that select the pod. A Deployment's selector cannot be changed, so never add one here.
Neither version nor chart belongs here: the pod carries these, and whatever changes in the pod ends its sessions.
*/}}
{{- define "factory-worker.selectorLabels" -}}
app.kubernetes.io/name: factory-worker
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* Labels of the objects, never of the pod. */}}
{{- define "factory-worker.labels" -}}
{{ include "factory-worker.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Name, namespace and labels of an object; takes {root, suffix}. */}}
{{- define "factory-worker.metadata" -}}
name: {{ include "factory-worker.fullname" .root }}{{ .suffix }}
namespace: {{ include "factory-worker.namespace" .root | quote }}
labels:
  {{- include "factory-worker.labels" .root | nindent 2 }}
{{- end }}

{{/* The image: a digest wins over the tag, the tag's default is appVersion. */}}
{{- define "factory-worker.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{/* imagePullSecrets as Kubernetes wants them, from names or from objects. */}}
{{- define "factory-worker.imagePullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ if kindIs "string" . }}{{ quote . }}{{ else }}{{ quote .name }}{{ end }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Storage class of a claim: nothing for "", "" for "-", else the name. */}}
{{- define "factory-worker.storageClass" -}}
{{- if eq . "-" }}
storageClassName: ""
{{- else if . }}
storageClassName: {{ . | quote }}
{{- end }}
{{- end }}
