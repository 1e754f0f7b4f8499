#!/usr/bin/env bash
# Makes .cache a link to one folder for all checkouts, so that a fresh clone has what the tests fetch and build (Helm, Docker,
# Kubernetes, images). Its files are named or stamped with checksums of their inputs, and may be deleted whenever no test runs.
# An existing .cache is left alone.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly SHARED=${XDG_CACHE_HOME:-$HOME/.cache}/factory-worker-tests

if [ -d .cache ] && [ ! -L .cache ]; then exit 0; fi
if [ -L .cache ]; then
  mkdir -p "$(readlink .cache)"
  exit 0
fi
# Not readable for other users: it has kubeconfigs of test clusters at times.
(umask 077 && mkdir -p "$SHARED")
ln -s "$SHARED" .cache
