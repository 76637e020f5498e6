# shellcheck shell=bash
# The embedded cluster with eoslab on it, and kubectl that points there. Run from the top, after steps.sh.

use_cluster() {
  local lab=deploy/embedded/lab
  step 'embedded cluster' "$lab" up
  step 'eoslab' deploy/install.sh
  KUBECONFIG=$("$lab" kubeconfig)
  PATH=$("$lab" bin-path):$PATH
  export KUBECONFIG PATH
}
