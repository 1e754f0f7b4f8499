#!/usr/bin/env bash
# Everything that can be said of the chart without a cluster. Builds what it needs into .cache/: the Go programs pinned in
# tools/go.mod, and yamllint and yamale as pinned in tools/requirements.txt. Needs Go, Python 3 with venv, and npm.
# `lint.sh tools` only builds the Go programs.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly CHART=charts/factory-worker
CACHE=$(realpath "$PWD/.cache")
readonly CACHE
readonly TOOLS=$CACHE/tools
readonly PYTHON=$CACHE/tools-python
# The oldest Kubernetes that Chart.yaml allows, and the newest one known; both are also in test/charts/helm.ts.
readonly KUBERNETES=(1.29.14 1.37.2)

step() { printf '%s\n' "lint-chart: $*"; }

fail() {
  printf '%s\n' "lint-chart: $*" >&2
  exit 1
}

# A stamp with the checksum of the pins says that there is nothing to do.
is_fresh() { [[ -e $1 && $(sha256sum <"$2") == "$(<"$1")" ]]; }

build_go_tools() {
  is_fresh "$TOOLS/.stamp" tools/go.sum && return
  command -v go >/dev/null || fail 'go is missing: install Go 1.26 or newer (https://go.dev/dl)'
  step 'building helm, ct and kubeconform (two minutes the first time)'
  # A Helm that is built from its module believes in Kubernetes 1.20 unless it is told otherwise.
  local newest=${KUBERNETES[1]} flags='-s -w'
  local minor=${newest#*.}
  for package in pkg/chartutil pkg/lint/rules; do
    flags+=" -X helm.sh/helm/v3/$package.k8sVersionMajor=1 -X helm.sh/helm/v3/$package.k8sVersionMinor=${minor%%.*}"
  done
  (cd tools && GOBIN=$TOOLS GOFLAGS=-mod=readonly go install -trimpath -ldflags "$flags" tool)
  sha256sum <tools/go.sum >"$TOOLS/.stamp"
}

build_python_tools() {
  is_fresh "$PYTHON/.stamp" tools/requirements.txt && return
  if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
      fail 'python3 with venv is missing: install it (Debian: apt-get install python3-venv)'
    fi
    step 'installing python3-venv'
    apt-get install --yes --quiet --no-install-recommends python3-venv >/dev/null
  fi
  step 'installing yamllint and yamale'
  rm -rf "$PYTHON"
  python3 -m venv "$PYTHON"
  "$PYTHON/bin/pip" install --quiet --disable-pip-version-check --require-hashes --requirement tools/requirements.txt
  sha256sum <tools/requirements.txt >"$PYTHON/.stamp"
}

# Prints the paths of the Helms to use, the newest last.
helms() {
  printf '%s\n' "$TOOLS/helm"
  npx tsx test/charts/pinned-helm.ts | grep --invert-match '^$' || true
}

lint_yaml() {
  step 'yamllint'
  "$PYTHON/bin/yamllint" --strict --config-file .ct/lintconf.yaml ct.yaml .ct examples/values \
    "$CHART"/{Chart,values,namespace}.yaml "$CHART/ci"
}

lint_with_helm() {
  local helm=$1 values
  for values in "$CHART"/ci/*.yaml examples/values/*.yaml; do
    "$helm" lint --strict --quiet --kube-version "${KUBERNETES[1]}" --values "$values" "$CHART" ||
      fail "helm lint does not like $values"
  done
}

lint_with_ct() {
  step "ct lint"
  PATH=$TOOLS:$PYTHON/bin:$PATH "$TOOLS/ct" lint --config ct.yaml --charts "$CHART" >"$CACHE/ct.log" 2>&1 || {
    cat "$CACHE/ct.log" >&2
    fail 'ct lint failed'
  }
}

# Every field of every object, against the API of the oldest and the newest Kubernetes.
check_fields() {
  local helm=$1 version values
  step "kubeconform, Kubernetes ${KUBERNETES[*]}"
  npx tsx test/charts/kubernetes-schemas.ts "$CACHE/kubernetes-schemas" "${KUBERNETES[@]}"
  for version in "${KUBERNETES[@]}"; do
    for values in "$CHART"/ci/*.yaml examples/values/*.yaml; do
      "$helm" template worker-1 "$CHART" --namespace factory --kube-version "$version" --values "$values"
      printf -- '---\n'
    done | cat - "$CHART/namespace.yaml" | "$TOOLS/kubeconform" -strict -summary -kubernetes-version "$version" \
      -schema-location "$CACHE/kubernetes-schemas/{{.NormalizedKubernetesVersion}}/{{.ResourceKind}}{{.KindSuffix}}.json"
  done
}

main() {
  build_go_tools
  [[ ${1-} != tools ]] || return 0
  build_python_tools
  lint_yaml
  local helm
  while read -r helm; do
    step "helm lint --strict with $("$helm" version --template '{{.Version}}')"
    lint_with_helm "$helm"
  done < <(helms)
  lint_with_ct
  check_fields "$TOOLS/helm"
  step "the chart's tests with each of them"
  HELM=$(helms | paste -sd :) npx vitest run --reporter=dot --no-color --project=chart
  step 'all is well'
}

main "$@"
