# shellcheck shell=bash
# Sourced by the wrappers: puts secrets into the environment of the one program that needs them. They are read at each call,
# so the next call sees a changed Secret; a trailing newline, as `echo` and editors add it, is dropped.

# with_secret NAME: exports the secret of that name, if it exists, even when the environment has a value already.
with_secret() {
  local file=${WORKER_SECRETS_DIR:-/run/secrets/factory-worker}/$1 value
  [[ -r $file ]] || return 0
  value=$(<"$file")
  value=${value//[$'\r\n']/}
  [[ -z $value ]] || export "$1=$value"
}
