{{/* One probe; takes {verb, probe}. It asks worker-health, which prints its reason. */}}
{{- define "factory-worker.probe" -}}
exec:
  command: [worker-health, {{ .verb }}]
periodSeconds: {{ .probe.periodSeconds | int }}
timeoutSeconds: {{ .probe.timeoutSeconds | int }}
failureThreshold: {{ .probe.failureThreshold | int }}
{{- end }}

{{/* The environment the chart owns: where things lie, and who this worker is. */}}
{{- define "factory-worker.env" -}}
- name: WORKER_CONFIG_DIR
  value: /etc/factory-worker/config
- name: WORKER_SECRETS_DIR
  value: /run/secrets/factory-worker
- name: WORKER_RUN_DIR
  value: /run/factory-worker
- name: WORKER_STATE_DIR
  value: /root/.factory/worker
- name: WORKER_REPOS_DIR
  value: /root/.factory/repos
- name: WORKER_NAME
  value: {{ include "factory-worker.worker" . | quote }}
- name: WORKER_IMAGE
  value: {{ include "factory-worker.image" . | quote }}
- name: WORKER_SECRET_NAME
  value: {{ include "factory-worker.secretName" . | quote }}
- name: WORKER_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: WORKER_POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: WORKER_POD_UID
  valueFrom:
    fieldRef:
      fieldPath: metadata.uid
- name: WORKER_NODE_NAME
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
- name: WORKER_MEMORY_LIMIT_BYTES
  valueFrom:
    resourceFieldRef:
      containerName: worker
      resource: limits.memory
      divisor: "1"
{{- if ne .Values.database.kind "auto" }}
- name: FACTORY_DATABASE
  value: {{ .Values.database.kind }}
{{- end }}
{{- if .Values.secrets.asEnv }}
{{- range list "CLAUDE_CODE_OAUTH_TOKEN" "GH_TOKEN" "GH_USER" }}
- name: {{ . }}
  valueFrom:
    secretKeyRef:
      name: {{ include "factory-worker.secretName" $ | quote }}
      key: {{ . }}
      optional: true
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What of the values has to restart the pod although the pod itself would not change. */}}
{{- define "factory-worker.podAnnotations" -}}
kubectl.kubernetes.io/default-container: worker
{{- if .Values.docker.enabled }}
checksum/docker: {{ include "factory-worker.dockerChecksum" . }}
{{- end }}
{{- if and .Values.secrets.asEnv (not .Values.secrets.existingSecret) }}
checksum/secrets: {{ omit .Values.secrets.inline "SSH_PRIVATE_KEY" "DATABASE_URL" | toJson | sha256sum }}
{{- end }}
{{- /* Sessions keep the URL that they were started with. */}}
{{- with trim .Values.secrets.inline.DATABASE_URL }}
checksum/database: {{ sha256sum . }}
{{- end }}
{{- with .Values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "factory-worker.volumeMounts" -}}
- name: state
  mountPath: /root/.factory
- name: run
  mountPath: /run/factory-worker
# Whole directories, never a subPath: only those follow when the ConfigMap or the Secret changes.
- name: config
  mountPath: /etc/factory-worker/config
  readOnly: true
- name: secrets
  mountPath: /run/secrets/factory-worker
  readOnly: true
{{- if .Values.docker.enabled }}
- name: docker
  mountPath: /var/lib/docker
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "factory-worker.volumes" -}}
- name: state
  {{- if .Values.persistence.enabled }}
  persistentVolumeClaim:
    claimName: {{ include "factory-worker.dataClaim" . | quote }}
  {{- else }}
  emptyDir: {}
  {{- end }}
# In memory: a full disk must not stop the worker from saying so.
- name: run
  emptyDir:
    medium: Memory
    sizeLimit: 64Mi
- name: config
  configMap:
    name: {{ include "factory-worker.fullname" . }}-config
- name: secrets
  secret:
    secretName: {{ include "factory-worker.secretName" . | quote }}
    # Octal 0400.
    defaultMode: 256
    # A worker without credentials starts and says so; they appear in it once the Secret is there.
    optional: true
{{- if .Values.docker.enabled }}
- name: docker
  {{- include "factory-worker.dockerVolume" . | nindent 2 }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "factory-worker.dockerVolume" -}}
{{- if eq .Values.docker.storage.kind "claim" -}}
persistentVolumeClaim:
  claimName: {{ include "factory-worker.dockerClaim" . | quote }}
{{- else if eq .Values.docker.storage.kind "ephemeral" -}}
ephemeral:
  volumeClaimTemplate:
    metadata:
      labels:
        {{- include "factory-worker.selectorLabels" . | nindent 8 }}
    spec:
      accessModes:
        - ReadWriteOnce
      {{- with include "factory-worker.storageClass" .Values.docker.storage.storageClass | trim }}
      {{- nindent 6 . }}
      {{- end }}
      resources:
        requests:
          storage: {{ .Values.docker.storage.size | quote }}
{{- else if .Values.docker.storage.sizeLimit -}}
emptyDir:
  sizeLimit: {{ .Values.docker.storage.sizeLimit | quote }}
{{- else -}}
emptyDir: {}
{{- end }}
{{- end }}
