# shellcheck shell=bash
# Images that come from outside: the project's own binaries, and archives made elsewhere.

EOSLAB_REPOSITORY=eoslab.local/eoslab
EOSLAB_IMAGES_KEPT=8

need_containerd() {
  check_root
  running containerd || die 'the lab does not run' 'make up'
}

cmd_load_image() { # archive
  [ -f "${1:-}" ] || die "no image archive: '${1:-}'" 'lab load-image FILE'
  need_containerd
  ctr_k8s images import "$1"
}

# One layer with the binaries on the base that the brokers' image has as well. The tag is the layer's hash, so that
# a deployment with a changed binary is a changed deployment; `dev` always names the latest.
cmd_load_eoslab() { # directory with executables
  local work name programs omit=()
  [ -d "${1:-}" ] || die "no directory: '${1:-}'" 'lab load-eoslab DIR'
  need_containerd
  mapfile -t programs < <(find "$1" -maxdepth 1 -type f -executable -printf '%f\n' | LC_ALL=C sort)
  [ ${#programs[@]} -gt 0 ] || die "there is no executable file in $1" 'build the binaries first'
  work=$(mktemp -d "$STATE/eoslab-image.XXXXXX") || exit 1
  # shellcheck disable=SC2064  # the directory as it is now
  trap "rm -rf '$work'" EXIT
  { "${TAR_REPRODUCIBLY[@]}" --mode=0755 --transform 's,^,usr/local/bin/,' -C "$1" -cf "$work/layer.tar" "${programs[@]}" &&
    digest_layer "$work"; } || die 'could not write the layer' "see how full the disk under $STATE is"
  name=$EOSLAB_REPOSITORY:$(cut -c1-12 "$work/layer.sha256")
  say "import $name (${programs[*]})"
  # The base is in containerd already, as part of the brokers' image: a second instead of five.
  if has_image "$(lab_image)"; then omit=(--omit "$(cat "$(rootfs_dir)/layer.sha256")"); fi
  import_image "$name" --name "$EOSLAB_REPOSITORY:dev" --user 65532:65532 "${omit[@]}" "$(rootfs_dir)" "$work" || die "could not import $name" "see $STATE/logs/containerd.log"
  forget_old_images "$name"
  echo "$name"
}

# Every build is an image; without this a day's work would fill the disk.
forget_old_images() { # the newest
  local list=$STATE/eoslab-images old
  { grep -vxF "$1" "$list" 2>/dev/null; echo "$1"; } >"$list.tmp"
  head -n -$EOSLAB_IMAGES_KEPT "$list.tmp" | while read -r old; do ctr_k8s images rm "$old" >/dev/null; done
  tail -n $EOSLAB_IMAGES_KEPT "$list.tmp" >"$list"
  rm "$list.tmp"
}
