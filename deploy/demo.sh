#!/usr/bin/env bash
# The main job on the embedded cluster: one LoadTest from nothing to its verdict. The cluster stays up.
set -euo pipefail
cd "$(dirname "$0")/.."
. deploy/steps.sh

lab=deploy/embedded/lab
# The node and the binaries need different things (Go and Rust), and each leaves a core idle at times.
step 'embedded cluster' "$lab" up
step 'eoslab' deploy/install.sh
KUBECONFIG=$($lab kubeconfig)
PATH=$($lab bin-path):$PATH
export KUBECONFIG PATH
status=0
step 'LoadTest' deploy/run-loadtest.sh deploy/examples/loadtest.yaml kafka || status=$?
print_steps
cat <<T

The cluster is still up. To look around:
  export KUBECONFIG=\$(make -s kubeconfig) PATH=\$(make -s bin-path):\$PATH
  kubectl -n kafka describe loadtest baseline
To end it: make down
T
exit "$status"
