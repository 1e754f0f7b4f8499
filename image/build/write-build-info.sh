#!/usr/bin/env bash
# Prints build.json: what this image was built from.
set -Eeuo pipefail

readonly OURS=/usr/local/lib/factory-worker
version_of() {
  dpkg-query --show --showformat '${Version}' "$1"
}
# The server that builds of factory for PostgreSQL need; empty in an image without it.
postgresql() {
  local program
  for program in /usr/lib/postgresql/*/bin/postgres; do
    if [[ -x $program ]]; then "$program" --version | cut -d ' ' -f 3; fi
  done
}

jq --null-input \
  --arg revision "$REVISION" --arg base "$BASE_IMAGE" --arg digest "$BASE_DIGEST" --arg platform "linux/$(dpkg --print-architecture)" \
  --arg sha "$(sha256sum /usr/local/bin/factory | cut -d ' ' -f 1)" \
  --arg factory "${FACTORY_VERSION:-$(HOME=$(mktemp -d) factory version 2>/dev/null | head -n 1)}" \
  --arg supervisor "$(sha256sum "$OURS/supervisor.js" | cut -d ' ' -f 1)" \
  --arg docker "$(version_of docker.io)" --arg compose "$(version_of docker-compose)" --arg buildx "$(version_of docker-buildx)" \
  --arg containerd "$(version_of containerd)" --arg runc "$(version_of runc)" --arg tmux "$(version_of tmux)" \
  --arg git "$(version_of git)" --arg debian "$(</etc/debian_version)" --arg node "$(node --version)" --arg npm "$(npm --version)" \
  --arg gh "$("$OURS/libexec/gh" --version | head -n 1)" --arg claude "$(HOME=$(mktemp -d) "$OURS/libexec/claude" --version)" \
  --arg go "$(GOTOOLCHAIN=local go env GOVERSION)" --arg postgresql "$(postgresql)" \
  '{schema: 1, revision: $revision, platform: $platform, base: {name: $base, digest: $digest},
    factory: {sha256: $sha, version: $factory}, supervisor: {sha256: $supervisor},
    packages: {debian: $debian, docker: $docker, compose: $compose, buildx: $buildx, containerd: $containerd, runc: $runc,
      tmux: $tmux, git: $git, node: $node, npm: $npm, gh: $gh, claude: $claude, go: $go,
      postgresql: (if $postgresql == "" then null else $postgresql end)}}'
