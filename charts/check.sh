#!/usr/bin/env bash
# Checks the chart: lint, the values' table and schema, and every rendered object against the API server that kubectl
# points to. Leaves nothing there. Usage: charts/check.sh (needs helm, kubectl, python3).
set -euo pipefail
cd "$(dirname "$0")"

namespace=eoslab-chart-check-$$
work=$(mktemp -d)
made_crd=
cleanup() {
  rm -rf "$work"
  kubectl delete namespace "$namespace" --ignore-not-found --wait=false >/dev/null
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
)
for value in "${refused[@]}"; do
  if render --set "$value" >/dev/null 2>&1; then fail "--set $value is accepted"; fi
done

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
check '--set image.tag=123456789012' 'image: "eoslab:123456789012"' 'value: "eoslab:123456789012"'

# --- rights ---------------------------------------------------------------------------------------------------

render --set crds.enabled=false,rbac.scope=namespaced,rbac.aggregate=false -s templates/rbac.yaml \
  -s templates/serviceaccount.yaml | kubectl apply -f - >/dev/null
can() { # namespace, verb, resource[/subresource]
  local resource=${3%%/*} subresource=
  [ "$resource" = "$3" ] || subresource=${3#*/}
  kubectl auth can-i --quiet --as "system:serviceaccount:$namespace:eoslab-operator" -n "$1" "$2" "$resource" \
    --subresource="$subresource" 2>/dev/null
}
may=(
  'patch loadtests.eoslab.dev' 'patch loadtests.eoslab.dev/status' 'create deployments.apps' 'create jobs.batch'
  'create leases.coordination.k8s.io' 'create roles.rbac.authorization.k8s.io' 'get secrets'
  'create events.events.k8s.io' 'list pods'
)
may_not=(
  'list secrets' 'watch secrets' 'create secrets' 'delete configmaps' 'list configmaps'
  'delete pods' 'create pods' 'create pods/exec' 'create pods/eviction' 'update loadtests.eoslab.dev'
  'delete loadtests.eoslab.dev' 'create loadtests.eoslab.dev' 'escalate roles.rbac.authorization.k8s.io'
  'bind roles.rbac.authorization.k8s.io' 'impersonate users' 'create clusterroles.rbac.authorization.k8s.io'
  'get nodes' 'create serviceaccounts/token' 'update namespaces'
)
for right in "${may[@]}"; do
  # shellcheck disable=SC2086 # verb and resource
  can "$namespace" $right || fail "the operator may not $right"
done
for right in "${may_not[@]}"; do
  # shellcheck disable=SC2086
  if can "$namespace" $right; then fail "the operator may $right"; fi
done
if can default get secrets || can default create leases.coordination.k8s.io; then
  fail 'with rbac.scope namespaced the operator has rights in another namespace'
fi

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
for change in '{"spec":{"suspend":false}}' '{"spec":{"abort":true}}' '{"spec":{"counter":{"replicas":4}}}'; do
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
echo 'chart: lint, values, objects, rights and definition are right'
