#!/bin/sh
# Checks the greeting; exit code 1 when it is wrong.
cd "$(dirname "$0")" || exit 1
test "$(./greet.sh)" = 'Hello, world!' && test "$(./greet.sh Ada)" = 'Hello, Ada!'
