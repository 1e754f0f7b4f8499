{{/* What a size may look like: 20Gi, 512Mi, 1.5Ti, 1000000. */}}
{{- define "factory-worker.sizePattern" -}}
^(0|[1-9][0-9]*)([.][0-9]+)?(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$
{{- end }}

{{/*
A size in bytes. Takes a string such as 20Gi, or a number; anything that is no size gives 0 (the validation says so in
a sentence, so nothing here may fail before it).
*/}}
{{- define "factory-worker.bytes" -}}
{{- $size := kindIs "string" . | ternary . (int64 (kindIs "string" . | ternary 0 .) | toString) }}
{{- if regexMatch (include "factory-worker.sizePattern" .) $size }}
{{- $factors := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "P" 1000000000000000
      "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 }}
{{- $unit := regexFind "[A-Za-z]*$" $size }}
{{- mulf (trimSuffix $unit $size | float64) (get $factors $unit | int64) | int64 }}
{{- else }}0{{ end }}
{{- end }}

{{/* A duration in seconds. Takes 30s, 20m, 1h or a number of seconds; anything else gives 0, as above. */}}
{{- define "factory-worker.seconds" -}}
{{- $duration := kindIs "string" . | ternary . (int64 (kindIs "string" . | ternary 0 .) | toString) }}
{{- if regexMatch "^[0-9]+[smh]?$" $duration }}
{{- $unit := regexFind "[smh]?$" $duration }}
{{- mul (trimSuffix $unit $duration | int64) (get (dict "" 1 "s" 1 "m" 60 "h" 3600) $unit) }}
{{- else }}0{{ end }}
{{- end }}
