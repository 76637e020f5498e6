#!/usr/bin/env bash
# The main job on the embedded cluster: one LoadTest from nothing to its verdict. The cluster stays up.
set -euo pipefail
cd "$(dirname "$0")/.."
. deploy/steps.sh

lab=deploy/embedded/lab
# Go compiles the node and Rust the binaries, and each leaves a core idle at times: both at once. Go has less
# to do, so that the cluster can start beside the long end of Rust's, which is on one core.
deploy/build.sh &
build=$!
trap 'kill "$build" 2>/dev/null || true' EXIT
step 'embedded cluster' "$lab" up
step 'the binaries' wait "$build"
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
