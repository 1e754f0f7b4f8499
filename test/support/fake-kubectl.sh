#!/usr/bin/env bash
# A kubectl for tests, called through a link in a directory made by fake-kubectl.ts, which explains what it can do.
#
#   DIR/kubectl           this script
#   DIR/rules/NNNN/       one directory per rule, tried in their order; a file in it per property of the rule
#   DIR/calls/ID/argv     the arguments of one call, each ended by a NUL; written when it starts
#   DIR/calls/ID/code     its exit code; written when it ends
#
# Plain bash (3.2, as on macOS) and no jq, since it is started dozens of times in a test.
set -Eeuo pipefail

dir=$(cd "$(dirname "$0")" && pwd)
call=$dir/calls/$$-$RANDOM
mkdir "$call"
: >"$call/.argv"
(($# == 0)) || printf '%s\0' "$@" >"$call/.argv"
mv "$call/.argv" "$call/argv"

# Ends the call with the code given, as far as the records go.
finish() {
    printf '%s\n' "$1" >"$call/code"
    exit "$1"
}

# Whether the words of a rule are all among the arguments, in this order. A word may be a glob pattern.
matches() {
    local rule=$1 word
    shift
    while IFS= read -r word; do
        # shellcheck disable=SC2053 # a pattern is wanted
        while (($# > 0)) && [[ $1 != $word ]]; do shift; done
        (($# > 0)) || return 1
        shift
    done <"$rule/match"
}

# Whether a rule may still be used; mkdir counts, since calls run at the same time.
claim() {
    local rule=$1 times n
    [[ -e $rule/times ]] || return 0
    times=$(<"$rule/times")
    for ((n = 1; n <= times; n++)); do
        if mkdir "$rule/used-$n" 2>/dev/null; then return 0; fi
    done
    return 1
}

# Passes stdout on, cut after the rule's number of bytes.
deliver() {
    if [[ -e $1/cut ]]; then head -c "$(<"$1/cut")"; else cat; fi
}

# Runs what stands after `--` on this machine, with what kubectl would do to its streams and its exit code.
run_here() {
    local rule=$1 stdin=0 tty=0 entry code=0 environment=() start=()
    shift
    while (($# > 0)) && [[ $1 != -- ]]; do
        case $1 in
            -i | --stdin | --stdin=true) stdin=1 ;;
            -t | --tty | --tty=true) tty=1 ;;
            -it | -ti) stdin=1 tty=1 ;;
        esac
        shift
    done
    if (($# < 2)); then
        printf 'error: you must specify at least one command for the container\n' >&2
        return 1
    fi
    shift
    while IFS= read -r -d '' entry; do environment+=("$entry"); done <"$rule/env"
    if [[ -e $rule/survives ]]; then start=(setsid --wait); fi
    if ((tty)) && [[ ! -t 0 ]]; then
        printf 'Unable to use a TTY - input is not a terminal or the right kind of file\n' >&2
    fi
    if ((stdin)); then exec 3<&0; else exec 3</dev/null; fi
    # A terminal in the container has one stream for both.
    if ((tty)); then exec 4>&1; else exec 4>&2; fi
    cd "$(<"$rule/cwd")"
    ${start[@]+"${start[@]}"} env -i ${environment[@]+"${environment[@]}"} "$@" <&3 2>&4 3<&- 4>&- || code=$?
    # Of a stream that was cut kubectl does not know how the command ended.
    if ((code > 0)) && [[ ! -e $rule/cut ]]; then
        printf 'command terminated with exit code %d\n' "$code" >&2
    fi
    return "$code"
}

# `kubectl proxy`: becomes a program that listens on the socket that is asked for.
serve() {
    local port=$1 word
    shift
    for word in "$@"; do
        if [[ $word == --unix-socket=* ]]; then
            exec node "$(dirname "$(readlink "$dir/kubectl")")/forward.mjs" "${word#*=}" "$port"
        fi
    done
}

answer() {
    local rule=$1 code
    shift
    if [[ -e $rule/ignore-term ]]; then trap '' TERM; fi
    if [[ -e $rule/warnings ]]; then cat "$rule/warnings" >&2; fi
    if [[ -e $rule/sleep ]]; then sleep "$(<"$rule/sleep")"; fi
    code=$(<"$rule/code")
    if [[ -e $rule/proxy-to ]]; then serve "$(<"$rule/proxy-to")" "$@"; fi
    if [[ -e $rule/run ]]; then
        if [[ -e $rule/cut ]]; then
            # kubernetes/kubernetes#73056: a broken stream may end with success.
            run_here "$rule" "$@" | deliver "$rule" || true
        else
            code=0
            run_here "$rule" "$@" || code=$?
        fi
    else
        deliver "$rule" <"$rule/stdout"
        cat "$rule/stderr" >&2
    fi
    finish "$code"
}

for rule in "$dir"/rules/*/; do
    if matches "$rule" "$@" && claim "$rule"; then answer "$rule" "$@"; fi
done
printf 'fake kubectl: no rule for: %s\n' "$*" >&2
finish 1
