# shellcheck shell=bash
# One certificate authority, a certificate and a kubeconfig for each user of the API.

# The folder is made under another name and renamed when complete: if it exists, nothing in it is missing.
make_pki() {
  local user
  cached "$STATE/pki" logged pki fill_pki || return 1
  chmod 700 "$STATE/pki"
  mkdir -p "$STATE/conf"
  for user in kubelet kube-controller-manager kube-scheduler kube-proxy coredns; do
    kubeconfig_for "$user" "$STATE/conf/$user.kubeconfig" || return 1
  done
  kubeconfig_for admin "$KUBECONFIG_FILE"
}

fill_pki() { # directory
  local names=DNS:localhost name
  for name in kubernetes{,.default,.default.svc,.default.svc.cluster.local}; do names+=,DNS:$name; done
  openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=eoslab-ca -keyout "$1/ca.key" -out "$1/ca.crt" &&
    openssl genrsa -out "$1/sa.key" 2048 && openssl rsa -in "$1/sa.key" -pubout -out "$1/sa.pub" &&
    certificate "$1" kube-apiserver /CN=kube-apiserver "$names,IP:127.0.0.1,IP:$API_IP,IP:$NODE_IP" &&
    certificate "$1" kubelet "/O=system:nodes/CN=system:node:$NODE" "DNS:$NODE,IP:$NODE_IP" &&
    certificate "$1" admin /O=system:masters/CN=admin &&
    certificate "$1" kube-controller-manager /CN=system:kube-controller-manager &&
    certificate "$1" kube-scheduler /CN=system:kube-scheduler &&
    certificate "$1" kube-proxy /CN=system:kube-proxy &&
    certificate "$1" coredns /CN=eoslab:coredns
}

certificate() { # directory name subject [alternative names]
  local extensions=$1/$2.ext
  {
    echo keyUsage=digitalSignature,keyEncipherment
    echo extendedKeyUsage=serverAuth,clientAuth
    [ -z "${4:-}" ] || echo "subjectAltName=$4"
  } >"$extensions"
  openssl req -newkey rsa:2048 -nodes -subj "$3" -keyout "$1/$2.key" -out "$1/$2.csr" &&
    openssl x509 -req -days 3650 -in "$1/$2.csr" -CA "$1/ca.crt" -CAkey "$1/ca.key" -CAcreateserial \
      -extfile "$extensions" -out "$1/$2.crt" && rm "$extensions" "$1/$2.csr"
}

# Keys are embedded, so that the file can be copied or mounted anywhere.
kubeconfig_for() { # user file
  local pki=$STATE/pki
  (umask 077 && cat >"$2.tmp") <<K || return 1
apiVersion: v1
kind: Config
clusters:
- name: lab
  cluster:
    server: https://$NODE_IP:6443
    certificate-authority-data: $(base64 -w0 "$pki/ca.crt")
users:
- name: $1
  user:
    client-certificate-data: $(base64 -w0 "$pki/$1.crt")
    client-key-data: $(base64 -w0 "$pki/$1.key")
contexts:
- name: lab
  context: {cluster: lab, user: $1}
current-context: lab
K
  mv "$2.tmp" "$2"
}
