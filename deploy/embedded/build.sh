# shellcheck shell=bash
# The programs that are compiled from Go modules. Each module's result is cached under a key over its files, the
# flags and the compiler.

# These two key Go's own cache as well: changing them means compiling everything again.
export CGO_ENABLED=0
export GOWORK=off # the repository around this may have a workspace
GO_FLAGS=(-trimpath -mod=readonly -buildvcs=false)

go_version() { echo "${GO_VERSION:=$(cd / && GOTOOLCHAIN=local go env GOVERSION)}"; }

module_dir() { # name of a folder in go/
  local files
  files=$(find "$EMBEDDED_DIR/go/$1" -type f | LC_ALL=C sort | sed 's/^/@/')
  # shellcheck disable=SC2086  # one word a file
  echo "$CACHE/$1-$(key_of "$(go_version)" "${GO_FLAGS[*]}" "$(ldflags "$1")" $files)"
}

version_of() { # folder, module path: the version in go.mod
  awk -v module="$2" '$1 == "require" { $1 = ""; $0 = $0 } $1 == module { print $2; exit }' "$EMBEDDED_DIR/go/$1/go.mod"
}

ldflags() { # folder
  local version flags='-s -w'
  case $1 in
    kube)
      # Unstamped binaries say v0.0.0-master, which clients and charts refuse.
      version=$(version_of kube k8s.io/kubernetes)
      flags+=" -X k8s.io/component-base/version.gitVersion=$version -X k8s.io/client-go/pkg/version.gitVersion=$version"
      flags+=" -X k8s.io/component-base/version.gitMajor=$(cut -d. -f1 <<<"${version#v}")"
      flags+=" -X k8s.io/component-base/version.gitMinor=$(cut -d. -f2 <<<"$version")"
      ;;
    helm) flags+=" -X helm.sh/helm/v3/internal/version.version=$(version_of helm helm.sh/helm/v3)" ;;
  esac
  echo "$flags"
}

go_build() { # folder, output (a directory takes the packages' own names), packages..., directory to fill
  local folder=$1 output=$2 dir=${!#}
  local packages=("${@:3:$#-3}")
  (cd "$EMBEDDED_DIR/go/$folder" && logged "$folder" \
    go build "${GO_FLAGS[@]}" -ldflags "$(ldflags "$folder")" -o "$dir/$output" "${packages[@]}")
}

KUBE_PROGRAMS="kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl"

build_kube() {
  local program packages=()
  for program in $KUBE_PROGRAMS; do packages+=("k8s.io/kubernetes/cmd/$program"); done
  cached "$(module_dir kube)" go_build kube ./ "${packages[@]}"
}
build_etcd() { cached "$(module_dir etcd)" go_build etcd etcd go.etcd.io/etcd/server/v3; }
build_coredns() { cached "$(module_dir coredns)" go_build coredns coredns .; }
build_helm() { cached "$(module_dir helm)" go_build helm helm helm.sh/helm/v3/cmd/helm; }
build_pause() { cached "$(module_dir pause)" go_build pause pause .; }

# One directory with links, so that a user's PATH need not change when a version does.
link_programs() {
  local folder
  mkdir -p "$BIN"
  for folder in kube etcd coredns helm; do
    ln -sfn "$(module_dir "$folder")"/* "$BIN/"
  done
}

build_programs() {
  local folder
  check_go
  for folder in etcd coredns pause kube helm; do
    [ -d "$(module_dir "$folder")" ] || step "compile $folder" "build_$folder"
  done
  link_programs
}
