{{/*
The objects of a study: anchor, headless Service and driver, as `stilts submit` makes them (engine/kubernetes/render.py;
tests/charts compares them). A chart's templates cannot plan, so there is no plan digest, and the driver takes the plan
that it finds.
*/}}

{{- define "stilts.driverSelector" -}}
app.kubernetes.io/name: stilts
app.kubernetes.io/component: driver
{{- end -}}

{{- define "stilts.stageSelector" -}}
app.kubernetes.io/name: stilts
app.kubernetes.io/component: stage
{{- end -}}

{{/* A name as the value of a label: itself, or what can be kept of it with a digest. */}}
{{- define "stilts.labelValue" -}}
{{- if and (le (len .) 63) (regexMatch "^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$" .) -}}
{{- . -}}
{{- else -}}
{{- $kept := regexReplaceAll "[^a-z0-9]+" (lower .) "-" | trimAll "-" -}}
{{- if not (regexMatch "^[a-z]" $kept) -}}
{{- $kept = printf "study-%s" $kept -}}
{{- end -}}
{{- printf "%s-%s" ($kept | trunc 24 | trimAll "-") (toJson . | sha256sum | trunc 10) -}}
{{- end -}}
{{- end -}}

{{/* Labels of a study's objects; takes the component, the study's name and the anchor's. */}}
{{- define "stilts.studyLabels" -}}
app.kubernetes.io/name: stilts
app.kubernetes.io/part-of: stilts
app.kubernetes.io/managed-by: stilts
app.kubernetes.io/component: {{ .component }}
stilts/study: {{ include "stilts.labelValue" .study | quote }}
stilts/anchor: {{ include "stilts.labelValue" .anchor | quote }}
{{- end -}}

{{/* A profile's spec as pods are to read it, JSON: with the store's address there and the place where certificates are mounted. */}}
{{- define "stilts.inCluster" -}}
{{- $placement := deepCopy . -}}
{{- with $placement.kubernetes.store_endpoint -}}
{{- $_ := set $placement.store.s3 "endpoint" . -}}
{{- end -}}
{{- if $placement.kubernetes.ca_bundle -}}
{{- $_ := set $placement.store.s3 "ca_bundle" "/etc/stilts/ca.crt" -}}
{{- end -}}
{{- toJson $placement -}}
{{- end -}}

{{- define "stilts.anchor" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .anchor }}
  namespace: {{ .placement.kubernetes.namespace }}
  labels:
    {{- include "stilts.studyLabels" (merge (dict "component" "submission") .) | nindent 4 }}
  annotations:
    stilts/study-name: {{ .study | quote }}
    stilts/store: {{ .placement.store.uri | quote }}
    {{- with .annotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
data:
  study.yaml: {{ toJson .text }}
  profile.yaml: {{ .profile | default (include "stilts.profile" (list .context (include "stilts.inCluster" .placement | fromJson))) | toJson }}
{{- end -}}

{{- define "stilts.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .anchor }}
  namespace: {{ .placement.kubernetes.namespace }}
  labels:
    {{- include "stilts.studyLabels" (merge (dict "component" "submission") .) | nindent 4 }}
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector:
    app.kubernetes.io/component: stage
    stilts/anchor: {{ include "stilts.labelValue" .anchor | quote }}
{{- end -}}

{{/* The spec of the driver's Job; takes `placement`, `study`, `anchor`, and `arguments` beyond the usual ones. */}}
{{- define "stilts.driverSpec" -}}
{{- $kubernetes := .placement.kubernetes -}}
{{- $pods := $kubernetes.pods.driver -}}
{{- with .deadline }}
activeDeadlineSeconds: {{ . }}
{{- end }}
backoffLimit: {{ .restarts }}
ttlSecondsAfterFinished: {{ int64 $kubernetes.ttl_seconds }}
template:
  metadata:
    labels:
      {{- include "stilts.studyLabels" (merge (dict "component" "driver") .) | nindent 6 }}
  spec:
    restartPolicy: Never
    terminationGracePeriodSeconds: 30
    serviceAccountName: {{ $kubernetes.service_accounts.driver }}
    automountServiceAccountToken: true
    enableServiceLinks: false
    securityContext:
      {{- include "stilts.podSecurity" $kubernetes | nindent 6 }}
    containers:
      - name: driver
        image: {{ include "stilts.image" (list $kubernetes.images $kubernetes.images.light) | quote }}
        imagePullPolicy: {{ $kubernetes.images.pull_policy }}
        command:
          - stilts
          - drive
          - /etc/stilts/study.yaml
          - --profile
          - /etc/stilts/profile.yaml
          - --anchor
          - {{ .anchor }}
          {{- range .arguments }}
          - {{ . | quote }}
          {{- end }}
        ports:
          - {name: metrics, containerPort: 9464}
        env:
          {{- include "stilts.environment" $kubernetes | trim | nindent 10 }}
          {{- with .environment }}
          {{- toYaml . | nindent 10 }}
          {{- end }}
        resources:
          requests:
            cpu: {{ $pods.cpu | toString | quote }}
            memory: {{ $pods.memory | toString | quote }}
            ephemeral-storage: {{ $pods.scratch | toString | quote }}
          limits:
            cpu: {{ $pods.cpu_limit | default $pods.cpu | toString | quote }}
            memory: {{ $pods.memory | toString | quote }}
            ephemeral-storage: {{ $pods.scratch | toString | quote }}
        securityContext:
          {{- include "stilts.containerSecurity" . | nindent 10 }}
        terminationMessagePolicy: FallbackToLogsOnError
        volumeMounts:
          - {name: files, mountPath: /etc/stilts, readOnly: true}
          - {name: scratch, mountPath: /tmp}
    volumes:
      - name: files
        projected:
          sources:
            - configMap:
                name: {{ .anchor }}
                items:
                  - {key: study.yaml, path: study.yaml}
                  - {key: profile.yaml, path: profile.yaml}
            {{- with $kubernetes.ca_bundle }}
            - configMap:
                name: {{ .config_map }}
                items:
                  - {key: {{ .key | default "ca.crt" }}, path: ca.crt}
            {{- end }}
            {{- with $kubernetes.credentials }}
            {{- if .file }}
            - secret:
                name: {{ .secret }}
                items:
                  - {key: {{ .file }}, path: credentials}
            {{- end }}
            {{- end }}
      - name: scratch
        emptyDir:
          sizeLimit: {{ $pods.scratch | toString | quote }}
    {{- with $kubernetes.images.pull_secrets }}
    imagePullSecrets:
      {{- range . }}
      - name: {{ . }}
      {{- end }}
    {{- end }}
    {{- include "stilts.scheduling" (merge (dict "unreachable" $kubernetes.unreachable_seconds) $kubernetes.cpu_pods) | nindent 4 }}
{{- end -}}

{{/* The environment of a container; takes the profile's Kubernetes part. */}}
{{- define "stilts.environment" -}}
{{- $plain := list (list "HOME" "/tmp") (list "TMPDIR" "/tmp") (list "USER" "stilts") -}}
{{- if .ca_bundle -}}
{{- range list "AWS_CA_BUNDLE" "REQUESTS_CA_BUNDLE" "SSL_CERT_FILE" -}}
{{- $plain = append $plain (list . "/etc/stilts/ca.crt") -}}
{{- end -}}
{{- end -}}
{{- if .air_gapped -}}
{{- range list "HF_HUB_OFFLINE" "HF_DATASETS_OFFLINE" "TRANSFORMERS_OFFLINE" -}}
{{- $plain = append $plain (list . "1") -}}
{{- end -}}
{{- end -}}
{{- $proxies := list -}}
{{- with .proxies.http -}}
{{- $proxies = append $proxies (list "HTTP_PROXY" .) -}}
{{- end -}}
{{- with .proxies.https -}}
{{- $proxies = append $proxies (list "HTTPS_PROXY" .) -}}
{{- end -}}
{{- if $proxies -}}
{{- $direct := concat (list "localhost" "127.0.0.1" "::1" ".svc" ".cluster.local" "$(KUBERNETES_SERVICE_HOST)") (.proxies.exclude | default list) -}}
{{- $proxies = append $proxies (list "NO_PROXY" (uniq $direct | join ",")) -}}
{{- end -}}
{{- range $proxies -}}
{{- $plain = append $plain . -}}
{{- end -}}
{{- range $proxies -}}
{{- $plain = append $plain (list (first . | lower) (last .)) -}}
{{- end -}}
{{- range $plain }}
- {name: {{ first . }}, value: {{ last . | quote }}}
{{- end }}
{{- with .credentials }}
{{- if .file }}
- {name: AWS_SHARED_CREDENTIALS_FILE, value: /etc/stilts/credentials}
{{- else }}
{{- $secret := .secret }}
{{- $keys := list (list "AWS_ACCESS_KEY_ID" (.access_key | default "AWS_ACCESS_KEY_ID")) (list "AWS_SECRET_ACCESS_KEY" (.secret_key | default "AWS_SECRET_ACCESS_KEY")) }}
{{- with .session_token }}
{{- $keys = append $keys (list "AWS_SESSION_TOKEN" .) }}
{{- end }}
{{- range $keys }}
- name: {{ first . }}
  valueFrom:
    secretKeyRef: {name: {{ $secret }}, key: {{ last . }}}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
