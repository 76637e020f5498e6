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

{{/* Labels that never change: selectors are made of them. */}}
{{- define "eoslab.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "eoslab.labels" -}}
{{ include "eoslab.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* Namespaces that the operator watches, separated by commas; empty means all. */}}
{{- define "eoslab.watchNamespaces" -}}
{{- if .Values.watchNamespaces -}}
{{- join "," .Values.watchNamespaces -}}
{{- else if eq .Values.rbac.scope "namespaced" -}}
{{- .Release.Namespace -}}
{{- end -}}
{{- end -}}

{{/* What the operator may do: each rule is used, and no verb is a wildcard. */}}
{{- define "eoslab.operatorRules" -}}
# The runs: read them, hold them by a finalizer until topic and ledger are gone, write what is observed.
- apiGroups: [eoslab.dev]
  resources: [loadtests]
  verbs: [get, list, watch, patch]
- apiGroups: [eoslab.dev]
  resources: [loadtests/status]
  verbs: [patch]
# Asked of who owns by a LoadTest what blocks its deletion, on clusters that enforce it.
- apiGroups: [eoslab.dev]
  resources: [loadtests/finalizers]
  verbs: [update]
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
