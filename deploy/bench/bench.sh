#!/usr/bin/env bash
# Measures eoslab against its rivals on the embedded brokers, all in one run, and prints figures and ratios.
# Usage: bench.sh [--events N] [--rounds N]   (about 7 minutes with the defaults)
set -euo pipefail
cd "$(dirname "$0")/../.."
. deploy/steps.sh

lab=deploy/embedded/lab
# Half as fast, the brokers would be all that is measured.
step 'embedded cluster' env EOSLAB_BROKER_JIT=full "$lab" up
step 'build' cargo build --release --quiet --bin=loadgen --bin=counter --example=generate --example=noop_consumer --example=ledger_bench
mapfile -t tools < <("$lab" kafka-tools)
KUBECONFIG=$("$lab" kubeconfig)
PATH=$("$lab" bin-path):$PATH
export KUBECONFIG PATH
exec python3 deploy/bench/bench.py --java "${tools[0]}" --class-path "${tools[1]}" "$@"
