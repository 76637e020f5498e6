#!/usr/bin/env bash
# Builds the binaries, makes an image of them on the embedded cluster and installs the chart with it. Faults are allowed
# in the namespaces of the examples, of the end-to-end tests and of the controllers.
set -euo pipefail
cd "$(dirname "$0")/.."
. deploy/steps.sh

lab=deploy/embedded/lab
KUBECONFIG=$($lab kubeconfig)
PATH=$($lab bin-path):$PATH
export KUBECONFIG PATH

binaries=(operator loadgen counter chaos)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

step 'build the binaries' deploy/build.sh
cp "${binaries[@]/#/target/release/}" "$stage"
# kubectl finds its plugins on the PATH.
install -m 755 target/release/kubectl-eoslab "$($lab bin-path)"
image=$(step 'make the image' "$lab" load-eoslab "$stage" | tail -n 1)
chaos_namespaces=(default kafka eoslab-chaos eoslab-system)
allow_faults() {
  local namespace
  for namespace in "${chaos_namespaces[@]}"; do
    { kubectl get namespace "$namespace" >/dev/null 2>&1 || kubectl create namespace "$namespace" >/dev/null; } &&
      kubectl label --overwrite namespace "$namespace" eoslab.dev/chaos=allowed >/dev/null || return
  done
}
step 'allow faults' allow_faults
step 'install the chart' helm upgrade --install eoslab charts/eoslab \
  --namespace eoslab-system --create-namespace --wait --timeout 120s \
  --set image.repository="${image%:*}" --set-string image.tag="${image##*:}" --set image.pullPolicy=Never \
  --set chaos.enabled=true --set "chaos.namespaces={$(IFS=,; echo "${chaos_namespaces[*]}")}"
