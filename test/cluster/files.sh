#!/usr/bin/env bash
# files.sh: writes the configuration of containerd, CNI, kubelet and registry into the node's folder.
set -Eeuo pipefail
# shellcheck source=test/cluster/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

# A pod cannot ask a resolver that listens on this machine's loopback, as systemd-resolved does.
resolver() {
  local file=/etc/resolv.conf
  if grep --quiet '^nameserver 127\.' "$file" && [[ -r /run/systemd/resolve/resolv.conf ]]; then
    file=/run/systemd/resolve/resolv.conf
  fi
  cat "$file"
}

mkdir -p "$NODE/run/cni" "$NODE/var/lib/registry"
resolver >"$NODE/run/pod-resolv.conf"

# A privileged pod asks for every capability, also for those that this machine may lack.
# shellcheck disable=SC2016  # as it stands there
grep --quiet --fixed-strings '${RUNC:-' "$ROOT/test/image/machine/runc.sh" || die 'test/image/machine/runc.sh takes no RUNC any more'
sed '1a export RUNC=runc' "$ROOT/test/image/machine/runc.sh" >"$NODE/run/runc"
chmod 755 "$NODE/run/runc"

if [[ ${CLUSTER_NODE:-debian} == containerd2 ]]; then
  cat >"$NODE/run/containerd.toml" <<END
version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
[plugins."io.containerd.cri.v1.images"]
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "$PAUSE_IMAGE"
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = "/run/registries"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = "/run/runc"
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["$INSIDE/debian/usr/lib/cni"]
    conf_dir = "/run/cni"
END
else
  cat >"$NODE/run/containerd.toml" <<END
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$PAUSE_IMAGE"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "/run/runc"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/run/registries"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$INSIDE/debian/usr/lib/cni"
    conf_dir = "/run/cni"
END
fi

# Every registry is the cluster's own first, as mirrors are set up on nodes: so a name without a host, which the chart has
# without any values, is what was pushed as localhost:PORT/library/NAME.
mkdir -p "$NODE/run/registries/_default"
cat >"$NODE/run/registries/_default/hosts.toml" <<END
[host."http://localhost:$CLUSTER_REGISTRY_PORT"]
  capabilities = ["pull", "resolve"]
END

# No address translation here: the machine outside does it for the whole node.
cat >"$NODE/run/cni/10-pods.conflist" <<END
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "pods0", "isGateway": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "$POD_CIDR"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
END

cat >"$NODE/run/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: /run/pki/ca.crt}}
authorization: {mode: Webhook}
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP
failCgroupV1: false
failSwapOn: false
makeIPTablesUtilChains: false
oomScoreAdj: 0
# It would hand out processors that the machine may not have (node.sh).
enforceNodeAllocatable: [none]
resolvConf: /run/pod-resolv.conf
evictionHard: {memory.available: 200Mi, nodefs.available: 1Gi, imagefs.available: 1Gi}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
volumePluginDir: /var/lib/kubelet/volume-plugins
# Small and fast, for tests: a lost node is noticed soon, a changed Secret is in the pods soon (else after a minute or two).
syncFrequency: 10s
nodeLeaseDurationSeconds: 20
nodeStatusUpdateFrequency: 5s
END

# Namespaces without labels refuse privileged pods, as clusters whose owners care have it; Kubernetes' own default allows all.
cat >"$NODE/run/admission.yaml" <<END
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
  - name: PodSecurity
    configuration:
      apiVersion: pod-security.admission.config.k8s.io/v1
      kind: PodSecurityConfiguration
      defaults: {enforce: baseline, enforce-version: latest}
END

cat >"$NODE/run/registry.yml" <<END
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: /var/lib/registry}, delete: {enabled: true}}
http: {addr: "127.0.0.1:$CLUSTER_REGISTRY_PORT", secret: two-registries-one-folder}
END
# The same images under the same name, localhost:PORT, on this machine: a second registry over the one folder.
sed "s|/var/lib/registry|$NODE/var/lib/registry|" "$NODE/run/registry.yml" >"$NODE/run/registry-outside.yml"
