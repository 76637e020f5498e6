#!/usr/bin/env bash
# Builds the four binaries of the image into target/release. With EOSLAB_BUILD_TESTS also every test and bench, in the
# same go: by themselves the tests want other features of some dependencies, and everything would be compiled twice.
set -euo pipefail
cd "$(dirname "$0")/.."
what=(--bin operator --bin loadgen --bin counter --bin chaos)
[ -z "${EOSLAB_BUILD_TESTS:-}" ] || what=(--all-targets)
exec cargo build --release --quiet "${what[@]}"
