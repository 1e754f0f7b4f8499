# shellcheck shell=bash
# Put before every script whose answer is captured. The answer is a sequence of parts and a closing marker:
#
#   NONCE part NAME rc=N bytes=N
#   …that many bytes, and a newline…
#   NONCE rc=N bytes=N
#
# kubectl can report success for a stream that was cut (kubernetes/kubernetes#73056, #124571), so only the marker, with
# the nonce of this very call and the number of bytes before it, says that the answer is whole.
#
# Not `set -e`: a probe reports what fails and goes on.
set -uo pipefail

nonce=$1
shift
framed=0

# The worker's own secrets, which no answer is to hold, whatever they look like: each line of each key, as knownSecrets of
# lib/tokens.ts takes them. GH_USER is none: it is a name, and part of addresses.
secrets=()
# Matches wherever one of them is: one search instead of one for each line of a private key.
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

# mask TEXT: sets $masked, in which each byte of a secret is a star.
mask() {
  local secret
  masked=$1
  if [ -z "$suspect" ] || ! [[ $1 =~ $suspect ]]; then return; fi
  for secret in "${secrets[@]}"; do masked=${masked//"$secret"/"${secret//?/*}"}; done
}

# mask_stream: the same with a stream of any bytes.
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
  # Not as an argument, which everybody in the worker could read.
  sed --regexp-extended --file=<(printf '%s\n' "$script")
}

# emit_part NAME RC TEXT
emit_part() {
  # In the C locale a length is a number of bytes; local, so that the programs we run keep their own.
  local LC_ALL=C masked
  mask "$3"
  local header="$nonce part $1 rc=$2 bytes=${#masked}"
  printf '%s\n%s\n' "$header" "$masked"
  framed=$((framed + ${#header} + ${#masked} + 2))
}

# part NAME COMMAND ARG…: frames what a read-only command prints; when it fails, its message as NAME.error. The command is
# run again for that, which needs no temporary file: the disk may be full just now.
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
# texts, numbers, booleans and lists of those, an element a line. Fails when there is more in it, or a NUL, which bash cannot
# hold; nothing is to be done then.
# Not by jq, which takes longer to start than factory takes to add an issue.
read_request() {
  # In the C locale a text is its bytes.
  local LC_ALL=C name='' value rest=${1%\}}
  local token='^[],{]+("([a-zA-Z]+)":)?\[?("[^"]*"|[a-z0-9.+-]*)(.*)'
  rest=${rest%]}
  # Once these two are written otherwise, each quote begins or ends a text. `printf` reads all escapes of JSON.stringify.
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

# to_json TEXT: sets $json to the text as JSON. It is masked before: with an escape in it, a secret would not be found later.
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

# begin FUNCTION: lets a function that emits parts run beside what follows; `finish` waits for it and frames what it emitted.
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

# part_file NAME FILE: frames a file's content; nothing when there is no such file.
part_file() {
  local text=''
  [ -r "$2" ] || return 0
  # Not by $(<…), for which bash starts another bash.
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
# `timeout` around us sends this: the frame still closes, and says so.
trap 'exit 124' TERM
