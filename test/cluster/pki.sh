#!/usr/bin/env bash
# pki.sh DIR: certificates of one cluster, each made once: a CA, the API server, its client to the kubelet, the kubelets of
# all nodes (second-node.sh, v2/with-node.sh), and the administrator, as whom the controllers and the scheduler run too.
set -Eeuo pipefail
# shellcheck source=test/cluster/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
dir=$1

# certificate NAME SUBJECT [SUBJECT_ALT_NAME]
certificate() {
  [[ ! -e $dir/$1.crt ]] || return 0
  local extensions='extendedKeyUsage=clientAuth,serverAuth'
  [[ -z ${3-} ]] || extensions+=$'\n'"subjectAltName=$3"
  openssl req -newkey rsa:2048 -nodes -keyout "$dir/$1.key" -subj "$2" -out "$dir/$1.csr" 2>/dev/null
  openssl x509 -req -in "$dir/$1.csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -CAcreateserial -days 3650 \
    -extfile <(echo "$extensions") -out "$dir/$1.crt" 2>/dev/null
  rm "$dir/$1.csr"
}

umask 077
mkdir -p "$dir"
[[ -e $dir/ca.crt ]] || openssl req -x509 -newkey rsa:2048 -nodes -keyout "$dir/ca.key" -subj /CN=factory-worker-test-ca -days 3650 \
  -out "$dir/ca.crt" 2>/dev/null
certificate apiserver /CN=kube-apiserver \
  "IP:$NODE_IP,IP:127.0.0.1,IP:$API_SERVICE_IP,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
certificate kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client
certificate kubelet /O=system:nodes/CN=system:node:fwc-node
certificate kubelet-2 /O=system:nodes/CN=system:node:fwc-node-2
certificate kubelet-v2 /O=system:nodes/CN=system:node:fwc-v2
certificate admin /O=system:masters/CN=admin
[[ -e $dir/service-accounts.key ]] || openssl genrsa -out "$dir/service-accounts.key" 2048 2>/dev/null
