{{/*
What values.schema.json cannot express, or only as a pattern that says nothing to an operator. Called once, from
validate/values.yaml. Each check below prints one sentence per line: what is wrong, and what to set instead. All are shown
together.
*/}}
{{- define "factory-worker.validate" -}}
{{- $missing := include "factory-worker.check.missing" . | trim }}
{{- if $missing }}{{ fail $missing }}{{ end }}
{{- $sentences := list }}
{{- range list "names" "image" "secrets" "database" "projects" "times" "docker" "persistence" "probes" "extras" }}
{{- range include (printf "factory-worker.check.%s" .) $ | splitList "\n" }}
{{- with trim . }}{{ $sentences = append $sentences . }}{{ end }}
{{- end }}
{{- end }}
{{- with $sentences }}{{ fail (join "\n" .) }}{{ end }}
{{- end }}

{{/* Every value the templates read (a test compares it with values.yaml). */}}
{{- define "factory-worker.paths" -}}
global
image.repository image.tag image.digest image.pullPolicy imagePullSecrets
secrets.existingSecret secrets.asEnv
secrets.inline.CLAUDE_CODE_OAUTH_TOKEN secrets.inline.GH_TOKEN secrets.inline.GH_USER secrets.inline.SSH_PRIVATE_KEY
secrets.inline.DATABASE_URL database.kind
projects orchestrator.enabled orchestrator.interval claude.askUserQuestion
docker.enabled docker.memoryReserve docker.mtu docker.addressPools docker.registryMirrors
docker.storage.kind docker.storage.size docker.storage.sizeLimit docker.storage.storageClass docker.storage.existingClaim
persistence.enabled persistence.size persistence.storageClass persistence.accessMode persistence.existingClaim
persistence.keep persistence.annotations
resources replicas shutdown.waitForStage terminationGracePeriodSeconds
probes.startup.enabled probes.startup.periodSeconds probes.startup.timeoutSeconds probes.startup.failureThreshold
probes.readiness.enabled probes.readiness.periodSeconds probes.readiness.timeoutSeconds probes.readiness.failureThreshold
probes.liveness.enabled probes.liveness.periodSeconds probes.liveness.timeoutSeconds probes.liveness.failureThreshold
nodeSelector tolerations affinity priorityClassName runtimeClassName
extraEnv extraVolumes extraVolumeMounts commonLabels podLabels podAnnotations
networkPolicy.enabled networkPolicy.ingress networkPolicy.allowAllEgress networkPolicy.extraEgress
podDisruptionBudget.enabled tests.enabled
{{- end }}

{{/*
`helm upgrade --reuse-values` keeps the old chart's defaults and so lacks every newer key, and `null` removes a key. Without
this check the operator would read "nil pointer evaluating interface {}".
*/}}
{{- define "factory-worker.check.missing" -}}
{{- $missing := list }}
{{- range $path := include "factory-worker.paths" . | replace "\n" " " | splitList " " }}
{{- $at := $.Values }}
{{- $there := true }}
{{- range $key := splitList "." $path }}
{{- if and $there (kindIs "map" $at) (hasKey $at $key) }}{{ $at = index $at $key }}{{ else }}{{ $there = false }}{{ end }}
{{- end }}
{{- if or (not $there) (kindIs "invalid" $at) }}{{ $missing = append $missing $path }}{{ end }}
{{- end }}
{{- with $missing }}
values are missing: {{ join ", " . }}. Do not set them to null, and upgrade with --reset-then-reuse-values (--reuse-values lacks the keys that a newer chart added).
{{- end }}
{{- end }}

{{- define "factory-worker.check.names" -}}
{{- $longest := printf "%s-secrets" (include "factory-worker.fullname" .) }}
{{- if gt (len $longest) 63 }}
release name {{ .Release.Name | quote }} is too long: {{ $longest | quote }} would have {{ len $longest }} characters, Kubernetes allows 63. Choose one that is {{ sub (len $longest) 63 }} shorter.
{{- end }}
{{- end }}

{{- define "factory-worker.check.image" -}}
{{- with .Values.image }}
{{- if not .repository }}
image.repository is empty: set where the worker image is, such as registry.example.com/team/factory-worker.
{{- else if regexMatch "[:@]" (base .repository) }}
image.repository {{ quote .repository }} contains a tag or a digest: set image.tag or image.digest instead.
{{- end }}
{{- if eq .tag "latest" }}
image.tag "latest" is refused: after a restart there is no telling which image runs. Set the tag that was pushed, or image.digest.
{{- else if not (regexMatch "^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$" .tag) }}
image.tag {{ quote .tag }} is not a valid tag: use letters, digits, "_", "." and "-", such as 0.1.0.
{{- end }}
{{- if not (regexMatch "^(sha256:[a-f0-9]{64})?$" .digest) }}
image.digest {{ quote .digest }} is not a valid digest: write sha256: and 64 hex digits, as the registry prints it.
{{- end }}
{{- end }}
{{- end }}

{{/* Never prints a secret, only its key. */}}
{{- define "factory-worker.check.secrets" -}}
{{- $given := list }}
{{- range $key, $value := .Values.secrets.inline }}
{{- if trim $value }}{{ $given = append $given $key }}{{ end }}
{{- end }}
{{- if and .Values.secrets.existingSecret $given }}
secrets.existingSecret and secrets.inline are both set ({{ join ", " $given }}): keep only one.
{{- end }}
{{- $key := .Values.secrets.inline.SSH_PRIVATE_KEY }}
{{- if and $key (not (contains "PRIVATE KEY-----" $key)) }}
secrets.inline.SSH_PRIVATE_KEY is not a private key: pass the file itself, --set-file secrets.inline.SSH_PRIVATE_KEY=FILE.
{{- end }}
{{- end }}

{{/* Of a Secret that exists the chart does not know the keys, so it refuses only what it can see. */}}
{{- define "factory-worker.check.database" -}}
{{- $kind := .Values.database.kind }}
{{- $url := trim .Values.secrets.inline.DATABASE_URL }}
{{- $others := false }}
{{- range $key, $value := omit .Values.secrets.inline "DATABASE_URL" }}
{{- if trim $value }}{{ $others = true }}{{ end }}
{{- end }}
{{- $env := false }}
{{- range $index, $entry := .Values.extraEnv }}
{{- if eq ($entry.name | default "") "DATABASE_URL" }}
{{- $env = true }}
{{- if eq $kind "postgres" }}
extraEnv[{{ $index }}] sets DATABASE_URL, which a worker with database.kind postgres sets itself: remove it, or set database.kind=url.
{{- end }}
{{- end }}
{{- end }}
{{- if and $url (not (regexMatch "^postgres(ql)?://" $url)) }}
secrets.inline.DATABASE_URL is not the URL of a PostgreSQL database: write postgres://USER:PASSWORD@HOST:PORT/DATABASE.
{{- end }}
{{- if and $url (has $kind (list "sqlite" "postgres")) }}
secrets.inline.DATABASE_URL is not used with database.kind {{ $kind }}: set database.kind=url, or leave it empty.
{{- end }}
{{- if and (eq $kind "url") $others (not (or $url $env)) }}
database.kind url needs a DATABASE_URL, and secrets.inline has none: set secrets.inline.DATABASE_URL, or secrets.existingSecret to a Secret with that key.
{{- end }}
{{- end }}

{{- define "factory-worker.check.projects" -}}
{{- $seen := dict }}
{{- range $index, $project := .Values.projects }}
{{- $name := $project.name | default "" }}
{{- $repo := $project.repo | default "" }}
{{- $at := printf "projects[%d]" $index }}
{{- if not $name }}
{{ $at }} has no name: set the one that dispatch --project will take.
{{- else if not (regexMatch "^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$" $name) }}
{{ $at }}.name {{ quote $name }} is not a valid folder name: use at most 63 letters, digits, "_", "." and "-", beginning with a letter or digit.
{{- else if hasKey $seen $name }}
{{ $at }}.name {{ quote $name }} is already used by projects[{{ get $seen $name }}]: give each project its own name.
{{- end }}
{{- $_ := set $seen $name $index }}
{{- if not $repo }}
{{ $at }} ({{ $name | default "no name" }}) has no repo: set owner/name, or a URL that git can clone.
{{- else if regexMatch "^(https?://[^/]*@|[a-z+]+://[^/]*:[^/]*@)" $repo }}
{{ $at }}.repo ({{ $name | default "no name" }}) has credentials in its URL: remove them, GH_TOKEN from the Secret is used.
{{- else if not (regexMatch "^([A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+|[a-z+]+://\\S+|[^\\s@/]+@[^\\s:]+:\\S+|/\\S+)$" $repo) }}
{{ $at }}.repo {{ quote $repo }} is neither owner/name nor a URL that git can clone.
{{- end }}
{{- end }}
{{- end }}

{{- define "factory-worker.check.times" -}}
{{- $pattern := "^[0-9]+[smh]?$" }}
{{- range $path, $value := dict "orchestrator.interval" .Values.orchestrator.interval "shutdown.waitForStage" .Values.shutdown.waitForStage }}
{{- if and (kindIs "string" $value) (not (regexMatch $pattern $value)) }}
{{ $path }} {{ quote $value }} is not a valid duration: use seconds, or a number with s, m or h, such as 30s or 20m.
{{- end }}
{{- end }}
{{- if and (eq (include "factory-worker.seconds" .Values.orchestrator.interval) "0") (regexMatch "^0+[smh]?$" (toString .Values.orchestrator.interval)) }}
orchestrator.interval must be at least 1s: without a pause the loop would query GitHub nonstop. To turn the loop off, set orchestrator.enabled=false.
{{- end }}
{{- $wait := include "factory-worker.seconds" .Values.shutdown.waitForStage | int }}
{{- $grace := .Values.terminationGracePeriodSeconds | int }}
{{- if lt $grace (add $wait 60 | int) }}
terminationGracePeriodSeconds {{ $grace }} is too short for shutdown.waitForStage {{ .Values.shutdown.waitForStage }}: set at least {{ add $wait 60 }}, so that agents, stacks and Docker can still be stopped in order after the wait.
{{- end }}
{{- end }}

{{/* A size, which must not be zero; takes {path, value}. */}}
{{- define "factory-worker.check.size" -}}
{{- if not (regexMatch (include "factory-worker.sizePattern" .) .value) }}
{{ .path }} {{ quote .value }} is not a valid size: use a number with Mi, Gi or Ti, such as 20Gi.
{{- else if eq (include "factory-worker.bytes" .value) "0" }}
{{ .path }} {{ quote .value }} is zero: set a size such as 20Gi.
{{- end }}
{{- end }}

{{- define "factory-worker.check.docker" -}}
{{- $storage := .Values.docker.storage }}
{{- include "factory-worker.check.size" (dict "path" "docker.storage.size" "value" .Values.docker.storage.size) }}
{{- include "factory-worker.check.size" (dict "path" "docker.memoryReserve" "value" .Values.docker.memoryReserve) }}
{{- with .Values.docker.storage.sizeLimit }}
{{- include "factory-worker.check.size" (dict "path" "docker.storage.sizeLimit" "value" .) }}
{{- if ne $storage.kind "emptyDir" }}
docker.storage.sizeLimit only applies to kind emptyDir: leave it empty, a volume of kind {{ $storage.kind }} has docker.storage.size.
{{- else if lt (include "factory-worker.bytes" . | int64) (include "factory-worker.bytes" $storage.size | int64) }}
docker.storage.sizeLimit {{ . }} is below docker.storage.size {{ $storage.size }}: the kubelet would evict the pod before the worker could clean up. Set a larger limit, or none.
{{- end }}
{{- end }}
{{- if and .Values.docker.storage.existingClaim (ne $storage.kind "claim") }}
docker.storage.existingClaim only applies to kind claim: set docker.storage.kind=claim, or leave it empty.
{{- end }}
{{- if and .Values.docker.storage.storageClass (eq $storage.kind "emptyDir") }}
docker.storage.storageClass only applies to kinds ephemeral and claim: leave it empty, an emptyDir is on the node's disk.
{{- end }}
{{- $limit := include "factory-worker.bytes" (dig "limits" "memory" "" .Values.resources) | int64 }}
{{- if and .Values.docker.enabled $limit (ge (include "factory-worker.bytes" .Values.docker.memoryReserve | int64) $limit) }}
docker.memoryReserve {{ .Values.docker.memoryReserve }} leaves no memory for containers: set less than resources.limits.memory {{ .Values.resources.limits.memory }}.
{{- end }}
{{- $mtu := int .Values.docker.mtu }}
{{- if and $mtu (or (lt $mtu 576) (gt $mtu 9216)) }}
docker.mtu {{ $mtu }} is not a valid MTU: use 576 to 9216, or 0 for the MTU of the pod's network.
{{- end }}
{{- range $index, $pool := .Values.docker.addressPools }}
{{- $base := $pool.base | default "" }}
{{- $size := int $pool.size }}
{{- $at := printf "docker.addressPools[%d]" $index }}
{{- if not (regexMatch "^([0-9]{1,3}[.]){3}[0-9]{1,3}/[0-9]{1,2}$" $base) }}
{{ $at }}.base {{ quote $base }} is not a valid network: use one such as 10.200.0.0/16.
{{- else if or (lt $size (regexFind "[0-9]+$" $base | int)) (gt $size 30) }}
{{ $at }}.size {{ $size }} does not fit into {{ $base }}: set the prefix length of each network, from {{ regexFind "[0-9]+$" $base }} to 30, such as 24.
{{- end }}
{{- end }}
{{- range $index, $mirror := .Values.docker.registryMirrors }}
{{- if not (regexMatch "^https?://[^\\s/]+/?$" $mirror) }}
docker.registryMirrors[{{ $index }}] {{ quote $mirror }} is not a valid mirror: use a URL without a path, such as https://mirror.example.com.
{{- end }}
{{- end }}
{{- end }}

{{- define "factory-worker.check.persistence" -}}
{{- include "factory-worker.check.size" (dict "path" "persistence.size" "value" .Values.persistence.size) }}
{{- if and .Values.persistence.existingClaim (not .Values.persistence.enabled) }}
persistence.existingClaim {{ quote .Values.persistence.existingClaim }} is set while persistence.enabled is false: keep only one.
{{- end }}
{{- if hasKey .Values.persistence.annotations "helm.sh/resource-policy" }}
persistence.annotations may not set helm.sh/resource-policy: set persistence.keep to true or false instead.
{{- end }}
{{- end }}

{{- define "factory-worker.check.probes" -}}
{{- range $name := list "startup" "readiness" "liveness" }}
{{- $timeout := get $.Values.probes $name | dig "timeoutSeconds" 0 | int }}
{{- if lt $timeout 10 }}
probes.{{ $name }}.timeoutSeconds {{ $timeout }} is too short: set at least 10. A worker at its CPU limit answers late and would be restarted.
{{- end }}
{{- end }}
{{- end }}

{{/* Additions must not replace what the chart owns. */}}
{{- define "factory-worker.check.extras" -}}
{{- $seen := dict }}
{{- range $index, $entry := .Values.extraEnv }}
{{- $name := $entry.name | default "" }}
{{- if hasPrefix "WORKER_" $name }}
extraEnv[{{ $index }}] sets {{ $name }}: names that begin with WORKER_ are reserved for the chart.
{{- else if has $name (list "CLAUDE_CODE_OAUTH_TOKEN" "GH_TOKEN" "GH_USER" "SSH_PRIVATE_KEY") }}
extraEnv[{{ $index }}] sets {{ $name }}: put it into the Secret (secrets.existingSecret or secrets.inline).
{{- else if eq $name "FACTORY_DATABASE" }}
extraEnv[{{ $index }}] sets FACTORY_DATABASE: set database.kind instead.
{{- else if hasKey $seen $name }}
extraEnv[{{ $index }}] sets {{ $name }} a second time: keep only one.
{{- end }}
{{- $_ := set $seen $name true }}
{{- end }}
{{- range $index, $volume := .Values.extraVolumes }}
{{- if has $volume.name (list "state" "run" "config" "secrets" "docker") }}
extraVolumes[{{ $index }}] has the name {{ quote $volume.name }}, which the chart uses: choose another name.
{{- end }}
{{- end }}
{{- range $index, $mount := .Values.extraVolumeMounts }}
{{- if has (clean (default "." $mount.mountPath)) (list "/" "/root" "/root/.factory" "/run" "/run/factory-worker" "/etc" "/etc/factory-worker" "/etc/factory-worker/config" "/run/secrets" "/run/secrets/factory-worker" "/var/lib/docker") }}
extraVolumeMounts[{{ $index }}] would hide {{ $mount.mountPath }}, which the worker needs: mount it elsewhere.
{{- end }}
{{- end }}
{{- range $value, $labels := dict "commonLabels" .Values.commonLabels "podLabels" .Values.podLabels }}
{{- range $label := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "helm.sh/chart" }}
{{- if hasKey $labels $label }}
{{ $value }} may not set {{ $label }}: the chart sets it.
{{- end }}
{{- end }}
{{- end }}
{{- range $annotation := list "kubectl.kubernetes.io/default-container" "checksum/docker" "checksum/secrets" "checksum/database" }}
{{- if hasKey $.Values.podAnnotations $annotation }}
podAnnotations may not set {{ $annotation }}: the chart sets it.
{{- end }}
{{- end }}
{{- end }}
