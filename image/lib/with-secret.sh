# shellcheck shell=bash
# Read by the wrappers: puts secrets into the environment of the one program that needs them. They are read at each call,
# so a Secret that was changed reaches the next one; a newline at the end, which `echo` and editors leave, is dropped.

# with_secret NAME: exports the secret of that name, where there is one; an environment that has it already wins nothing.
with_secret() {
  local file=${WORKER_SECRETS_DIR:-/run/secrets/factory-worker}/$1 value
  [[ -r $file ]] || return 0
  value=$(<"$file")
  value=${value//[$'\r\n']/}
  [[ -z $value ]] || export "$1=$value"
}
