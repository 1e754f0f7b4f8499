#!/bin/sh
# Greets the given name, or the world.
echo "Hello, ${1:-world}!"
