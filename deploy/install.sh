#!/usr/bin/env bash
# Builds the binaries, makes an image of them on the embedded cluster and installs the chart with it.
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

step 'build the binaries' cargo build --release --quiet "${binaries[@]/#/--bin=}"
cp "${binaries[@]/#/target/release/}" "$stage"
image=$(step 'make the image' "$lab" load-eoslab "$stage" | tail -n 1)
step 'install the chart' helm upgrade --install eoslab charts/eoslab \
  --namespace eoslab-system --create-namespace --wait --timeout 120s \
  --set image.repository="${image%:*}" --set-string image.tag="${image##*:}" --set image.pullPolicy=Never
