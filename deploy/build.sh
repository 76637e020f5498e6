#!/usr/bin/env bash
# Builds the four binaries of the image into target/release.
set -euo pipefail
cd "$(dirname "$0")/.."
exec cargo build --release --quiet --bin operator --bin loadgen --bin counter --bin chaos
