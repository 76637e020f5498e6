# shellcheck shell=bash
# shellcheck disable=SC2034  # what is set here is used by the files that read this one
# What every part of the lab shares: where things are, progress lines, waiting, and daemons.

EMBEDDED_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=versions.env
. "$EMBEDDED_DIR/versions.env"

STATE=${EOSLAB_STATE:-/var/lib/eoslab}
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/eoslab/embedded
BROKER_JIT=${EOSLAB_BROKER_JIT:-quick}
RUN=/run/eoslab              # sockets, pid files and the owner of the machine's one lab; never on a slow disk
BIN=$STATE/bin               # links to the programs in the cache that this lab runs
KUBECONFIG_FILE=$STATE/admin.kubeconfig

NODE=lab
BRIDGE=eoslab0
NODE_IP=10.244.0.1           # the bridge's own address: pods, host and API server all reach it
POD_CIDR=10.244.0.0/24
SERVICE_CIDR=10.96.0.0/16
API_IP=10.96.0.1
DNS_IP=10.96.0.10
CONTAINERD_SOCKET=$RUN/containerd/containerd.sock
DAEMONS="etcd containerd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy coredns"

export PATH=$BIN:/usr/local/go/bin:$PATH:/usr/sbin:/sbin

# --- progress -------------------------------------------------------------------------------------------------

START_US=${EPOCHREALTIME/[.,]/}
STEPS_FILE=

elapsed() { # [since, in microseconds]: seconds with one decimal
  local us=$((${EPOCHREALTIME/[.,]/} - ${1:-$START_US}))
  printf '%d.%d' $((us / 1000000)) $((us / 100000 % 10))
}

say() { printf '[%6ss] %s\n' "$(elapsed)" "$*" >&2; }

die() { # message [how to fix it]
  printf 'eoslab: %s\n' "$1" >&2
  [ -z "${2:-}" ] || printf '   fix: %s\n' "$2" >&2
  exit 1
}

# Run one named step, time it, and stop the whole command if it fails.
step() { # name command...
  local name=$1 begin=${EPOCHREALTIME/[.,]/}
  shift
  say "$name ..."
  "$@" || die "$name failed"
  [ -z "$STEPS_FILE" ] || printf '%s\t%s\n' "$(elapsed "$begin")" "$name" >>"$STEPS_FILE"
}

begin_steps() {
  STEPS_FILE=$(mktemp)
  trap on_exit EXIT
}

print_steps() {
  [ -s "$STEPS_FILE" ] || return 0
  printf '\n%10s  %s\n' seconds step >&2
  awk -F'\t' '{ printf "%10s  %s\n", $1, $2 }' "$STEPS_FILE" >&2
  printf '%10s  %s\n\n' "$(elapsed)" 'all (steps may overlap)' >&2
}

# --- small tools ----------------------------------------------------------------------------------------------

# For the end of a pipe. grep -q leaves at the first hit, and under pipefail the writer's SIGPIPE makes that a failure.
contains() { grep "$@" >/dev/null; }

have() { command -v "$1" >/dev/null 2>&1; }

wait_for() { # seconds what command...
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    if [ $SECONDS -ge $deadline ]; then
      printf 'eoslab: gave up waiting for %s\n' "$what" >&2
      return 1
    fi
    sleep 0.2
  done
}

logged() { # log name, command...: quiet unless it fails
  local log=$CACHE/$1.log
  shift
  "$@" >"$log" 2>&1 || { tail -n 20 "$log" >&2; return 1; }
}

# A key for the cache: the first 12 digits of a hash over the given strings and the contents of files (@path).
key_of() {
  local part
  for part in "$@"; do
    case $part in
      @*) cat "${part#@}" ;;
      *) printf '%s\n' "$part" ;;
    esac
  done | sha256sum | cut -c1-12
}

# Deletes folders, never through a mount: one that a killed program left below them could lead into /proc or /dev.
remove_trees() {
  local tree mount
  for tree; do
    awk -v prefix="$tree/" 'index($2, prefix) == 1 { print $2 }' /proc/mounts | sort -r | while read -r mount; do
      umount "$mount"
    done
    rm -rf --one-file-system "$tree" || return 1
  done
}

# Make a cache entry once. The command gets an empty directory; only a complete one gets the final name, so that
# a build that was killed leaves nothing that looks finished.
cached() { # directory command...
  local dir=$1 tmp
  shift
  [ -d "$dir" ] && return 0
  mkdir -p "$(dirname "$dir")"
  remove_trees "$dir".tmp.* || return 1
  tmp=$(mktemp -d "$dir.tmp.XXXXXX") || return 1
  chmod 755 "$tmp"
  "$@" "$tmp" || return 1
  mv -T "$tmp" "$dir"
}

# Fill the @NAME@ marks of a template.
render() { # template
  sed -e "s|@STATE@|$STATE|g" -e "s|@RUN@|$RUN|g" -e "s|@NODE@|$NODE|g" -e "s|@NODE_IP@|$NODE_IP|g" \
    -e "s|@BRIDGE@|$BRIDGE|g" -e "s|@POD_CIDR@|$POD_CIDR|g" -e "s|@DNS_IP@|$DNS_IP|g" \
    -e "s|@CONTAINERD_SOCKET@|$CONTAINERD_SOCKET|g" -e "s|@LAB_IMAGE@|${LAB_IMAGE:-}|g" \
    -e "s|@PAUSE_IMAGE@|${PAUSE_IMAGE:-}|g" -e "s|@BROKER_JIT@|$BROKER_JIT|g" \
    -e "s|@CONFIG_HASH@|${CONFIG_HASH:-}|g" -e "s|@PROMETHEUS_IMAGE@|${PROMETHEUS_IMAGE:-}|g" "$1"
}

# Write a file from stdin, but only if that changes it; fails if it did not.
update_file() { # file
  cat >"$1.tmp" || return 1
  if cmp -s "$1.tmp" "$1"; then
    rm "$1.tmp"
    return 1
  fi
  mv "$1.tmp" "$1"
}

kc() { "$BIN/kubectl" --kubeconfig "$KUBECONFIG_FILE" "$@"; }
ctr_k8s() { ctr --address "$CONTAINERD_SOCKET" --namespace k8s.io "$@"; }

# --- daemons --------------------------------------------------------------------------------------------------
# A daemon carries EOSLAB_DAEMON=<state dir>:<name> in its environment. The pid file is written by the process
# itself before it becomes the daemon: a killed `up` can neither lose one nor leave a wrong pid believed.

pid_of() { # name: prints the pid if that daemon runs
  local pid
  read -r pid 2>/dev/null <"$RUN/pids/$1" || return 1
  # PID 1 of a small VM may reap late, so a zombie counts as gone; it has no environment left either.
  grep -qzxF "EOSLAB_DAEMON=$STATE:$1" "/proc/$pid/environ" 2>/dev/null || return 1
  echo "$pid"
}

running() { pid_of "$1" >/dev/null; }

any_running() {
  local name
  for name in $DAEMONS; do running "$name" && return 0; done
  return 1
}

start() { # name command...
  local name=$1
  shift
  running "$name" && return 0
  mkdir -p "$RUN/pids" "$STATE/logs"
  [ ! -f "$STATE/logs/$name.log" ] || mv "$STATE/logs/$name.log" "$STATE/logs/$name.log.1"
  # 9 is the lock of this command: a daemon must not keep it.
  # shellcheck disable=SC2016  # expanded by the new shell
  EOSLAB_DAEMON=$STATE:$name PIDFILE=$RUN/pids/$name setsid bash -c \
    'cd / && echo $$ >"$PIDFILE" && unset PIDFILE && exec "$@"' start "$@" \
    >"$STATE/logs/$name.log" 2>&1 </dev/null 9>&- &
}

# Wait for what a daemon should do; if it does not, show why.
wait_daemon() { # name seconds command...
  local name=$1 deadline=$((SECONDS + $2))
  shift 2
  sleep 0.1
  until "$@" >/dev/null 2>&1; do
    if ! running "$name" || [ $SECONDS -ge $deadline ]; then
      running "$name" && printf 'eoslab: %s does not get ready\n' "$name" >&2 || printf 'eoslab: %s ended\n' "$name" >&2
      printf '   last lines of %s:\n' "$STATE/logs/$name.log" >&2
      tail -n 5 "$STATE/logs/$name.log" | cut -c1-300 >&2
      return 1
    fi
    sleep 0.1
  done
}

stop() { # name [seconds before SIGKILL]
  local pid deadline=$((SECONDS + ${2:-10}))
  if pid=$(pid_of "$1"); then
    kill "$pid"
    while running "$1"; do
      [ $SECONDS -lt $deadline ] || kill -KILL "$pid" 2>/dev/null
      sleep 0.05
    done
  fi
  rm -f "$RUN/pids/$1"
}
