#!/usr/bin/env bash
# Runs kind-up.sh with stand-ins for docker, kind, helm and kubectl that note how they were called: what it refuses, and
# in which order it does what.
set -euo pipefail
script=$(cd "$(dirname "$0")/.." && pwd)/kind-up.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  printf 'kind-up.sh: %s\n%s\n' "$1" "$(cat "$work/said")" >&2
  exit 1
}

mkdir "$work/stubs" "$work/bare"
cat >"$work/stub" <<'S'
#!/usr/bin/env bash
printf '%s %s\n' "${0##*/}" "$*" >>"$CALLS"
if [ -n "$BREAK" ] && [[ "${0##*/} $*" == "$BREAK"* ]]; then exit 1; fi
case "${0##*/} $*" in
  'helm repo list') printf '%s\n' "$REPOSITORIES" ;;
  'docker image inspect'*) echo sha256:0123456789abcdef ;;
  *'.status.conditions'*) printf True ;;
  *'.status.verdict'*) printf Pass ;;
  *'.metadata.name'*) printf baseline ;;
esac
S
for program in docker kind helm kubectl; do install -m 0755 "$work/stub" "$work/stubs/$program"; done
# Everything else that the script uses, without the programs of the same names that this machine may have.
for program in bash env awk mktemp rm dirname cat printf sleep; do ln -s "$(command -v $program)" "$work/bare/$program"; done

run() { # path, then variables
  local path=$1
  shift
  : >"$work/calls"
  env -i HOME="$work" PATH="$path" CALLS="$work/calls" REPOSITORIES='' BREAK='' EOSLAB_RUN_LIMIT_S=20 "$@" "$script" >"$work/said" 2>&1
}

if run "$work/bare"; then fail 'runs without docker'; fi
grep -q 'not installed: docker kind kubectl helm' "$work/said" || fail 'does not say what is missing'

if run "$work/stubs:$work/bare"; then fail 'runs without a chart'; fi
grep -q 'EOSLAB_STRIMZI_CHART' "$work/said" || fail 'does not say how to name the chart'
if grep -q 'kind create' "$work/calls"; then fail 'creates a cluster before it knows the chart'; fi

if run "$work/stubs:$work/bare" EOSLAB_STRIMZI_CHART=/chart.tgz BREAK='docker build'; then fail 'goes on after a failed build'; fi
if grep -q 'helm upgrade' "$work/calls"; then fail 'goes on after a failed build'; fi

run "$work/stubs:$work/bare" "REPOSITORIES=strimzi  somewhere" || fail 'fails'
grep -q 'helm upgrade --install strimzi strimzi/strimzi-kafka-operator --version 1.2.0' "$work/calls" || fail 'ignores the repository'
run "$work/stubs:$work/bare" EOSLAB_STRIMZI_CHART=/chart.tgz || fail 'fails'
order='kind create cluster|docker build|kind load|kubectl apply -f deploy/strimzi/namespace.yaml|helm upgrade --install strimzi|'
order+='kubectl apply -f deploy/strimzi/kafka.yaml|kubectl -n kafka wait kafka/lab|helm upgrade --install eoslab|'
order+='kubectl -n kafka apply -f deploy/examples/loadtest.yaml'
seen=$(grep -oE "$order" "$work/calls" | paste -sd '|')
[ "$seen" = "$order" ] || fail "does things in another order: $seen"
grep -q -- '--set-string image.tag=0123456789ab' "$work/calls" || fail 'installs another image than it built'
echo 'kind: kind-up.sh refuses what it must and keeps its order'
