# shellcheck shell=bash
# Reasons not to start, each with its fix, before anything is changed.

# Where each daemon listens.
listens_on() {
  case $1 in
    etcd) echo 127.0.0.1:{2379,2380} ;;
    kube-apiserver) echo "$NODE_IP:6443" ;;
    kube-controller-manager) echo 127.0.0.1:10257 ;;
    kube-scheduler) echo 127.0.0.1:10259 ;;
    kubelet) echo 127.0.0.1:10248 "$NODE_IP:10250" ;;
    kube-proxy) echo 127.0.0.1:{10249,10256} ;;
    coredns) echo 127.0.0.1:8181 "$NODE_IP":{53,9153} ;;
  esac
}

preflight() {
  check_machine
  check_owner
  check_ports
  any_running || check_room
}

check_root() { [ "$(id -u)" = 0 ] || die 'a Kubernetes node needs root' 'run this again as root, for example by sudo -E'; }

check_machine() {
  [ "$(uname -sm)" = 'Linux x86_64' ] || die "this needs Linux on x86_64, not $(uname -sm)" "use deploy/strimzi on kind instead"
  [[ $STATE = /* && $STATE != / ]] || die "EOSLAB_STATE must be an absolute path, not '$STATE'" 'unset it or give one'
  [[ $STATE =~ ^[A-Za-z0-9/._-]+$ ]] || die "EOSLAB_STATE has characters that break configuration files: $STATE" \
    'use letters, digits, and / . _ -'
  [ ! -f /proc/mounts ] || awk '$3 ~ /^cgroup2?$/ { found = 1 } END { exit !found }' /proc/mounts ||
    die 'no cgroup file system is mounted' 'mount cgroups, or give the container that this runs in --privileged'
}

# The mark in the directory lets `down --purge` delete it, the one in /run tells other directories' labs apart.
claim_state() {
  [ -f "$STATE/.eoslab-state" ] || [ -z "$(ls -A "$STATE" 2>/dev/null)" ] ||
    die "$STATE holds something else, which 'purge' would delete" 'set EOSLAB_STATE to a new directory'
  if ! { mkdir -p "$STATE/logs" "$CACHE" && : >"$STATE/.eoslab-state" && echo "$STATE" >"$RUN/owner"; }; then
    die "cannot write to $STATE" 'set EOSLAB_STATE to a directory that can be written'
  fi
}

# One lab a machine: bridge, addresses and ports are fixed.
check_owner() {
  local owner
  owner=$(cat "$RUN/owner" 2>/dev/null) || return 0
  [ "$owner" = "$STATE" ] || die "another lab is running, with its state in $owner" \
    "stop it first: EOSLAB_STATE=$owner make down"
}

check_ports() {
  local name endpoint taken
  have ss || return 0 # installed by the next step, with the other packages
  for name in $DAEMONS; do
    running "$name" && continue
    for endpoint in $(listens_on "$name"); do
      # A listener on every address is in the way as well.
      taken=$(ss -Hltnup "sport = :${endpoint#*:}" | awk -v ip="${endpoint%:*}" '
        { address = $5; sub(":[0-9]+$", "", address) }
        address == ip || address == "*" || address == "0.0.0.0" || address == "[::]" { print $5, $NF; exit }')
      [ -z "$taken" ] || die "$name needs $endpoint, which is taken: $taken" 'stop that program, or the lab that it belongs to'
    done
  done
  taken=$(ip -4 route show "$POD_CIDR" 2>/dev/null | grep -v "dev $BRIDGE ")
  [ -z "$taken" ] || die "the pods' network $POD_CIDR is already in use: $taken" 'remove that route'
}

check_room() {
  local memory disk dir
  memory=$(awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo)
  [ "$memory" -ge 6144 ] || die "only $memory MiB of memory are available; the lab needs 6144" 'stop something large'
  mkdir -p "$STATE" "$CACHE" || die "cannot create $STATE or $CACHE" 'choose other places: EOSLAB_STATE and XDG_CACHE_HOME'
  [ "$(stat -f -c %T "$STATE")" != overlayfs ] || die "$STATE is on an overlay file system, on which containers cannot run" \
    'mount a real directory or volume there, or set EOSLAB_STATE to one'
  for dir in "$STATE" "$CACHE"; do
    disk=$(df -Pm "$dir" | awk 'NR == 2 { print $4 }')
    [ "$disk" -ge 8192 ] || die "only $disk MiB of disk are free under $dir; the lab needs 8192" \
      'free some, or choose another place: EOSLAB_STATE and XDG_CACHE_HOME'
  done
}
