#!/usr/bin/env bash
# Everything dies, one after another, under load: cluster, eoslab, deploy/examples/chaos.yaml, its verdict.
set -euo pipefail
cd "$(dirname "$0")/.."
. deploy/steps.sh
. deploy/cluster.sh

use_cluster
status=0
step 'faults' deploy/run-chaos.sh "${1:-deploy/examples/chaos.yaml}" kafka || status=$?
print_steps
exit "$status"
