#!/usr/bin/env bash
# Builds the four binaries of the image and the plugin of kubectl into target/release. With EOSLAB_BUILD_TESTS also every
# test and bench, in the same go: by themselves the tests want other features of some dependencies, and everything would
# be compiled twice.
set -euo pipefail
cd "$(dirname "$0")/.."
what=(--bin operator --bin loadgen --bin counter --bin chaos --bin kubectl-eoslab)
[ -z "${EOSLAB_BUILD_TESTS:-}" ] || what=(--all-targets)
# For the reports.
EOSLAB_GIT_REVISION=$(git describe --always --dirty --abbrev=12 2>/dev/null || true)
export EOSLAB_GIT_REVISION
exec cargo build --release --quiet "${what[@]}"
