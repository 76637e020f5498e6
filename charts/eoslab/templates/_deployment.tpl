{{/*
The Deployment of a controller. Takes `root`; `component`, which is its command as well unless `command` is given;
`name`; `account`; `env`, the variables of its own as YAML; `resources`.
*/}}
{{- define "eoslab.deployment" -}}
{{- $root := .root -}}
{{- $labels := list .root .component -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .name }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- include "eoslab.labelsOf" $labels | nindent 4 }}
spec:
  replicas: 1
  # Two at once would both write the same status.
  strategy:
    type: Recreate
  selector:
    matchLabels: {{- include "eoslab.selectorLabelsOf" $labels | nindent 6 }}
  template:
    metadata:
      labels: {{- include "eoslab.labelsOf" $labels | nindent 8 }}
      {{- with $root.Values.podAnnotations }}
      annotations: {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ .account }}
      automountServiceAccountToken: true
      enableServiceLinks: false
      # So that `chaos signal` can kill it: PID 1 of a namespace of its own ignores SIGKILL from within.
      shareProcessNamespace: true
      {{- with $root.Values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      securityContext:
        runAsNonRoot: true
        seccompProfile:
          type: RuntimeDefault
      containers:
      - name: {{ .component }}
        image: {{ include "eoslab.image" $root | quote }}
        imagePullPolicy: {{ $root.Values.image.pullPolicy }}
        command: {{ .command | default (list .component) | toJson }}
        env:
        {{- .env | nindent 8 }}
        - name: EOSLAB_LOG
          value: {{ $root.Values.log.level | quote }}
        - name: EOSLAB_LOG_FORMAT
          value: {{ $root.Values.log.format }}
        ports:
        - name: http
          containerPort: 8080
          protocol: TCP
        readinessProbe:
          httpGet:
            path: /readyz
            port: http
          periodSeconds: 2
        livenessProbe:
          httpGet:
            path: /healthz
            port: http
          periodSeconds: 10
          timeoutSeconds: 5
          failureThreshold: 6
        resources: {{- toYaml .resources | nindent 10 }}
        securityContext:
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
          capabilities:
            drop: [ALL]
      {{- with $root.Values.nodeSelector }}
      nodeSelector: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $root.Values.tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $root.Values.affinity }}
      affinity: {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end -}}
