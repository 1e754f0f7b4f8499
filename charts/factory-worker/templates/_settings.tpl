{{/* projects.json: what to clone. A field that is not given becomes null or its default. */}}
{{- define "factory-worker.projects" -}}
{{- $projects := list }}
{{- range .Values.projects }}
{{- $projects = append $projects (dict
      "name" .name
      "repo" .repo
      "branch" (.branch | default nil)
      "config" (.config | default "pipeline.yaml")) }}
{{- end }}
{{- toPrettyJson $projects }}
{{- end }}

{{/* settings.json: what the supervisor needs to know of this release. */}}
{{- define "factory-worker.settings" -}}
{{- $size := include "factory-worker.bytes" .Values.docker.storage.size | int64 }}
{{- $pools := list }}
{{- range .Values.docker.addressPools }}
{{- $pools = append $pools (dict "base" .base "size" (int .size)) }}
{{- end }}
{{- toPrettyJson (dict
      "schema" 1
      "orchestrator" (dict
        "enabled" .Values.orchestrator.enabled
        "intervalSeconds" (include "factory-worker.seconds" .Values.orchestrator.interval | int))
      "claude" (dict "askUserQuestion" .Values.claude.askUserQuestion)
      "docker" (dict
        "enabled" .Values.docker.enabled
        "mtu" (.Values.docker.mtu | int | default nil)
        "addressPools" $pools
        "registryMirrors" .Values.docker.registryMirrors
        "storage" (dict "kind" .Values.docker.storage.kind "sizeBytes" $size)
        "memoryReserveBytes" (include "factory-worker.bytes" .Values.docker.memoryReserve | int64))
      "shutdown" (dict
        "waitForStageSeconds" (include "factory-worker.seconds" .Values.shutdown.waitForStage | int)
        "graceSeconds" (.Values.terminationGracePeriodSeconds | int))) }}
{{- end }}

{{/*
What dockerd reads once, at its start: a change of it has to restart the pod. docker.storage.size is not among it, the
disk guard reads that one again and again.
*/}}
{{- define "factory-worker.dockerChecksum" -}}
{{- pick .Values.docker "mtu" "addressPools" "registryMirrors" "memoryReserve" | toJson | sha256sum }}
{{- end }}
