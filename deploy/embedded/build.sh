# shellcheck shell=bash
# The programs that are compiled from Go modules. Each module's result is cached under a key over its files, the
# flags and the compiler.

# These two key Go's own cache as well: changing them means compiling everything again.
export CGO_ENABLED=0
export GOWORK=off # the repository around this may have a workspace
# Without inlining the compiler takes a quarter less time (client-go: 106 CPU seconds against 144), and kubectl 0.10 s of
# CPU for a call instead of 0.07.
GO_FLAGS=(-trimpath -mod=readonly -buildvcs=false '-gcflags=all=-dwarf=false -l')

# The compiler's own garbage is a quarter of its time: it lives for seconds, and needs 0.8 GiB at most without collecting.
GO_MEMORY=(GOGC=off GOMEMLIMIT=1500MiB)

go_version() { echo "${GO_VERSION:=$(cd / && GOTOOLCHAIN=local go env GOVERSION)}"; }

module_dir() { # name of a folder in go/
  local files
  files=$(find "$EMBEDDED_DIR/go/$1" -type f | LC_ALL=C sort | sed 's/^/@/')
  # shellcheck disable=SC2086  # one word a file
  echo "$CACHE/$1-$(key_of "$(go_version)" "${GO_FLAGS[*]}" "$(ldflags)" $files)"
}

version_of() { # module path: the version in programs' go.mod
  awk -v module="$1" '$1 == "require" { $1 = ""; $0 = $0 } $1 == module { print $2; exit }' "$EMBEDDED_DIR/go/programs/go.mod"
}

# Unstamped Kubernetes binaries say v0.0.0-master, which clients and charts refuse.
ldflags() {
  local version minor
  version=$(version_of k8s.io/kubernetes)
  minor=${version#v*.}
  echo "-s -w -X k8s.io/component-base/version.gitVersion=$version -X k8s.io/client-go/pkg/version.gitVersion=$version" \
    "-X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=${minor%%.*}" \
    "-X helm.sh/helm/v3/internal/version.version=$(version_of helm.sh/helm/v3)"
}

go_build() { # folder, packages..., directory to fill
  local folder=$1 dir=${!#}
  local packages=("${@:2:$#-2}")
  (cd "$EMBEDDED_DIR/go/$folder" && logged "$folder" \
    env "${GO_MEMORY[@]}" go build "${GO_FLAGS[@]}" -ldflags "$(ldflags)" -o "$dir/" "${packages[@]}")
}

# One module and one call for all of them: what they share is compiled once.
make_programs() { # directory
  local program packages=(./coredns go.etcd.io/etcd/server/v3 helm.sh/helm/v3/cmd/helm)
  for program in kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl; do
    packages+=("k8s.io/kubernetes/cmd/$program")
  done
  go_build programs "${packages[@]}" "$1" && mv "$1/server" "$1/etcd"
}

# One directory with links, so that a user's PATH need not change when a version does.
link_programs() {
  mkdir -p "$BIN" && ln -sfn "$(module_dir programs)"/* "$BIN/"
}

build_programs() {
  check_go
  [ -d "$(module_dir pause)" ] || step 'compile pause' cached "$(module_dir pause)" go_build pause .
  [ -d "$(module_dir programs)" ] || step 'compile Kubernetes, etcd, CoreDNS, Helm' cached "$(module_dir programs)" make_programs
}
