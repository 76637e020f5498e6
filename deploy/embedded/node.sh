# shellcheck shell=bash
# The node's processes: configuration, start in order, stop in the opposite order, and what may be left behind.

# A control plane elsewhere has processors of its own. Here the load would starve it: seen with a load average of 19, the
# API server timed out on leases, and load pods restarted. containerd is left as it is, for its children inherit it.
FIRST=(nice -n -10)

# A file is left alone while it stays the same (kube-proxy ends when its own is touched); a daemon whose file did
# change is stopped here and started again by the steps that follow. Containers do not notice.
node_config() {
  local daemon file
  mkdir -p "$STATE"/{conf/cni,logs,etcd,kubelet,containerd,pod-logs,volumes} "$RUN/pids"
  render "$EMBEDDED_DIR/config/cni.conflist" >"$STATE/conf/cni/10-eoslab.conflist" || return 1
  while read -r daemon file; do
    if PAUSE_IMAGE=$(pause_image) render "$EMBEDDED_DIR/config/$file" | update_file "$STATE/conf/$file"; then
      stop "$daemon"
    fi
  done <<F
containerd containerd.toml
kubelet kubelet.yaml
kube-proxy kube-proxy.yaml
coredns Corefile
F
}

start_storage() {
  # fsync protects against a power cut of the host, which a lab need not survive.
  start etcd "${FIRST[@]}" "$BIN/etcd" --name "$NODE" --data-dir "$STATE/etcd" --unsafe-no-fsync \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
    --initial-cluster "$NODE=http://127.0.0.1:2380" --auto-compaction-retention 5m --log-level warn
  start containerd containerd --config "$STATE/conf/containerd.toml"
  wait_daemon etcd 30 curl -sf http://127.0.0.1:2379/health || return 1
  wait_daemon containerd 30 ctr --address "$CONTAINERD_SOCKET" version
}

start_apiserver() {
  local pki=$STATE/pki
  start kube-apiserver "${FIRST[@]}" "$BIN/kube-apiserver" --secure-port=6443 --bind-address="$NODE_IP" --advertise-address="$NODE_IP" \
    --etcd-servers=http://127.0.0.1:2379 --service-cluster-ip-range="$SERVICE_CIDR" --allow-privileged=true \
    --tls-cert-file="$pki/kube-apiserver.crt" --tls-private-key-file="$pki/kube-apiserver.key" \
    --client-ca-file="$pki/ca.crt" --service-account-issuer=https://kubernetes.default.svc \
    --service-account-key-file="$pki/sa.pub" --service-account-signing-key-file="$pki/sa.key" \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
    --kubelet-client-certificate="$pki/admin.crt" --kubelet-client-key="$pki/admin.key" \
    --kubelet-certificate-authority="$pki/ca.crt" --kubelet-preferred-address-types=InternalIP
  wait_daemon kube-apiserver 90 kc get --raw /readyz
}

start_controllers() {
  local conf=$STATE/conf
  start kube-controller-manager "${FIRST[@]}" "$BIN/kube-controller-manager" --leader-elect=false --bind-address=127.0.0.1 \
    --kubeconfig="$conf/kube-controller-manager.kubeconfig" --use-service-account-credentials=true \
    --service-account-private-key-file="$STATE/pki/sa.key" --root-ca-file="$STATE/pki/ca.crt" \
    --flex-volume-plugin-dir="$STATE/kubelet/volume-plugins"
  start kube-scheduler "${FIRST[@]}" "$BIN/kube-scheduler" --leader-elect=false --bind-address=127.0.0.1 \
    --kubeconfig="$conf/kube-scheduler.kubeconfig"
  start kubelet "${FIRST[@]}" "$BIN/kubelet" --config="$conf/kubelet.yaml" --kubeconfig="$conf/kubelet.kubeconfig" \
    --root-dir="$STATE/kubelet" --cert-dir="$STATE/kubelet/pki" --hostname-override="$NODE" --node-ip="$NODE_IP"
  start kube-proxy "$BIN/kube-proxy" --config="$conf/kube-proxy.yaml"
  render "$EMBEDDED_DIR/manifests/cluster-dns.yaml" | kc apply -f - >/dev/null || return 1
  start coredns "$BIN/coredns" -conf "$conf/Corefile"
  wait_daemon coredns 30 curl -sf http://127.0.0.1:8181/ready
}

# Ready as the API server remembers it may date from before a `down`: the node counts as ready when its lease was
# renewed after this command began.
node_is_ready() { # time in UTC, or nothing
  local renewed
  renewed=$(kc get lease "$NODE" -n kube-node-lease -o 'jsonpath={.spec.renewTime}') && [[ $renewed > $1 ]] &&
    kc wait --for=condition=Ready "node/$NODE" --timeout=1s
}

dns_answers() { python3 "$EMBEDDED_DIR/dnsquery.py" "$DNS_IP" kubernetes.default.svc.cluster.local "$API_IP"; }

wait_node() { # time in UTC, or nothing if the kubelet ran already
  wait_daemon kubelet 90 node_is_ready "$1" &&
    wait_for 30 'the default service account' kc get serviceaccount default &&
    wait_for 30 'DNS' dns_answers
}

stop_node() {
  stop kubelet
  local name
  for name in coredns kube-proxy kube-scheduler kube-controller-manager; do stop "$name" & done
  wait
  stop kube-apiserver
  stop etcd 20 & # open watches may hold it for seconds
  stop_containers
  stop containerd
  wait
}

# Containers outlive containerd, so they are killed through it while it still runs; it may have died before us.
stop_containers() {
  local id tasks
  if running containerd; then
    for id in $(ctr_k8s tasks ls -q 2>/dev/null); do ctr_k8s tasks kill -s KILL -a "$id" 2>/dev/null; done
    for _ in {1..50}; do
      tasks=$(ctr_k8s tasks ls -q 2>/dev/null)
      [ -n "$tasks" ] || break
      for id in $tasks; do ctr_k8s tasks rm -f "$id" >/dev/null 2>&1; done
      sleep 0.1
    done
    # shellcheck disable=SC2046  # a list of ids
    ctr_k8s containers rm $(ctr_k8s containers ls -q 2>/dev/null) >/dev/null 2>&1
  fi
  kill_shims
}

# A shim is a child of init with our socket on its command line, and its containers' processes are its children.
kill_shims() {
  local pid
  for pid in $(our_shims); do
    # shellcheck disable=SC2046  # a list of pids
    kill -KILL $(descendants "$pid") "$pid" 2>/dev/null
  done
}

our_shims() { pgrep -f "^[^ ]*containerd-shim-runc-v2 .*-address $CONTAINERD_SOCKET"; }

descendants() { # pid
  local child
  for child in $(pgrep -P "$1"); do
    echo "$child"
    descendants "$child"
  done
}
