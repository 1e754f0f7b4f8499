# shellcheck shell=bash
# Runs a script, and then again and again over the same exec, which stays open. Arguments: SILENCE SCRIPT NAME WORD…
# The words of a run are its time limit and the arguments of the script, its nonce first. Those of the next runs come on stdin:
# how many they are, then each, with a NUL at its end. Ends with stdin, or after SILENCE seconds without a request: whoever asked
# may be gone without a word, as a laptop that sleeps.
silence=$1 script=$2 name=$3
words=("${@:4}")
run() { timeout -k 2 "${words[0]}" bash -c "$script" "$name" "${words[@]:1}" </dev/null; }
run
while IFS= read -r -d '' -t "$silence" count; do
  mapfile -d '' -n "$count" -t words
  run
done
exit 0
