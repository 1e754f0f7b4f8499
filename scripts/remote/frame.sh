# shellcheck shell=bash
# Prepended to every script whose answer is captured. The answer is a sequence of parts and a closing marker:
#
#   NONCE part NAME rc=N bytes=N
#   …that many bytes, and a newline…
#   NONCE rc=N bytes=N
#
# kubectl can report success for a truncated stream (kubernetes/kubernetes#73056, #124571), so only the marker, with the
# nonce of this call and the number of bytes before it, proves that the answer is complete.
#
# Not `set -e`: a probe reports what fails and continues.
set -uo pipefail

nonce=$1
shift
framed=0

# The worker's own secrets, which must not be in any answer: each line of each key, as in knownSecrets of lib/tokens.ts.
# GH_USER is not a secret, but a name, and part of addresses.
secrets=()
# Matches any of them: one search instead of one for each line of a private key.
suspect=''

know_secrets() {
  # In the C locale a length is a number of bytes.
  local LC_ALL=C file line least lines
  for file in "$WORKER_SECRETS_DIR"/*; do
    if [ "${file##*/}" = GH_USER ] || ! mapfile -t lines <"$file"; then continue; fi
    least=8
    if [ "${#lines[@]}" -gt 1 ]; then least=16; fi
    for line in "${lines[@]}"; do
      line=${line#"${line%%[![:space:]]*}"}
      line=${line%"${line##*[![:space:]]}"}
      if [ "${#line}" -lt "$least" ] || [[ $line == -----* ]]; then continue; fi
      secrets+=("$line")
      suspect+=${suspect:+|}${line//[^[:alnum:]]/.}
    done
  done 2>/dev/null
}
if [ -n "${WORKER_SECRETS_DIR-}" ]; then know_secrets; fi

# mask TEXT: sets $masked, where each byte of a secret is a star.
mask() {
  local secret
  masked=$1
  if [ -z "$suspect" ] || ! [[ $1 =~ $suspect ]]; then return; fi
  for secret in "${secrets[@]}"; do masked=${masked//"$secret"/"${secret//?/*}"}; done
}

# mask_stream: the same for a stream of arbitrary bytes.
mask_stream() {
  local LC_ALL=C secret character pattern script
  export LC_ALL
  if [ -z "$suspect" ]; then
    cat
    return
  fi
  script="/$suspect/!b"
  for secret in "${secrets[@]}"; do
    pattern=$secret
    for character in \\ / . '*' '[' ']' ^ $ + '?' '(' ')' '{' '}' '|'; do
      pattern=${pattern//"$character"/"\\$character"}
    done
    script+=$'\n'"s/$pattern/${secret//?/*}/g"
  done
  # Not as an argument, which every process in the worker could read.
  sed --regexp-extended --file=<(printf '%s\n' "$script")
}

# emit_part NAME RC TEXT
emit_part() {
  # In the C locale a length is a number of bytes; local, so that the programs we run keep their locale.
  local LC_ALL=C masked
  mask "$3"
  local header="$nonce part $1 rc=$2 bytes=${#masked}"
  printf '%s\n%s\n' "$header" "$masked"
  framed=$((framed + ${#header} + ${#masked} + 2))
}

# part NAME COMMAND ARG…: frames the output of a read-only command; when it fails, also its message as NAME.error. The command
# is run again for that, which needs no temporary file: the disk may be full.
part() {
  local name=$1 text rc=0
  shift
  text=$("$@" 2>/dev/null) || rc=$?
  emit_part "$name" "$rc" "$text"
  if [ "$rc" -ne 0 ]; then
    emit_part "$name.error" "$rc" "$("$@" 2>&1 >/dev/null)"
  fi
}

# read_request JSON: fills the map `request`, which the script declares, with the fields of the one object that is its argument:
# texts, numbers, booleans and lists of those, one element per line. Fails for anything else, and for a NUL, which bash cannot
# store; the script must do nothing then.
# Without jq, which takes longer to start than factory takes to add an issue.
read_request() {
  # In the C locale a text is its bytes.
  local LC_ALL=C name='' value rest=${1%\}}
  local token='^[],{]+("([a-zA-Z]+)":)?\[?("[^"]*"|[a-z0-9.+-]*)(.*)'
  rest=${rest%]}
  # Once these two escapes are replaced, each quote begins or ends a text. `printf` reads all escapes of JSON.stringify.
  rest=${rest//\\\\/\\x5c}
  rest=${rest//\\\"/\\x22}
  if [[ $rest == *\\u0000* ]]; then return 1; fi
  while [[ $rest =~ $token ]]; do
    name=${BASH_REMATCH[2]:-$name} value=${BASH_REMATCH[3]#\"} rest=${BASH_REMATCH[4]}
    printf -v value %b "${value%\"}"
    request["$name"]+=${request["$name"]+$'\n'}$value
  done
  [ -z "$rest" ]
}

# to_json TEXT: sets $json to the text as JSON. Masks it first: a secret with an escape in it would not be found later.
to_json() {
  local LC_ALL=C masked escape
  mask "$1"
  json=${masked//\\/\\\\}
  json=${json//\"/\\\"}
  while [[ $json =~ [[:cntrl:]] ]]; do
    printf -v escape '\\u%04x' "'${BASH_REMATCH[0]}"
    json=${json//"${BASH_REMATCH[0]}"/"$escape"}
  done
  json=\"$json\"
}

# begin FUNCTION: runs a function that emits parts in the background; `finish` waits for it and frames what it emitted.
begin() {
  exec {beside}< <("$@")
}

finish() {
  local LC_ALL=C text=''
  IFS= read -r -d '' text <&"$beside"
  printf '%s' "$text"
  framed=$((framed + ${#text}))
  exec {beside}<&-
}

# part_file NAME FILE: frames a file's content, if the file exists.
part_file() {
  local text=''
  [ -r "$2" ] || return 0
  # Not with $(<…), for which bash forks.
  IFS= read -r -d '' text <"$2"
  emit_part "$1" 0 "${text%$'\n'}"
}

close_frame() {
  local rc=$?
  trap - EXIT
  printf '%s rc=%d bytes=%d\n' "$nonce" "$rc" "$framed"
  exit 0
}
trap close_frame EXIT
# Sent by the `timeout` that runs us: the frame is still closed, with an exit code that tells.
trap 'exit 124' TERM
