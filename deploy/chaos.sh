#!/usr/bin/env bash
# Everything dies, one after another, under load: cluster, eoslab, deploy/examples/chaos.yaml, its verdict.
set -euo pipefail
cd "$(dirname "$0")/.."
. deploy/steps.sh

lab=deploy/embedded/lab
step 'embedded cluster' "$lab" up
step 'eoslab' deploy/install.sh
KUBECONFIG=$($lab kubeconfig)
PATH=$($lab bin-path):$PATH
export KUBECONFIG PATH
status=0
step 'faults' deploy/run-chaos.sh "${1:-deploy/examples/chaos.yaml}" kafka || status=$?
print_steps
exit "$status"
