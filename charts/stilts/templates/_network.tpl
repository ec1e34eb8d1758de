{{/* Rules of a NetworkPolicy; takes `direction` (to, from), `places`, and whether names are asked for (UDP too). */}}
{{- define "stilts.rules" -}}
{{- $direction := .direction -}}
{{- $protocols := ternary (list "UDP" "TCP") (list "TCP") (default false .names) -}}
{{- range .places }}
{{- $place := . }}
- {{ $direction }}:
    {{- range .cidrs }}
    - ipBlock:
        cidr: {{ . | quote }}
        {{- with $place.without }}
        except: {{ toJson . }}
        {{- end }}
    {{- end }}
    {{- if not .cidrs }}
    - podSelector:
        {{- with .pods }}
        matchLabels:
          {{- toYaml . | nindent 10 }}
        {{- else }} {}
        {{- end }}
      {{- with .namespace }}
      namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ . }}
      {{- end }}
    {{- end }}
  {{- with .ports }}
  ports:
    {{- range $port := . }}
    {{- range $protocols }}
    - {port: {{ int64 $port }}, protocol: {{ . }}}
    {{- end }}
    {{- end }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Where the store is, as JSON with the key `places`. */}}
{{- define "stilts.storePlaces" -}}
{{- $placement := include "stilts.placement" . | fromJson -}}
{{- if .Values.network.store -}}
{{- toJson (dict "places" .Values.network.store) -}}
{{- else if .Values.s3.enabled -}}
{{- toJson (dict "places" (list (dict "pods" (include "stilts.serverSelector" . | fromYaml) "ports" (list 7070)))) -}}
{{- else -}}
{{- $endpoint := $placement.kubernetes.store_endpoint | default $placement.store.s3.endpoint | default "https://s3.amazonaws.com" -}}
{{- $url := urlParse $endpoint -}}
{{- $host := $url.hostname -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary "80" "443" (eq $url.scheme "http")) | int64 -}}
{{- if regexMatch "^[0-9]+(\\.[0-9]+){3}$" $host -}}
{{- toJson (dict "places" (list (dict "cidrs" (list (printf "%s/32" $host)) "ports" (list $port)))) -}}
{{- else if or (not (contains "." $host)) (regexMatch "\\.svc(\\.|$)" $host) -}}
{{- fail (printf "a NetworkPolicy cannot name a Service: say in network.store which pods answer at %s and on which port of theirs, as in [{namespace: storage, pods: {app: s3}, ports: [9000]}], or set network.enabled to false" $endpoint) -}}
{{- else -}}
{{- $private := list "10.0.0.0/8" "100.64.0.0/10" "169.254.0.0/16" "172.16.0.0/12" "192.168.0.0/16" -}}
{{- $v4 := dict "cidrs" (list "0.0.0.0/0") "without" $private "ports" (list $port) -}}
{{- $v6 := dict "cidrs" (list "::/0") "without" (list "fc00::/7" "fe80::/10") "ports" (list $port) -}}
{{- toJson (dict "places" (list $v4 $v6)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
