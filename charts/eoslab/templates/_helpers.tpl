{{/* Name that every object of the release begins with. */}}
{{- define "eoslab.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "eoslab.operatorName" -}}
{{- printf "%s-operator" (include "eoslab.fullname" .) -}}
{{- end -}}

{{/* Of the chaos controller's Deployment, ServiceAccount and all that is bound to it. */}}
{{- define "eoslab.chaosName" -}}
{{- printf "%s-chaos" (include "eoslab.fullname" .) -}}
{{- end -}}

{{- define "eoslab.serviceAccountName" -}}
{{- default (include "eoslab.operatorName" .) .Values.serviceAccount.name -}}
{{- end -}}

{{/* A tag of digits alone, as a hash may be, arrives as a number. */}}
{{- define "eoslab.image" -}}
{{- $tag := .Values.image.tag -}}
{{- if not (kindIs "string" $tag) -}}
{{- $tag = $tag | int64 | toString -}}
{{- end -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion $tag) -}}
{{- end -}}

{{/* Labels that never change: selectors are made of them. Takes the root and the component. */}}
{{- define "eoslab.selectorLabelsOf" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Takes the root and the component. */}}
{{- define "eoslab.labelsOf" -}}
{{- $root := index . 0 -}}
{{ include "eoslab.selectorLabelsOf" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end -}}

{{/* Of all that is not the chaos controller's. */}}
{{- define "eoslab.labels" -}}
{{ include "eoslab.labelsOf" (list . "operator") }}
{{- end -}}

{{/* Namespaces that the operator watches, separated by commas; empty means all. */}}
{{- define "eoslab.watchNamespaces" -}}
{{- if .Values.watchNamespaces -}}
{{- join "," .Values.watchNamespaces -}}
{{- else if eq .Values.rbac.scope "namespaced" -}}
{{- .Release.Namespace -}}
{{- end -}}
{{- end -}}

{{/* Namespaces in which the chaos controller has rights, separated by commas. */}}
{{- define "eoslab.chaosNamespaces" -}}
{{- if not .Values.chaos.namespaces -}}
{{- fail "chaos.namespaces: is empty although chaos.enabled is true; name the namespaces of the LoadTests and of their Kafka and Redis, for instance --set 'chaos.namespaces={default,kafka}'" -}}
{{- end -}}
{{- join "," .Values.chaos.namespaces -}}
{{- end -}}

{{/* What the operator may do: each rule is used, and no verb is a wildcard. */}}
{{- define "eoslab.operatorRules" -}}
# The runs: read them, hold them by a finalizer until topic and ledger are gone, write what is observed. With rate search
# a run makes others and deletes them.
- apiGroups: [eoslab.dev]
  resources: [loadtests]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [eoslab.dev]
  resources: [loadtests/status]
  verbs: [patch]
# Asked of who owns by a LoadTest what blocks its deletion, on clusters that enforce it.
- apiGroups: [eoslab.dev]
  resources: [loadtests/finalizers]
  verbs: [update]
# What was injected into a run stands in its report.
- apiGroups: [eoslab.dev]
  resources: [chaosruns]
  verbs: [list]
# What a run is made of. What is not deleted here goes with its LoadTest.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, create, patch]
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [create, patch]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [create, patch]
# Slots and schedule. Load pods are granted get, list and update, which only one who holds them may grant.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, list, create, patch, update, delete]
# Readiness and the reasons of pods that do not work; get is granted to load pods.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
# The Secret that a LoadTest names for Redis: read by name, never listed.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
{{- end -}}

{{/* What the chaos controller may do in a namespace: each rule is used, and no verb is a wildcard. */}}
{{- define "eoslab.chaosRules" -}}
# The experiments: read them, hold them by a finalizer until all is healed, write what is observed.
- apiGroups: [eoslab.dev]
  resources: [chaosruns]
  verbs: [get, list, watch, patch]
- apiGroups: [eoslab.dev]
  resources: [chaosruns/status]
  verbs: [get, patch]
# The run under fault: its state, and its number of counters.
- apiGroups: [eoslab.dev]
  resources: [loadtests]
  verbs: [get, list, watch]
- apiGroups: [eoslab.dev]
  resources: [loadtests/scale]
  verbs: [get, patch]
# Whether the namespace itself carries the label that allows faults. A Role reaches its own namespace alone.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
# The faults: delete a pod, signal a process in it. An exec over a WebSocket is a GET to some API servers.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, delete]
- apiGroups: [""]
  resources: [pods/exec]
  verbs: [create, get]
# Rolling restarts.
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [get, list, patch]
- apiGroups: [core.strimzi.io]
  resources: [strimzipodsets]
  verbs: [get, list, patch]
# Which pod holds which slot.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, list]
# The Secret that a LoadTest names for Redis: read by name, never listed.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
