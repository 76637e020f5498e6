#!/usr/bin/env bash
# A rolling restart of three counters under load, with each kind of group membership in turn, and what it cost side by side.
# On the embedded cluster, about eight minutes. Usage: membership.sh
set -euo pipefail
cd "$(dirname "$0")/.."
. deploy/steps.sh
. deploy/cluster.sh

# Name, and what is set in spec.counter.
arms=(
  'classic-static-cooperative {}'
  'classic-dynamic-cooperative {"staticMembership": false}'
  'classic-dynamic-range {"staticMembership": false, "assignor": "range"}'
  'consumer-static {"protocol": "consumer"}'
  'consumer-dynamic {"protocol": "consumer", "staticMembership": false}'
)

manifest() { # name counter
  cat <<T
apiVersion: eoslab.dev/v1alpha1
kind: LoadTest
metadata: {name: $1}
spec:
  kafka: {bootstrapServers: "lab-kafka-bootstrap.kafka.svc:9092"}
  topic: {name: $1, partitions: 12}
  stream: {accounts: 1000000}
  producer: {replicas: 2, rate: 5000, events: 350000}
  counter: {"replicas": 3, ${2#\{}
  ledger: {redis: {urlSecretRef: {name: lab-redis}}}
---
apiVersion: eoslab.dev/v1alpha1
kind: ChaosRun
metadata: {name: $1}
spec:
  loadTest: $1
  faults: [{type: RollingRestart}]
T
}

of() { # kind name path
  kubectl -n kafka get "$1" "$2" -o jsonpath="{.status.$3}"
}

row() { # name
  local injection='injections[0].' value
  printf '%-28s %9s %11s %9s %11s %13s  %s\n' "$1" \
    "$(value=$(of chaosrun "$1" "${injection}rebalances"); echo "${value:-0}")" \
    "$(of chaosrun "$1" "${injection}readyMs") ms" "$(of loadtest "$1" pauses.count)" \
    "$(of loadtest "$1" pauses.longestMs) ms" "$(of loadtest "$1" pauses.totalMs) ms" "$(of chaosrun "$1" verdict)"
}

use_cluster
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0
rows=()
for arm in "${arms[@]}"; do
  name=${arm%% *}
  manifest "$name" "${arm#* }" >"$work/$name.yaml"
  step "$name" deploy/run-chaos.sh "$work/$name.yaml" kafka >&2 || status=$?
  rows+=("$(row "$name")")
  kubectl -n kafka delete -f "$work/$name.yaml" --timeout=120s >/dev/null
done
printf '%-28s %9s %11s %9s %11s %13s  %s\n' MEMBERSHIP REBAL READY PAUSES LONGEST STANDSTILL VERDICT
printf '%s\n' "${rows[@]}"
cat <<'T'

REBAL: assignments and revocations of partitions that the counters saw, the first of a new process left out. READY: until all
three were replaced and ready. PAUSES: times that a partition stood still although events waited; STANDSTILL: their sum.
T
exit "$status"
