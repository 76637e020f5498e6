# shellcheck shell=bash
# Steps of a longer script: each says when it begins and how long it took. Its output stays on standard output.

step() { # what command...
  local what=$1 began=$SECONDS status=0
  shift
  printf '[%4d s] %s\n' "$SECONDS" "$what" >&2
  "$@" || status=$?
  if [ "$status" != 0 ]; then
    printf '[%4d s] failed: %s (exit %d): %s\n' "$SECONDS" "$what" "$status" "$*" >&2
    steps_taken+=("$(printf '%5d s  %s: FAILED' $((SECONDS - began)) "$what")")
    return "$status"
  fi
  steps_taken+=("$(printf '%5d s  %s' $((SECONDS - began)) "$what")")
}

steps_taken=()
print_steps() { printf '%s\n' "${steps_taken[@]}" >&2; }
