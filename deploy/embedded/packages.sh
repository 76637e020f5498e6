# shellcheck shell=bash
# What must be on the machine: checked first, installed from Debian where that is possible.

# command it is known by, package that brings it
PACKAGES="
containerd containerd
runc runc
/usr/lib/cni/bridge containernetworking-plugins
iptables iptables
conntrack conntrack
mmdebstrap mmdebstrap
mvn maven
java openjdk-17-jre-headless
ip iproute2
ss iproute2
sysctl procps
modprobe kmod
openssl openssl
curl curl
unzip unzip
python3 python3
"

missing_packages() {
  local command package
  while read -r command package; do
    [ -n "$command" ] || continue
    have "$command" || echo "$package"
  done <<<"$PACKAGES" | sort -u
  python3 -c 'import importlib.util, sys; sys.exit(not importlib.util.find_spec("pip"))' || echo python3-pip
}

install_packages() {
  local missing
  missing=$(missing_packages | tr '\n' ' ')
  [ -n "${missing// /}" ] || return 0
  have apt-get || die "these Debian packages are missing and there is no apt-get here: $missing" \
    "install what they contain by the system's own means"
  say "installing $missing"
  export DEBIAN_FRONTEND=noninteractive
  # An earlier installation may have been killed half-way.
  dpkg --configure -a >"$CACHE/apt.log" 2>&1
  # shellcheck disable=SC2086  # a list of names
  { apt-get -qq -o DPkg::Lock::Timeout=300 update &&
    apt-get -qq -y -o DPkg::Lock::Timeout=300 --no-install-recommends install $missing; } >>"$CACHE/apt.log" 2>&1 || {
    tail -5 "$CACHE/apt.log" >&2
    die "apt-get could not install: $missing" "see $CACHE/apt.log"
  }
}

check_go() {
  local found
  have go || die "Go is not installed" "install Go $GO_MIN or newer (Debian's own is older) and put it on PATH"
  GO_VERSION=$(cd / && GOTOOLCHAIN=local go env GOVERSION)
  found=${GO_VERSION#go}
  [ "$(printf '%s\n' "$GO_MIN" "$found" | sort -V | head -n 1)" = "$GO_MIN" ] ||
    die "Go $found is too old to compile Kubernetes" "install Go $GO_MIN or newer and put it on PATH"
}
