#!/usr/bin/env bash
# Checks what can be checked of the way over kind and Strimzi without Docker:
#   kind-config.yaml    decoded by kind's own types
#   kafka.yaml          against Strimzi's own definitions, generated from its published jars, by a real API server
#   redis.yaml          by a real API server, and with the names of the embedded one
#   kind-up.sh          with stand-ins for docker, kind, helm and kubectl
#   Dockerfile          copies every crate of the workspace
# Leaves nothing on the cluster. Needs kubectl with a cluster, Go, Maven and Python.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail
cd "$(dirname "$0")"
# For `cached`, and for the Java runtime that the embedded brokers have: the generator needs Java 21.
# shellcheck source=../embedded/lib.sh
. ../embedded/lib.sh
# shellcheck source=../embedded/images.sh
. ../embedded/images.sh

namespace=eoslab-strimzi-check-$$
work=$(mktemp -d)
made=()
cleanup() {
  kubectl delete namespace "$namespace" --ignore-not-found --wait=false >/dev/null
  [ ${#made[@]} -eq 0 ] || kubectl delete "${made[@]}" --wait=false >/dev/null
  rm -rf "$work"
}
trap cleanup EXIT

fail() {
  printf 'deploy/strimzi/check.sh: %s\n' "$*" >&2
  exit 1
}

# --- without a cluster ----------------------------------------------------------------------------------------

(cd check/kind && CGO_ENABLED=0 GOWORK=off go build -mod=readonly -o "$work/check-kind" .)
"$work/check-kind" ../../kind-config.yaml
printf 'kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnode: []\n' >"$work/wrong-kind.yaml"
if "$work/check-kind" "$work/wrong-kind.yaml" 2>/dev/null; then fail 'a wrong kind configuration is accepted'; fi

check/kind_up.sh

members=$(sed -n 's/^members = \[\(.*\)\]/\1/p' ../../Cargo.toml | tr -d '",')
for member in $members; do
  grep -qx "COPY $member $member" ../../Dockerfile || fail "the Dockerfile does not copy $member"
  grep -qx "!$member" ../../.dockerignore || fail ".dockerignore hides $member"
done

# --- Strimzi's definitions ------------------------------------------------------------------------------------

crds_dir() { echo "$CACHE/strimzi-crds-$(key_of "$(java_dir)" "@check/crds/pom.xml")"; }

make_crds() { # directory
  logged strimzi-jars mvn -q -B -f check/crds/pom.xml dependency:copy-dependencies -DoutputDirectory="$1/libs" \
    -DincludeScope=runtime || return 1
  local model=io.strimzi.api.kafka.model
  "$(java_dir)/java/bin/java" -cp "$1/libs/*" io.strimzi.crdgenerator.CrdGenerator --yaml --target-kube 1.30+ \
    "$model.kafka.Kafka=$1/kafka.yaml" "$model.nodepool.KafkaNodePool=$1/kafkanodepool.yaml" || return 1
  # With wrong arguments the generator writes nothing and is content.
  [ -s "$1/kafka.yaml" ] && [ -s "$1/kafkanodepool.yaml" ] && cp "$1"/libs/api-*.jar "$1/strimzi-api.jar" && rm -r "$1/libs"
}

cached "$(java_dir)" make_java || fail 'cannot get the Java runtime'
cached "$(crds_dir)" make_crds || fail "cannot generate Strimzi's definitions"
crds=$(crds_dir)

# --- with a cluster -------------------------------------------------------------------------------------------

kubectl get --raw /readyz >/dev/null || fail "kubectl reaches no cluster; make up, and set KUBECONFIG to what make -s kubeconfig prints"
for definition in kafkas kafkanodepools; do
  kubectl get crd "$definition.kafka.strimzi.io" >/dev/null 2>&1 || made+=("crd/$definition.kafka.strimzi.io")
done
if [ ${#made[@]} -gt 0 ]; then
  kubectl apply --server-side -f "$crds/kafka.yaml" -f "$crds/kafkanodepool.yaml" >/dev/null
  # Right after they were made they have no conditions yet, which `wait` takes for an error.
  wait_for 30 "Strimzi's definitions" kubectl wait --for=condition=Established "${made[@]}" --timeout=5s
fi

kubectl create namespace "$namespace" >/dev/null
kubectl label namespace "$namespace" pod-security.kubernetes.io/warn=restricted >/dev/null
# In a namespace of its own: on the embedded cluster objects of these names exist.
here() { sed "s/namespace: kafka/namespace: $namespace/" "$@"; }
strictly() { kubectl apply --server-side --dry-run=server --validate=strict "$@"; }

accepted() { # file
  here "$1" | strictly -f - -o json >"$work/accepted.json" 2>"$work/said" || fail "$1: $(cat "$work/said")"
  [ ! -s "$work/said" ] || fail "$1: the API server warns: $(cat "$work/said")"
}
# A new definition is served a moment later.
wait_for 30 'kafkas and kafkanodepools' bash -c "kubectl -n $namespace get kafkas,kafkanodepools"
accepted namespace.yaml
accepted redis.yaml
accepted kafka.yaml
python3 check/broker_config.py "$work/accepted.json" ../embedded/manifests/kafka/server.properties "$crds/strimzi-api.jar"

wrong=0
while IFS= read -r -d '' document; do
  wrong=$((wrong + 1))
  if here <<<"$document" | strictly -f - >/dev/null 2>&1; then fail "is accepted, and is wrong: $document"; fi
done < <(awk 'BEGIN { RS = "---\n" } { printf "%s%c", $0, 0 }' check/wrong.yaml)
[ "$wrong" = 5 ] || fail "check/wrong.yaml holds $wrong documents"
echo "Strimzi: kafka.yaml is accepted, $wrong wrong manifests are refused"

names() { kubectl create --dry-run=client -o name -f "$1" | sort; }
render ../embedded/manifests/redis.yaml >"$work/redis.yaml"
diff <(names redis.yaml) <(names "$work/redis.yaml") || fail 'redis.yaml has other names than the embedded one'
settings() { sed -n '/redis.conf: |/,/^---/p' "$1"; }
diff <(settings redis.yaml) <(settings "$work/redis.yaml") || fail 'redis.yaml configures Redis otherwise than the embedded one'
echo 'Redis: names and configuration are those of the embedded one'
