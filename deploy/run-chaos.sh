#!/usr/bin/env bash
# Applies a file with a LoadTest and the ChaosRun of the same name to the cluster that kubectl points to, shows them as
# they go, and ends with the verdict of the ChaosRun: exit 0 Pass, 1 Fail, 2 anything else.
# Usage: run-chaos.sh FILE [NAMESPACE]
set -euo pipefail

file=${1:?usage: run-chaos.sh FILE [NAMESPACE]}
namespace=${2:-kafka}
limit_s=${EOSLAB_RUN_LIMIT_S:-1800}

name=$(kubectl -n "$namespace" create --dry-run=client -f "$file" -o jsonpath='{.metadata.name}{"\n"}' | tail -n 1)
# A finished run is a record and does not run again.
kubectl -n "$namespace" delete chaosrun "$name" --ignore-not-found --timeout=120s >/dev/null
kubectl -n "$namespace" delete loadtest "$name" --ignore-not-found --timeout=120s >/dev/null
kubectl -n "$namespace" apply -f "$file"

field() { kubectl -n "$namespace" get chaosrun "$name" -o jsonpath="$1"; }

complete='{.status.conditions[?(@.type=="Complete")].status}'
last=
is_complete=
started=$SECONDS
until [ "$is_complete" = True ]; do
  if ((SECONDS - started > limit_s)); then
    printf 'no end after %d s: kubectl -n %s describe chaosrun %s\n' "$limit_s" "$namespace" "$name" >&2
    exit 2
  fi
  # One question a turn: kubectl takes CPU from what is measured.
  now=$(field "$complete|{.status.phase} {.status.progress} {.status.currentFault}: {.status.message}")
  is_complete=${now%%|*}
  if [ "$now" != "$last" ]; then
    printf '[%4d s] %s\n' $((SECONDS - started)) "${now#*|}"
    last=$now
  fi
  [ "$is_complete" = True ] || sleep 1
done

here=$(dirname "$0")
kubectl -n "$namespace" get loadtest "$name" -o go-template-file="$here/loadtest-table.tmpl"
kubectl -n "$namespace" get chaosrun "$name" -o go-template-file="$here/chaos-table.tmpl"
case $(field '{.status.verdict}') in
  Pass) exit 0 ;;
  Fail) exit 1 ;;
  *) exit 2 ;;
esac
