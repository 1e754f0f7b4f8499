#!/usr/bin/env bash
# images.sh: pushes what the release tests roll out to the registry of the test cluster, over the image that push-image.sh has
# brought there. Prints NAME=REPOSITORY@DIGEST for each:
#
#   one, two     two good ones, which say so in their build.json
#   broken       its entrypoint fails; its self-check does not
#   sick         its self-check fails
#   newer        its factory has another dialect and schema
#   postgres     its factory keeps its queue in PostgreSQL
set -Eeuo pipefail
# shellcheck source=test/cluster/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../cluster/lib.sh"

REPOSITORY=localhost:$CLUSTER_REGISTRY_PORT/factory-worker
BASE=$REPOSITORY:e2e

# image NAME: the Dockerfile comes on stdin.
image() {
  docker buildx build --quiet --load --tag "$REPOSITORY:release-test-$1" - >&2
  docker push --quiet "$REPOSITORY:release-test-$1" >&2
  docker buildx imagetools inspect "$REPOSITORY:release-test-$1" --format "$1=$REPOSITORY@{{.Manifest.Digest}}"
  echo
}

# revision NAME: the line of a Dockerfile that makes the image tell itself from the others.
revision() {
  # shellcheck disable=SC2016  # jq's own variable
  printf 'RUN jq --arg name %s '\''.revision = $name'\'' /etc/factory-worker/build.json >/tmp/b && mv /tmp/b /etc/factory-worker/build.json\n' "$1"
}

from() {
  printf 'FROM %s\n' "$BASE"
  revision "$1"
}

# One at a time: the registry answers 500 to two who push the same at the same moment.
exec 9>"$CACHE/release-images.lock"
flock 9
eval "$("$ROOT/test/image/machine/docker.sh" up)"
from one | image one
from two | image two
{
  from broken
  # shellcheck disable=SC2016  # for the image
  printf 'RUN printf "#!/bin/sh\\necho the entrypoint of this image fails on purpose\\nexit 3\\n" >/usr/local/lib/factory-worker/entrypoint.sh\n'
} | image broken
{
  from sick
  printf 'RUN printf "#!/bin/sh\\necho fail: it is sick on purpose\\nexit 1\\n" >/usr/local/bin/factory-worker-selfcheck\n'
} | image sick
{
  from newer
  printf 'ENV STANDIN_FACTORY_DIALECT=b\n'
} | image newer
{
  from postgres
  # By the name of its driver in the program such a build is told from others.
  # shellcheck disable=SC2016  # for the image
  printf 'ENV STANDIN_FACTORY_DIALECT=c\nRUN printf "\\n# github.com/jackc/pgx\\n" >>"$(readlink -f "$(command -v factory)")"\n'
} | image postgres
