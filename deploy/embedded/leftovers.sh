# shellcheck shell=bash
# What a stopped lab must not leave on the machine: one function lists it, one removes it.

our_mounts() {
  awk -v state="$STATE/" -v run="$RUN/" 'index($2, state) == 1 || index($2, run) == 1 { print $2 }' /proc/mounts | sort -r
}

our_cgroups() { find /sys/fs/cgroup -maxdepth 2 -type d -name kubepods 2>/dev/null; }

# By the mark in the environment: finds daemons whose pid file is gone and shims (they inherit containerd's).
our_processes() {
  grep -lzF "EOSLAB_DAEMON=$STATE:" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3
}

leftovers() { # prints one line for each thing; fails if there is any
  local found
  found=$(
    our_processes | sed 's/^/process /'
    our_shims | sed 's/^/shim /'
    our_mounts | sed 's/^/mount /'
    our_netns | sed 's/^/network namespace /'
    ip -br link 2>/dev/null | awk -v bridge="$BRIDGE" '$1 == bridge { print "interface " $1 }'
    ip -br link show type veth nomaster 2>/dev/null | awk '{ print "interface " $1 }'
    { iptables-save; ip6tables-save; } 2>/dev/null | grep -E "$RULES" | sed 's/^/iptables /'
    our_cgroups | sed 's/^/cgroup /'
    find "$STATE/cni" "$RUN/containerd" "$RUN/runc" "$RUN/pids" "$RUN/sysctls" \
      /var/lib/cni/results/eoslab-* /var/lib/cni/results/cni-loopback-* -maxdepth 1 2>/dev/null | sed 's/^/file /'
    stale_sockets | sed 's/^/socket /'
    find /var/log/containers -lname "$STATE/*" 2>/dev/null | sed 's/^/link /'
    conntrack -L -s "$POD_CIDR" 2>/dev/null | sed 's/^/conntrack /'
  )
  [ -n "$found" ] || return 0
  printf '%s\n' "$found"
  return 1
}

# Every containerd's shims keep their sockets in one folder; those of the dead are nobody's.
stale_sockets() {
  find /run/containerd/s -type s 2>/dev/null | grep -vxF "$(ss -Hxl | awk '{ print $5 }')"
}

remove_leftovers() {
  local pid mount cgroup
  for pid in $(our_processes); do kill -KILL "$pid" 2>/dev/null; done
  our_mounts | while read -r mount; do umount -l "$mount"; done
  network_down
  for cgroup in $(our_cgroups); do
    wait_for 5 "$cgroup to empty" remove_cgroup "$cgroup"
  done
  find /var/log/containers -lname "$STATE/*" -delete 2>/dev/null
  rm -rf "$RUN/containerd" "$RUN/runc" "$RUN/pids"
  rm -f /var/lib/kubelet/device-plugins/kubelet.sock
  stale_sockets | xargs -r rm -f
  return 0
}

remove_cgroup() { # a folder whose processes have just been killed
  find "$1" -depth -type d -exec rmdir {} + 2>/dev/null
  [ ! -d "$1" ]
}
