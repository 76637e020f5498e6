#!/usr/bin/env bash
# Every test: lints, unit and integration tests, chart and manifests, and the end-to-end tests on the embedded cluster.
# The cluster is stopped at the end if this script started it.
set -euo pipefail
cd "$(dirname "$0")/.."
. deploy/steps.sh

lab=deploy/embedded/lab
export EOSLAB_BUILD_TESTS=yes
# Labels the namespaces that this run makes.
export EOSLAB_E2E=$$

# `step` takes these functions out of `set -e`: hence the &&.
lints() {
  cargo clippy --release --workspace --all-targets --quiet -- -D warnings &&
    # The programs alone have fewer features of their libraries than the tests, and that is what `make demo` compiles.
    cargo check --release --bins --quiet
}

shell_lints() {
  git ls-files '*.sh' .ci/run deploy/embedded/lab | xargs shellcheck -x -P SCRIPTDIR:.
}

# The programs that the tests use beside eoslab's own.
packages() {
  local missing=() program
  for program in kcat redis-server shellcheck curl chromium npm; do
    command -v "$program" >/dev/null || missing+=("$program")
  done
  [ ${#missing[@]} -eq 0 ] && return
  apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
}

# What drives the browser that the report's page is opened in.
browser_driver() {
  npm ci --prefix report/tests/page --loglevel=error --no-audit --no-fund
}

unit_and_integration() {
  local broker
  broker=$(kubectl -n kafka get pod lab-broker-0 -o jsonpath='{.status.podIP}') &&
    # More at a time than processors: those with real brokers wait for sessions to end.
    RUST_TEST_THREADS=4 EOSLAB_TEST_REQUIRE=1 EOSLAB_TEST_KAFKA=$broker:9094 cargo test --release --quiet --no-fail-fast
}

chart() {
  charts/check.sh && deploy/strimzi/check.sh
}

# The chart, and clippy, which compiles everything in its own way: both beside the tests with real brokers, which wait most
# of the time. What comes first gives those the time to take cargo's lock before clippy wants it.
beside() {
  local status=0
  steps_taken=()
  step 'chart, Strimzi and kind' chart || status=$?
  renice -n 19 -p "$BASHPID" >/dev/null
  step 'clippy' lints || status=$?
  print_steps
  return "$status"
}

end_to_end() {
  # One at a time: each run wants both cores.
  cargo test --release --quiet --no-fail-fast -p eoslab-tests -- --test-threads=1
}

left() {
  kubectl get namespaces -l "eoslab.dev/e2e=$EOSLAB_E2E" -o name &&
    kubectl get chaosruns,loadtests -n eoslab-chaos -o name
}

# Each test leaves its namespace, or what is in the one for faults, to be deleted in the background. What EOSLAB_KEEP=1
# keeps has no end.
nothing_is_left() {
  local left deadline=$((SECONDS + 300))
  [ -z "${EOSLAB_KEEP:-}" ] || return 0
  while left=$(left) || return; [ -n "$left" ]; do
    ((SECONDS < deadline)) || { printf 'not deleted: %s\n' "$left" >&2; return 1; }
    sleep 1
  done
}

# With all that it started, where it is a group of its own.
stop_background() {
  [ -z "$background" ] || kill -- "-$background" 2>/dev/null || kill "$background" 2>/dev/null || true
}

was_up=no
$lab status >/dev/null 2>&1 && was_up=yes

step 'packages' packages
step 'driver of the browser' browser_driver
# Go compiles the node and Rust the tests, and each leaves a core idle at times: both at once.
deploy/embedded/lab build &
background=$!
said=$(mktemp)
trap 'stop_background; rm -f "$said"' EXIT
step 'rustfmt' cargo fmt --all --check
step 'shellcheck' shell_lints
step 'build' deploy/build.sh
step 'the programs of the cluster' wait "$background"
background=
step 'embedded cluster' "$lab" up
KUBECONFIG=$($lab kubeconfig)
prometheus=$(step 'Prometheus, for its rules and dashboards' "$lab" prometheus-path)
PATH=$($lab bin-path):$prometheus:$PATH
export KUBECONFIG PATH
step 'eoslab' deploy/install.sh
# What fails from here on does not keep the rest from being tested.
failed=no
set -m
beside >"$said" 2>&1 &
background=$!
set +m
step 'unit and integration tests' unit_and_integration || failed=yes
step 'chart and clippy, beside them' wait "$background" || failed=yes
background=
cat "$said"
step 'end-to-end tests' end_to_end || failed=yes
step 'nothing is left' nothing_is_left || failed=yes
[ "$was_up" = yes ] || step 'stop the cluster' "$lab" down
print_steps
[ "$failed" = no ]
