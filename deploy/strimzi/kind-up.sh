#!/usr/bin/env bash
# From nothing to a verdict on kind: cluster, image, Strimzi, Kafka, Redis, eoslab, one LoadTest. Can be run again.
#
#   EOSLAB_STRIMZI_CHART   where the chart of Strimzi's operator is: an OCI reference, a .tgz file, or the name
#                          repository/chart of a Helm repository that is configured. Not needed when the repository is
#                          configured as `strimzi`.
# shellcheck source-path=SCRIPTDIR
# shellcheck disable=SC2317 # the functions are called by way of `step`, which also takes them out of `set -e`: hence &&
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=../steps.sh
. deploy/steps.sh

strimzi_version=1.2.0
cluster=eoslab

refuse() {
  printf 'eoslab: %s\n' "$1" >&2
  printf '   fix: %s\n' "${@:2}" >&2
  exit 2
}

check_programs() {
  local program missing=()
  for program in docker kind kubectl helm; do
    command -v "$program" >/dev/null || missing+=("$program")
  done
  [ ${#missing[@]} -eq 0 ] || refuse "not installed: ${missing[*]}" 'install them, or use the embedded cluster: make demo'
  docker info >/dev/null 2>&1 || refuse 'Docker does not answer' 'start it, or use the embedded cluster: make demo'
}

# Prints the reference of Strimzi's chart. No address of it is written down here: you say whom you trust.
strimzi_chart() {
  if [ -n "${EOSLAB_STRIMZI_CHART:-}" ]; then
    echo "$EOSLAB_STRIMZI_CHART"
  elif helm repo list 2>/dev/null | awk '$1 == "strimzi" { found = 1 } END { exit !found }'; then
    echo strimzi/strimzi-kafka-operator
  else
    refuse 'I do not know where the Helm chart of Strimzi is' \
      "helm repo add strimzi URL, with the URL from Strimzi's documentation (Installing, Helm); or" \
      'EOSLAB_STRIMZI_CHART=REFERENCE make kind, with an OCI reference or the path of a .tgz'
  fi
}

create_cluster() {
  kind get clusters 2>/dev/null | awk -v name="$cluster" '$1 == name { found = 1 } END { exit !found }' ||
    kind create cluster --config kind-config.yaml --wait 120s || return 1
  kind get kubeconfig --name "$cluster" >"$KUBECONFIG"
}

# The tag is made from the image's own digest, so that a changed image is a changed Deployment.
load_image() {
  docker build --quiet --tag eoslab:build . >/dev/null &&
    id=$(docker image inspect --format '{{.Id}}' eoslab:build) || return 1
  tag=${id#sha256:}
  tag=${tag:0:12}
  docker tag eoslab:build "eoslab:$tag" && kind load docker-image --name "$cluster" "eoslab:$tag"
}

install_strimzi() {
  helm upgrade --install strimzi "$chart" --version "$strimzi_version" --namespace strimzi --create-namespace \
    --set 'watchNamespaces={kafka}' --wait --timeout 300s
}

apply_kafka() {
  kubectl apply -f deploy/strimzi/kafka.yaml -f deploy/strimzi/redis.yaml &&
    kubectl -n kafka wait kafka/lab --for=condition=Ready --timeout=600s &&
    kubectl -n kafka rollout status statefulset/lab-redis --timeout=300s
}

install_eoslab() {
  helm upgrade --install eoslab charts/eoslab --namespace eoslab-system --create-namespace --wait --timeout 120s \
    --set image.repository=eoslab --set-string image.tag="$tag" --set image.pullPolicy=Never
}

check_programs
chart=$(strimzi_chart)
# A kubeconfig of its own: what your kubectl points to stays as it is.
KUBECONFIG=$(mktemp)
export KUBECONFIG
trap 'rm -f "$KUBECONFIG"' EXIT

step 'kind cluster' create_cluster
step 'image' load_image
step 'namespace' kubectl apply -f deploy/strimzi/namespace.yaml
step 'Strimzi' install_strimzi
step 'Kafka and Redis' apply_kafka
step 'eoslab' install_eoslab
status=0
step 'LoadTest' deploy/run-loadtest.sh deploy/examples/loadtest.yaml kafka || status=$?
print_steps
cat <<T

The cluster is still up. To look around:
  kind export kubeconfig --name $cluster
  kubectl -n kafka describe loadtest baseline
To end it: kind delete cluster --name $cluster
T
exit "$status"
