#!/usr/bin/env bash
# @inquirer/prompts 8.7.5: of two answers in one pipe only the first arrives, and the program that then fails exits with 0.
#
# The first question reads what is there, the second finds its stdin at an end. Its promise is rejected while the process
# exits: Node prints the uncaught ExitPromptError, and the exit status is 0 all the same. A script that pipes its answers into
# a program takes the second question's step for done.
set -Eeuo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --prefix . @inquirer/prompts@8.7.5
cat >ask.mjs <<'JS'
import { input } from '@inquirer/prompts';
const first = await input({ message: 'first?' });
console.error(`first is ${first}`);
const second = await input({ message: 'second?' });
console.error(`second is ${second}`);
JS
rc=0
printf 'one\ntwo\n' | node ask.mjs >/dev/null 2>stderr.txt || rc=$?
grep --extended-regexp '^(first|second) is|^ExitPromptError' stderr.txt
echo "exit status $rc"

grep --quiet '^first is one$' stderr.txt
if grep --quiet '^second is' stderr.txt; then exit 1; fi
grep --quiet '^ExitPromptError: User force closed the prompt' stderr.txt
[ "$rc" -eq 0 ]
