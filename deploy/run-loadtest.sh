#!/usr/bin/env bash
# Runs one LoadTest on the cluster that kubectl points to, shows it as it goes, and ends with its verdict:
# exit 0 Pass, 1 Fail, 2 anything else. Usage: run-loadtest.sh FILE [NAMESPACE]
set -euo pipefail

file=${1:?usage: run-loadtest.sh FILE [NAMESPACE]}
namespace=${2:-kafka}
limit_s=${EOSLAB_RUN_LIMIT_S:-1200}

say() { printf '%s\n' "$*"; }

# A finished run is a record and does not run again: the one of the same name goes first, with its topic and ledger.
name=$(kubectl -n "$namespace" create --dry-run=client -f "$file" -o jsonpath='{.metadata.name}')
kubectl -n "$namespace" delete loadtest "$name" --ignore-not-found --timeout=120s >/dev/null
kubectl -n "$namespace" apply -f "$file"

field() { kubectl -n "$namespace" get loadtest "$name" -o jsonpath="$1"; }

complete='{.status.conditions[?(@.type=="Complete")].status}'
row='{.status.phase}|{.status.progress}|{.status.display.rate}|{.status.display.lag}|{.status.display.p99}|{.status.latency.validity}'
heading='%-13s %-15s %-9s %-8s %-8s %s\n'
# shellcheck disable=SC2059 # the format is the constant above
printf "$heading" PHASE PROGRESS RATE LAG P99 VALIDITY
last=
is_complete=
started=$SECONDS
until [ "$is_complete" = True ]; do
  if ((SECONDS - started > limit_s)); then
    say "no end after ${limit_s} s: kubectl -n $namespace describe loadtest $name" >&2
    exit 2
  fi
  # One question a turn: kubectl takes CPU from what is measured.
  now=$(field "$complete|$row")
  if [ "$now" != "$last" ]; then
    IFS='|' read -r is_complete phase progress rate lag p99 validity <<<"$now"
    # shellcheck disable=SC2059
    printf "$heading" "$phase" "${progress:--}" "${rate:--}" "${lag:--}" "${p99:--}" "${validity:--}"
    last=$now
  fi
  [ "$is_complete" = True ] || sleep 2
done

kubectl -n "$namespace" get loadtest "$name" -o go-template-file="$(dirname "$0")/loadtest-table.tmpl"
case $(field '{.status.verdict}') in
  Pass) exit 0 ;;
  Fail) exit 1 ;;
  *) exit 2 ;;
esac
