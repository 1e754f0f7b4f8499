# shellcheck shell=bash
# Answers again and again over one exec that stays open. Arguments: SILENCE LIMIT SCRIPT NAME ARG…
# Each line of stdin is a nonce, with which the script runs as on its own. Ends with stdin, or after SILENCE seconds without a
# line: whoever asked may be gone without a word, as a laptop that sleeps.
silence=$1 limit=$2 script=$3 name=$4
shift 4
while IFS= read -r -t "$silence" nonce; do
  timeout -k 2 "$limit" bash -c "$script" "$name" "$nonce" "$@" </dev/null
done
exit 0
