{{/* Names and labels, as `helm create` makes them, so that they are what people expect. */}}
{{- define "iwd.name" -}}
{{- .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "iwd.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "iwd.selectorLabels" -}}
app.kubernetes.io/name: {{ include "iwd.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "iwd.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "iwd.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "iwd.image" -}}
{{- $path := printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- if .Values.image.registry -}}{{ .Values.image.registry }}/{{ end -}}{{ $path }}
{{- end -}}

{{- define "iwd.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "iwd.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "iwd.secretName" -}}
{{- .Values.existingSecret | default (include "iwd.fullname" .) -}}
{{- end -}}

{{/* True when the pod keeps its own Postgres. */}}
{{- define "iwd.embedded" -}}
{{- if not .Values.postgres.host -}}true{{- end -}}
{{- end -}}

{{/*
The server's REDIS_URL: the scheme says TLS, the first URL carries the password for all, more than one URL means a cluster
(a cluster of which one node is known has it twice).
*/}}
{{- define "iwd.redisUrl" -}}
{{- $scheme := ternary "rediss://" "redis://" .Values.redis.enableTLS -}}
{{- $credentials := "" -}}
{{- with .Values.redis.password -}}
{{- $credentials = printf ":%s@" (urlquery . | replace "+" "%20") -}}
{{- end -}}
{{- $nodes := list -}}
{{- range splitList "," .Values.redis.nodes -}}
{{- $nodes = append $nodes (printf "%s%s%s" $scheme $credentials (regexReplaceAll "^rediss?://" (trim .) "")) -}}
{{- end -}}
{{- if and .Values.redis.useCluster (eq (len $nodes) 1) -}}
{{- $nodes = concat $nodes $nodes -}}
{{- end -}}
{{- join "," $nodes -}}
{{- end -}}

{{/* Refuses what cannot work before anything is installed. */}}
{{- define "iwd.check" -}}
{{- if and (include "iwd.embedded" .) (or (gt (int .Values.replicaCount) 1) .Values.hpa.enabled) -}}
{{- fail "more than one pod (replicaCount, hpa.enabled) needs postgres.host: an embedded Postgres belongs to one pod" -}}
{{- end -}}
{{- if lt (int .Values.terminationGracePeriodSeconds) 10 -}}
{{- fail "terminationGracePeriodSeconds must be 10 or more: the server drains that long" -}}
{{- end -}}
{{- end -}}
