# shellcheck shell=bash
# The bridge whose address is the node's, and everything that kubelet, kube-proxy and CNI leave in the kernel.

# What the lab, or the kubelet it starts, changes on the host; `down` puts the old values back.
SYSCTLS="net.ipv4.ip_forward net.bridge.bridge-nf-call-iptables
  vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops
  kernel.keys.root_maxkeys kernel.keys.root_maxbytes"

network_up() {
  modprobe -q br_netfilter 2>/dev/null # built in where there are no modules
  modprobe -q overlay 2>/dev/null
  # A bridge exists in every kernel that can run CNI, a dummy interface does not; and the address of the pods' own
  # bridge is one that pods reach, which a loopback address is not.
  ip link show "$BRIDGE" >/dev/null 2>&1 || ip link add "$BRIDGE" type bridge || return 1
  ip -4 addr show dev "$BRIDGE" | contains -F " $NODE_IP/" || ip addr add "$NODE_IP/24" dev "$BRIDGE" || return 1
  ip link set "$BRIDGE" up || return 1
  save_sysctls
  sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1
}

save_sysctls() {
  local name
  [ ! -f "$RUN/sysctls" ] || return 0
  for name in $SYSCTLS; do
    printf '%s=%s\n' "$name" "$(sysctl -n "$name" 2>/dev/null)"
  done | grep -v '=$' >"$RUN/sysctls.tmp"
  mv "$RUN/sysctls.tmp" "$RUN/sysctls"
}

network_down() {
  local name
  for name in $(our_netns); do
    umount -l "/run/netns/$name" 2>/dev/null
    rm -f "/run/netns/$name"
  done
  # The kernel frees a dead pod's namespace, and with it the pod's interface, when it finds time: do not wait for that.
  for name in $(our_veths); do ip link del "$name" 2>/dev/null; done
  ip link del "$BRIDGE" 2>/dev/null
  rm -rf "$STATE/cni" /var/lib/cni/results/eoslab-* /var/lib/cni/results/cni-loopback-*
  clean_tables iptables
  clean_tables ip6tables
  conntrack -D -s "$POD_CIDR" >/dev/null 2>&1
  [ ! -f "$RUN/sysctls" ] || { sysctl -qp "$RUN/sysctls" >/dev/null && rm "$RUN/sysctls"; }
  return 0
}

our_netns() { (cd /run/netns 2>/dev/null && ls -d cni-* 2>/dev/null); }

# The host's ends of the pods' interfaces. One on no bridge may be somebody else's: `leftovers` tells it, nobody deletes it.
our_veths() { ip -br link show type veth master "$BRIDGE" 2>/dev/null | cut -d@ -f1; }

RULES='KUBE-|eoslab'

clean_tables() { # iptables | ip6tables
  "$1-save" 2>/dev/null | contains -E "$RULES" || return 0
  "$1-save" | grep -vE "$RULES" | "$1-restore"
}
