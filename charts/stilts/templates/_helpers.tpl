{{/* What the release's objects are called. The longest thing appended is "-check-driver". */}}
{{- define "stilts.name" -}}
{{- $name := ternary .Release.Name (printf "%s-stilts" .Release.Name) (contains "stilts" .Release.Name) -}}
{{- $name | trunc 34 | trimSuffix "-" -}}
{{- end -}}

{{/* Labels of an object; takes the chart's context and a component. */}}
{{- define "stilts.labels" -}}
{{- $context := index . 0 -}}
app.kubernetes.io/name: stilts
app.kubernetes.io/instance: {{ $context.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
app.kubernetes.io/part-of: stilts
app.kubernetes.io/version: {{ $context.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $context.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $context.Chart.Name $context.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "stilts.serverSelector" -}}
app.kubernetes.io/name: stilts
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: s3
{{- end -}}

{{/* The profile's spec as it holds in this release, JSON: in the release's namespace, with the trial server if there is one. */}}
{{- define "stilts.placement" -}}
{{- $placement := deepCopy .Values.profile -}}
{{- $kubernetes := $placement.kubernetes -}}
{{- $store := $placement.store -}}
{{- if and $kubernetes.namespace (ne $kubernetes.namespace .Release.Namespace) -}}
{{- fail (printf "profile.kubernetes.namespace is %s, and the release goes into %s: leave the key out, or install with --namespace %s" $kubernetes.namespace .Release.Namespace $kubernetes.namespace) -}}
{{- end -}}
{{- $_ := set $kubernetes "namespace" .Release.Namespace -}}
{{- /* Helm drops a key that a user sets to null; for this one that is not the default. */ -}}
{{- if not (hasKey $kubernetes "user_id") -}}
{{- $_ := set $kubernetes "user_id" nil -}}
{{- end -}}
{{- if .Values.s3.enabled -}}
{{- if $kubernetes.store_endpoint -}}
{{- fail (printf "s3.enabled is true, and profile.kubernetes.store_endpoint names another server (%s): leave one of them out" $kubernetes.store_endpoint) -}}
{{- end -}}
{{- $bucket := printf "s3://%s" .Values.s3.bucket -}}
{{- if and $store.uri (ne $store.uri $bucket) (not (hasPrefix (printf "%s/" $bucket) $store.uri)) -}}
{{- fail (printf "s3.enabled is true, and profile.store.uri is %s: leave it out, or begin it with %s/" $store.uri $bucket) -}}
{{- end -}}
{{- if and $kubernetes.credentials (or .Values.s3.access_key .Values.s3.secret_key) -}}
{{- fail "s3.access_key and s3.secret_key are given, and profile.kubernetes.credentials names a Secret: leave one of them out" -}}
{{- end -}}
{{- if dig "file" "" ($kubernetes.credentials | default dict) -}}
{{- fail "the trial server takes its keys from access_key and secret_key of profile.kubernetes.credentials: leave its key `file` out" -}}
{{- end -}}
{{- $_ := set $store "uri" ($store.uri | default (printf "%s/studies" $bucket)) -}}
{{- $_ := set $kubernetes "store_endpoint" (printf "http://%s-s3.%s.svc:7070" (include "stilts.name" .) .Release.Namespace) -}}
{{- $_ := set $store.s3 "region" ($store.s3.region | default "us-east-1") -}}
{{- $_ := set $store.s3 "path_style" true -}}
{{- $_ := set $kubernetes "credentials" ($kubernetes.credentials | default (dict "secret" (printf "%s-s3" (include "stilts.name" .)))) -}}
{{- end -}}
{{- toJson $placement -}}
{{- end -}}

{{/* A profile file; takes the chart's context and a profile's spec. */}}
{{- define "stilts.profile" -}}
apiVersion: stilts/v1alpha1
kind: Profile
metadata:
  name: {{ (index . 0).Release.Name | trunc 40 }}
spec:
  {{- toYaml (index . 1) | nindent 2 }}
{{- end -}}

{{/* An image's reference, with the registry's override; takes the profile's images and the image. */}}
{{- define "stilts.image" -}}
{{- $images := index . 0 -}}
{{- $image := index . 1 -}}
{{- $name := $image.name -}}
{{- if $images.registry -}}
{{- $parts := splitList "/" $name -}}
{{- $first := first $parts -}}
{{- if and (gt (len $parts) 1) (or (contains "." $first) (contains ":" $first) (eq $first "localhost")) -}}
{{- $name = rest $parts | join "/" -}}
{{- end -}}
{{- $name = printf "%s/%s" $images.registry $name -}}
{{- end -}}
{{- if $image.digest -}}
{{- $name }}@{{ $image.digest -}}
{{- else -}}
{{- $name -}}
{{- end -}}
{{- end -}}

{{/* Of a pod, as the restricted pod security standard wants it; takes the profile's Kubernetes part. */}}
{{- define "stilts.podSecurity" -}}
runAsNonRoot: true
{{- with .user_id }}
runAsUser: {{ int64 . }}
runAsGroup: {{ int64 . }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "stilts.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
{{- end -}}

{{/* Where a pod without GPUs may go; takes the profile's cpu_pods with the key `unreachable`, in seconds. */}}
{{- define "stilts.scheduling" -}}
{{- $named := list -}}
{{- range .tolerations -}}
{{- $named = append $named (.key | default "") -}}
{{- end -}}
tolerations:
  {{- range .tolerations }}
  - {{ toJson (merge (dict "operator" (.operator | default "Equal")) .) }}
  {{- end }}
  {{- $seconds := int64 .unreachable }}
  {{- range list "node.kubernetes.io/not-ready" "node.kubernetes.io/unreachable" }}
  {{- if not (has . $named) }}
  - {key: {{ . }}, operator: Exists, effect: NoExecute, tolerationSeconds: {{ $seconds }}}
  {{- end }}
  {{- end }}
{{- with .node_selector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priority_class }}
priorityClassName: {{ . }}
{{- end }}
{{- with .runtime_class }}
runtimeClassName: {{ . }}
{{- end }}
{{- end -}}
