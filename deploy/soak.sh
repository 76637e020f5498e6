#!/usr/bin/env bash
# Every fault many times over against one LoadTest under load, on the embedded cluster: one ChaosRun for each type, one
# after another, and a table of what they cost. Exit 0 if every run passed.
# Usage: soak.sh [--repeat N] [--rate EVENTS_PER_S]   (10 and 2000)
set -euo pipefail
cd "$(dirname "$0")/.."
. deploy/steps.sh
. deploy/cluster.sh

repeat=10 rate=2000
while [ $# -gt 0 ]; do
  case $1 in
    --repeat) repeat=$2 ;;
    --rate) rate=$2 ;;
    *) sed -n '2,4s/^# //p' "$0"; exit 2 ;;
  esac
  shift 2
done

# Ten faults take 2 minutes on two busy cores; the LoadTest could go on for four times that, and is stopped after the last.
limit_s=$((repeat * 480 + 600))

# Name of the ChaosRun, and its fault.
faults=(
  'kill-broker {"type": "KillBroker", "target": {"leaderOf": 0}}'
  'stop-broker {"type": "StopBroker"}'
  'pause-broker {"type": "PauseBroker", "pauseSeconds": 5}'
  'kill-counter {"type": "KillCounter"}'
  'pause-counter {"type": "PauseCounter"}'
  'rolling-restart {"type": "RollingRestart"}'
  'scale-counters {"type": "ScaleCounters", "replicas": 3}'
  'kill-producer {"type": "KillProducer"}'
  'kill-redis {"type": "KillRedis"}'
  'kill-operator {"type": "KillOperator"}'
)

k() { kubectl -n kafka "$@"; }

apply_loadtest() {
  k delete chaosrun -l eoslab.dev/soak --ignore-not-found --timeout=120s &&
    k delete loadtest soak --ignore-not-found --timeout=120s &&
    k apply -f - <<T
apiVersion: eoslab.dev/v1alpha1
kind: LoadTest
metadata: {name: soak}
spec:
  kafka: {bootstrapServers: "lab-kafka-bootstrap.kafka.svc:9092"}
  topic: {name: soak, partitions: 12}
  stream: {accounts: 1000000}
  producer: {replicas: 2, lingerMs: 250, rate: $rate, events: $((rate * limit_s))}
  counter: {replicas: 2, sessionTimeoutMs: 6000}
  ledger: {redis: {urlSecretRef: {name: lab-redis}}}
T
}

inject() { # name fault
  local now last=
  k apply -f - <<T || return
apiVersion: eoslab.dev/v1alpha1
kind: ChaosRun
metadata: {name: soak-$1, labels: {eoslab.dev/soak: ""}}
spec:
  loadTest: soak
  steadyState: {seconds: 1}
  stopOnFailure: false
  faults: [{"repeat": $repeat, ${2#\{}]
T
  until now=$(k get chaosrun "soak-$1" -o jsonpath='{.status.phase} {.status.progress}') &&
    [[ $now == Judging* || $now == Finished* ]]; do
    [ "$now" = "$last" ] || printf '           %s\n' "$now" >&2
    last=$now
    sleep 1
    ((SECONDS < began + limit_s)) || { printf 'no end after %d s\n' "$SECONDS" >&2; return 1; }
  done
}

stop_loadtest() {
  k patch loadtest soak --type=merge -p '{"spec":{"stop":true}}'
}

verdicts() {
  stop_loadtest &&
    k wait loadtest/soak --for=condition=Complete --timeout=15m &&
    k wait chaosrun -l eoslab.dev/soak --for=condition=Complete --timeout=5m
}

use_cluster
began=$SECONDS
step 'LoadTest' apply_loadtest
trap stop_loadtest EXIT
for fault in "${faults[@]}"; do
  step "${fault%% *}" inject "${fault%% *}" "${fault#* }"
done
trap - EXIT
step 'verdicts' verdicts
print_steps
k get loadtest soak -o go-template-file=deploy/loadtest-table.tmpl
k get chaosrun -l eoslab.dev/soak --sort-by=.metadata.creationTimestamp -o go-template-file=deploy/soak-table.tmpl
! k get chaosrun -l eoslab.dev/soak -o jsonpath='{range .items[*]}{.status.verdict}{"\n"}{end}' | grep -v '^Pass$'
