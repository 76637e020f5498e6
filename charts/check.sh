#!/usr/bin/env bash
# Checks the chart: lint, the values' table and schema, and every rendered object against the API server that kubectl
# points to. Leaves nothing there. Usage: charts/check.sh (needs helm, kubectl, python3).
set -euo pipefail
cd "$(dirname "$0")"

namespace=eoslab-chart-check-$$
# Of a release of its own: the lock is cluster-wide, and eoslab may be installed here.
release=eoslab-check-$$
chaos=$release-chaos
work=$(mktemp -d)
made_crd=
cleanup() {
  rm -rf "$work"
  kubectl delete namespace "$namespace" --ignore-not-found --wait=false >/dev/null
  kubectl delete validatingadmissionpolicybinding,validatingadmissionpolicy "$chaos" --ignore-not-found >/dev/null
  [ -z "$made_crd" ] || kubectl delete crd loadtests.eoslab.dev --wait=false >/dev/null
}
trap cleanup EXIT

fail() {
  printf 'charts/check.sh: %s\n' "$*" >&2
  exit 1
}

version=$(kubectl get --raw /version | python3 -c 'import json, sys; print(json.load(sys.stdin)["gitVersion"])')
render() { helm template eoslab eoslab --namespace "$namespace" --kube-version "$version" "$@"; }

# --- values ---------------------------------------------------------------------------------------------------

helm lint --quiet --strict eoslab
./values-table.py --check

refused=(
  image.pullPolicy=Sometimes image.tagg=x image.repository= crds.enabled=maybe rbac.scope=galaxy
  'watchNamespaces={Not_A_Name}' log.format=xml resources.limit.memory=1Gi podAnnotations.a=1 extra=1
  chaos.enabled=maybe 'chaos.namespaces={Not_A_Name}' chaos.replicas=2 chaos.resources.limit.memory=1Gi
  metrics.consumerGroupLag=maybe metrics.podMonitor.interval=5 metrics.prometheusRule.labels.a.b=1 metrics.alerts=true
  dashboards.enabled=maybe dashboards.namespace=Not_A_Name dashboards.label= dashboards.folder=x
)
for value in "${refused[@]}"; do
  if render --set "$value" >/dev/null 2>&1; then fail "--set $value is accepted"; fi
done

said=$(render --set chaos.enabled=true 2>&1) && fail 'chaos is enabled without namespaces'
[[ $said == *'chaos.namespaces: is empty'* ]] || fail "chaos without namespaces: $said"

# --- objects --------------------------------------------------------------------------------------------------

kubectl create namespace "$namespace" >/dev/null
kubectl label namespace "$namespace" pod-security.kubernetes.io/warn=restricted >/dev/null

variants=(
  ''
  '--set image.repository=registry.example:5000/team/eoslab,image.tag=1.2.3,image.pullPolicy=Always'
  "--set rbac.scope=namespaced,watchNamespaces={$namespace,default}"
  '--set rbac.scope=namespaced,rbac.aggregate=false,crds.keep=false'
  '--set crds.enabled=false,serviceAccount.name=judge,serviceAccount.annotations.a=b,log.format=json'
  '--set priorityClassName=system-cluster-critical,podAnnotations.a=b,nodeSelector.disk=ssd,tolerations[0].operator=Exists'
  '--set affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution=null,watchNamespaces={kafka}'
  "--set chaos.enabled=true,chaos.namespaces={$namespace,default}"
  "--set chaos.enabled=true,chaos.namespaces={$namespace},rbac.scope=namespaced,log.format=json,chaos.resources.limits.cpu=1"
  '--set metrics.consumerGroupLag=false,dashboards.enabled=true'
  "--set dashboards.enabled=true,dashboards.namespace=$namespace,dashboards.labelValue=1,dashboards.annotations.folder=eoslab"
)
for variant in "${variants[@]}"; do
  # shellcheck disable=SC2086 # each variant is words
  render $variant >"$work/objects.yaml"
  kubectl apply --server-side --force-conflicts --dry-run=server --validate=strict -f "$work/objects.yaml" \
    >"$work/applied" 2>"$work/said" || fail "with '$variant': $(cat "$work/said")"
  [ ! -s "$work/said" ] || fail "with '$variant' the API server warns: $(cat "$work/said")"
done

has() { grep -qF -- "$1" "$work/objects.yaml" || fail "with '$2' there is no: $1"; }
has_not() { if grep -qF -- "$1" "$work/objects.yaml"; then fail "with '$2' there is: $1"; fi; }
check() { # values, then what must be there; ! before what must not
  local values=$1 text
  shift
  # shellcheck disable=SC2086
  render $values >"$work/objects.yaml"
  for text in "$@"; do
    case $text in
      '! '*) has_not "${text#! }" "$values" ;;
      *) has "$text" "$values" ;;
    esac
  done
}
check '' 'helm.sh/resource-policy: keep' 'kind: ClusterRoleBinding' 'value: "eoslab:0.1.0"' 'aggregate-to-view'
check '--set crds.keep=false' 'kind: CustomResourceDefinition' '! helm.sh/resource-policy'
check '--set crds.enabled=false' '! kind: CustomResourceDefinition'
check '--set rbac.scope=namespaced,rbac.aggregate=false' "value: \"$namespace\"" '! kind: ClusterRole'
check '' 'shareProcessNamespace: true' '! name: eoslab-chaos' '! pods/exec' '! ValidatingAdmissionPolicy'
check '--set chaos.enabled=true,chaos.namespaces={a,b}' 'command: ["chaos","controller"]' 'value: "a,b"' \
  'namespace: a' 'namespace: b' 'kind: ValidatingAdmissionPolicyBinding'
check '--set chaos.enabled=true,chaos.namespaces={a},rbac.scope=namespaced,rbac.aggregate=false' '! kind: ClusterRole'
check '--set image.tag=123456789012' 'image: "eoslab:123456789012"' 'value: "eoslab:123456789012"'

# --- monitoring -----------------------------------------------------------------------------------------------

# The Prometheus Operator's kinds are not served here, so these are compared as text.
check '' '! kind: PodMonitor' '! kind: PrometheusRule' '! grafana_dashboard' 'value: "true"'
check '--set metrics.consumerGroupLag=false' 'value: "false"'
check '--set metrics.podMonitor.enabled=true,metrics.podMonitor.labels.release=prometheus,metrics.podMonitor.interval=30s' \
  'release: prometheus' 'interval: 30s' 'honorLabels: true' 'any: true' 'targetLabel: loadtest' 'targetLabel: role'
check '--set metrics.podMonitor.enabled=true,metrics.podMonitor.loadTests=false' 'honorLabels: true' '! any: true'
check '--set metrics.podMonitor.enabled=true,rbac.scope=namespaced,watchNamespaces={a}' 'matchNames:' '! any: true'
check '--set metrics.prometheusRule.enabled=true,metrics.prometheusRule.labels.release=prometheus' 'release: prometheus'
check '--set metrics.prometheusRule.enabled=true,metrics.prometheusRule.kafka=false' \
  'alert: EoslabOperatorDown' '! alert: EoslabIsrShrinking'
check '--set dashboards.enabled=true,dashboards.namespace=grafana,dashboards.annotations.folder=eoslab' \
  'namespace: grafana' 'grafana_dashboard: "1"' 'folder: eoslab'

# The rules and dashboards that are tested are the ones that are installed.
render --set metrics.prometheusRule.enabled=true -s templates/prometheusrules.yaml |
  awk '/^---/ { inside = 0 } inside { print substr($0, 3) } /^spec:/ { inside = 1 }' |
  diff - <(cat eoslab/files/rules/eoslab.yaml eoslab/files/rules/kafka.yaml) || fail 'the PrometheusRules are not the rules'
render --set dashboards.enabled=true -s templates/dashboards.yaml |
  kubectl create --dry-run=client -o 'go-template={{range .data}}{{.}}{{end}}' -f - |
  diff - <(cat eoslab/files/dashboards/*.json) || fail 'the ConfigMaps do not hold the dashboards'

# --- rights ---------------------------------------------------------------------------------------------------

render --set crds.enabled=false,rbac.scope=namespaced,rbac.aggregate=false -s templates/rbac.yaml \
  -s templates/serviceaccount.yaml | kubectl apply -f - >/dev/null
helm template "$release" eoslab --namespace "$namespace" --kube-version "$version" \
  --set "chaos.enabled=true,chaos.namespaces={$namespace}" -s templates/chaos-rbac.yaml -s templates/chaos-lock.yaml |
  kubectl apply -f - >/dev/null

can() { # account, namespace, verb, resource[.group][/subresource]
  local resource=${4%%/*} subresource='' group='' allowed
  [ "$resource" = "$4" ] || subresource=${4#*/}
  [ "${resource#*.}" = "$resource" ] || group=${resource#*.}
  # Not `kubectl auth can-i`, which wants to know every resource.
  allowed=$(kubectl create -o jsonpath='{.status.allowed}' -f - <<REVIEW
apiVersion: authorization.k8s.io/v1
kind: SubjectAccessReview
spec:
  user: system:serviceaccount:$namespace:$1
  groups: [system:authenticated, system:serviceaccounts, "system:serviceaccounts:$namespace"]
  resourceAttributes:
    {namespace: $2, verb: $3, resource: ${resource%%.*}, group: "$group", subresource: "$subresource"}
REVIEW
  )
  [ "$allowed" = true ]
}
may() { # account, namespace, rights...
  local account=$1 where=$2 right
  shift 2
  for right in "$@"; do
    # shellcheck disable=SC2086 # verb and resource
    can "$account" "$where" $right || fail "$account may not $right in $where"
  done
}
may_not() { # account, namespace, rights...
  local account=$1 where=$2 right
  shift 2
  for right in "$@"; do
    # shellcheck disable=SC2086
    if can "$account" "$where" $right; then fail "$account may $right in $where"; fi
  done
}

nobodys=(
  'list secrets' 'watch secrets' 'create secrets' 'delete configmaps' 'list configmaps' 'create pods'
  'create pods/eviction' 'update loadtests.eoslab.dev'
  'escalate roles.rbac.authorization.k8s.io' 'bind roles.rbac.authorization.k8s.io' 'impersonate users'
  'create clusterroles.rbac.authorization.k8s.io' 'get nodes' 'create serviceaccounts/token' 'update namespaces'
)
may eoslab-operator "$namespace" 'create loadtests.eoslab.dev' 'delete loadtests.eoslab.dev' \
  'patch loadtests.eoslab.dev' 'patch loadtests.eoslab.dev/status' \
  'create deployments.apps' 'create jobs.batch' 'create leases.coordination.k8s.io' \
  'create roles.rbac.authorization.k8s.io' 'get secrets' 'create events.events.k8s.io' 'list pods'
may_not eoslab-operator "$namespace" "${nobodys[@]}" 'delete pods' 'create pods/exec' 'get pods/exec' \
  'patch chaosruns.eoslab.dev'
may_not eoslab-operator default 'get secrets' 'create leases.coordination.k8s.io'

disturbs=(
  'delete pods' 'create pods/exec' 'get pods/exec' 'patch deployments.apps' 'patch statefulsets.apps'
  'patch strimzipodsets.core.strimzi.io' 'patch loadtests.eoslab.dev/scale'
)
may "$chaos" "$namespace" "${disturbs[@]}" 'watch chaosruns.eoslab.dev' 'patch chaosruns.eoslab.dev' \
  'patch chaosruns.eoslab.dev/status' 'watch loadtests.eoslab.dev' 'watch pods' 'list leases.coordination.k8s.io' \
  'get secrets' 'create events.events.k8s.io'
may_not "$chaos" "$namespace" "${nobodys[@]}" 'deletecollection pods' 'create pods/attach' 'patch pods' \
  'create chaosruns.eoslab.dev' 'delete chaosruns.eoslab.dev' \
  'create loadtests.eoslab.dev' 'delete loadtests.eoslab.dev' 'patch loadtests.eoslab.dev' \
  'patch loadtests.eoslab.dev/status' 'create deployments.apps' 'delete deployments.apps' \
  'patch leases.coordination.k8s.io' 'delete leases.coordination.k8s.io' \
  'create rolebindings.rbac.authorization.k8s.io' 'patch namespaces' 'list namespaces' \
  'delete validatingadmissionpolicies.admissionregistration.k8s.io'
may_not "$chaos" default "${disturbs[@]}" 'get secrets' 'list chaosruns.eoslab.dev'

# --- the lock -------------------------------------------------------------------------------------------------

as_chaos() { kubectl -n "$namespace" --as "system:serviceaccount:$namespace:$chaos" "$@" 2>&1; }
said=$(as_chaos get namespace "$namespace") || fail "the chaos controller cannot read its namespace's label: $said"
if as_chaos get namespace default >/dev/null; then fail "the chaos controller can read another namespace"; fi

# It never runs: no node has such a label.
kubectl create -n "$namespace" -f - >/dev/null 2>&1 <<'POD'
apiVersion: v1
kind: Pod
metadata: {name: victim}
spec:
  nodeSelector: {eoslab.dev/no-such-node: "true"}
  containers: [{name: victim, image: none}]
POD
kubectl create deployment victim -n "$namespace" --image=none --replicas=0 >/dev/null 2>&1
faults=(
  'delete pod victim --dry-run=server' 'exec victim -- true'
  'patch deployment victim --dry-run=server -p {"metadata":{"annotations":{"a":"b"}}}'
)
# The API server takes a moment to heed a new policy, and a new label.
is_locked() { # fault, locked or not
  local attempt said is
  for attempt in $(seq 100); do
    # shellcheck disable=SC2086 # words
    said=$(as_chaos $1) || true
    is=no
    [[ $said != *'to allow faults: kubectl label namespace'* ]] || is=locked
    [ "$is" != "$2" ] || return 0
    sleep 0.2
  done
  fail "$1 is not as expected ($2) after $attempt attempts: $said"
}
for fault in "${faults[@]}"; do is_locked "$fault" locked; done
kubectl delete pod victim -n "$namespace" --dry-run=server >/dev/null ||
  fail 'the lock stops others than the chaos controller'
kubectl label namespace "$namespace" eoslab.dev/chaos=allowed >/dev/null
for fault in "${faults[@]}"; do is_locked "$fault" no; done
kubectl label namespace "$namespace" --overwrite eoslab.dev/chaos=enabled >/dev/null
for fault in "${faults[@]}"; do is_locked "$fault" locked; done

# --- the definition -------------------------------------------------------------------------------------------

if ! kubectl get crd loadtests.eoslab.dev >/dev/null 2>&1; then
  made_crd=yes
  kubectl apply --server-side -f eoslab/files/crds/loadtests.yaml >/dev/null
  kubectl wait --for=condition=Established crd/loadtests.eoslab.dev --timeout=30s >/dev/null
fi
# The API server takes a moment to serve a new definition.
for _ in $(seq 50); do
  kubectl get loadtests -n "$namespace" >/dev/null 2>&1 && break
  sleep 0.2
done
# Suspended, so that an operator that runs already leaves it alone.
kubectl create -n "$namespace" -f ../deploy/examples/smoke.yaml --dry-run=client -o json |
  python3 -c 'import json, sys; o = json.load(sys.stdin); o["spec"]["suspend"] = True; json.dump(o, sys.stdout)' |
  kubectl create -n "$namespace" -f - >/dev/null
patch() { kubectl patch loadtest smoke -n "$namespace" --type=merge -p "$1" --dry-run=server 2>&1; }
for change in '{"spec":{"suspend":false}}' '{"spec":{"stop":true}}' '{"spec":{"abort":true}}' '{"spec":{"counter":{"replicas":4}}}'; do
  patch "$change" >/dev/null || fail "$change is refused: $(patch "$change")"
done
for change in '{"spec":{"producer":{"rate":1}}}' '{"spec":{"slo":{"maxLagRecords":1}}}' \
  '{"spec":{"counter":{"mode":"at-least-once"}}}'; do
  said=$(patch "$change") && fail "$change is accepted"
  [[ $said == *'create a new LoadTest'* ]] || fail "$change: $said"
done
kubectl scale loadtest smoke -n "$namespace" --replicas=3 >/dev/null
replicas=$(kubectl get loadtest smoke -n "$namespace" -o jsonpath='{.spec.counter.replicas}')
[ "$replicas" = 3 ] || fail "after kubectl scale there are $replicas counters"
kubectl get loadtests -n "$namespace" --field-selector status.verdict=Pass >/dev/null 2>&1 ||
  fail "LoadTests cannot be selected by their verdict"
# No pipe: a reader that leaves at its first match would kill kubectl.
said=$(kubectl explain loadtest.spec.producer.rate)
[[ $said == *'Events a second'* ]] || fail "kubectl explain says: $said"
kubectl delete loadtest smoke -n "$namespace" --timeout=60s >/dev/null
echo 'chart: lint, values, objects, rights, lock and definition are right'
