#!/usr/bin/env bash
# Makes .cache a link to one folder for all checkouts, so that what is fetched and built for the tests (Helm, a Docker, a
# Kubernetes, images) is there in a fresh clone too. What is in it is named or stamped by checksums of what it is made of, and
# may be deleted at any time that no test runs. A .cache that is there already is left alone.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly SHARED=${XDG_CACHE_HOME:-$HOME/.cache}/factory-worker-tests

if [ -d .cache ] && [ ! -L .cache ]; then exit 0; fi
if [ -L .cache ]; then
  mkdir -p "$(readlink .cache)"
  exit 0
fi
# Not a user's business to read: kubeconfigs of test clusters are in it for a while.
(umask 077 && mkdir -p "$SHARED")
ln -s "$SHARED" .cache
