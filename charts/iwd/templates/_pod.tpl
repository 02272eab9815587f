{{/* The pod, the same under a Deployment and a ReplicaSet. */}}
{{- define "iwd.pod" -}}
metadata:
  annotations:
    # A changed setting or secret starts new pods.
    checksum/config: {{ include (print $.Template.BasePath "/configmap.yaml") . | sha256sum }}
    checksum/secret: {{ pick .Values "secrets" "postgres" "redis" "gws" "existingSecret" | toJson | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  labels:
    {{- include "iwd.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - {{ if kindIs "string" . }}name: {{ . }}{{ else }}{{ toYaml . | nindent 6 | trim }}{{ end }}
    {{- end }}
  {{- end }}
  serviceAccountName: {{ include "iwd.serviceAccountName" . }}
  # Nothing in the pod talks to the Kubernetes API.
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    {{- $podDefault := dict "runAsNonRoot" true "runAsUser" 65532 "runAsGroup" 65532 "fsGroup" 65532 "seccompProfile" (dict "type" "RuntimeDefault") }}
    {{- mustMergeOverwrite $podDefault .Values.podSecurityContext | toYaml | nindent 4 }}
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  containers:
    - name: iwd
      image: {{ include "iwd.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      securityContext:
        {{- $default := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" (dict "drop" (list "ALL")) }}
        {{- mustMergeOverwrite $default .Values.securityContext | toYaml | nindent 8 }}
      envFrom:
        - configMapRef:
            name: {{ include "iwd.fullname" . }}
        - secretRef:
            name: {{ include "iwd.secretName" . }}
      ports:
        - name: http
          containerPort: 4024
      # Migrations and the first recovery happen before the port answers: they may take minutes on a large tenant.
      startupProbe:
        httpGet: { path: /livez, port: http }
        periodSeconds: 2
        failureThreshold: 150
      livenessProbe:
        httpGet: { path: /livez, port: http }
        periodSeconds: 10
        timeoutSeconds: 5
      readinessProbe:
        httpGet: { path: /readyz, port: http }
        periodSeconds: 5
        timeoutSeconds: 5
      lifecycle:
        preStop:
          # Until every proxy knows that the pod goes, it still serves; SIGTERM comes after.
          exec:
            command: [node, -e, "setTimeout(() => {}, 2000)"]
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      volumeMounts:
        - { name: data, mountPath: /data }
        - { name: tmp, mountPath: /tmp }
  volumes:
    - name: tmp
      emptyDir: {}
    - name: data
      {{- if include "iwd.embedded" . }}
      persistentVolumeClaim:
        claimName: {{ include "iwd.fullname" . }}
      {{- else }}
      emptyDir: {}
      {{- end }}
  {{- with .Values.dnsConfig }}
  dnsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- range . }}
    - {{ toYaml . | nindent 6 | trim }}
      labelSelector:
        matchLabels:
          {{- include "iwd.selectorLabels" $ | nindent 10 }}
    {{- end }}
  {{- end }}
{{- end -}}
