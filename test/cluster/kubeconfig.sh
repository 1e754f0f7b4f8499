#!/usr/bin/env bash
# kubeconfig.sh USER SERVER: prints a kubeconfig with the certificate of USER in it.
set -Eeuo pipefail
# shellcheck source=test/cluster/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
user=$1 server=$2
encoded() { base64 --wrap=0 "$NODE/pki/$1"; }
cat <<END
apiVersion: v1
kind: Config
clusters:
  - name: $CONTEXT
    cluster: {server: "$server", certificate-authority-data: $(encoded ca.crt)}
users:
  - name: $user
    user: {client-certificate-data: $(encoded "$user.crt"), client-key-data: $(encoded "$user.key")}
contexts:
  - name: $CONTEXT
    context: {cluster: $CONTEXT, user: $user}
current-context: $CONTEXT
END
