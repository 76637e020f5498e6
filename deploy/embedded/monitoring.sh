# shellcheck shell=bash
# Prometheus: a pod for who asks for one, and its programs for the tests. Nothing of it is fetched otherwise.

prometheus_dir() { echo "$CACHE/prometheus-$(key_of "$DEBIAN_SUITE" "$PROMETHEUS_PACKAGES")"; }

# apt's lists may be missing, or too old to fetch by.
download_prometheus() ( # directory
  # shellcheck disable=SC2086  # a list of names
  cd "$1" && { apt-get -q download $PROMETHEUS_PACKAGES || { apt-get -q update && apt-get -q download $PROMETHEUS_PACKAGES; }; }
)

# Unpacked, not installed: nothing of it is set up here.
make_prometheus() { # directory
  local tree=$1/tree package
  have apt-get || die 'Prometheus comes as a Debian package, and there is no apt-get here' 'leave monitoring out'
  logged prometheus download_prometheus "$1" && mkdir "$tree" "$1/bin" || return 1
  for package in "$1"/*.deb; do dpkg -x "$package" "$tree" || return 1; done
  # Its page wants no time zones but the one file that holds them all.
  "${TAR_REPRODUCIBLY[@]}" --exclude=moment-timezone/data -C "$tree" -cf "$1/layer.tar" usr/bin/prometheus \
    usr/share/{prometheus,javascript,nodejs,fonts,fonts-glyphicons} &&
    mv "$tree"/usr/bin/{prometheus,promtool} "$1/bin" && rm -r "$tree" "$1"/*.deb && digest_layer "$1"
}

build_prometheus() {
  [ ! -d "$(prometheus_dir)" ] || return 0
  lock 8 "$CACHE/lock"
  step 'make Prometheus' cached "$(prometheus_dir)" make_prometheus
  exec 8>&-
}

cmd_prometheus_path() {
  check_root
  step 'install packages' install_packages
  build_prometheus
  echo "$(prometheus_dir)/bin"
}

prometheus_image() {
  echo "lab.local/prometheus:$(cat "$(rootfs_dir)/layer.sha256" "$(prometheus_dir)/layer.sha256" | key_of @/dev/stdin)"
}

apply_prometheus() {
  local monitoring image hash
  monitoring=$(dirname "$EMBEDDED_DIR")/monitoring
  image=$(prometheus_image)
  # Its base came with the brokers' image.
  has_image "$image" || import_image "$image" --user 65534:65534 --omit "$(cat "$(rootfs_dir)/layer.sha256")" \
    "$(rootfs_dir)" "$(prometheus_dir)" || return 1
  # A changed configuration is a changed pod.
  hash=$(cat "$monitoring/prometheus.yml" "$monitoring"/rules/*.yaml | key_of @/dev/stdin)
  {
    PROMETHEUS_IMAGE=$image CONFIG_HASH=$hash render "$EMBEDDED_DIR/manifests/prometheus.yaml"
    echo ---
    kc create configmap prometheus -n monitoring --from-file="$monitoring/prometheus.yml" --dry-run=client -o yaml
    echo ---
    kc create configmap prometheus-rules -n monitoring --from-file="$monitoring/rules/" --dry-run=client -o yaml
  } | kc apply --server-side --force-conflicts --field-manager=eoslab-embedded -f - >/dev/null
}

# Asked of itself: right after a start, the API server still remembers its pod as it was before.
prometheus_serves() {
  curl -sf -m 2 "http://$(kc get service prometheus -n monitoring -o 'jsonpath={.spec.clusterIP}'):9090/-/ready"
}

start_prometheus() {
  apply_prometheus && wait_for 120 Prometheus prometheus_serves &&
    kc rollout status deployment/prometheus -n monitoring --timeout=120s >/dev/null &&
    say 'Prometheus: kubectl port-forward -n monitoring service/prometheus 9090, then open http://localhost:9090'
}
