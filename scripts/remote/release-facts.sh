# shellcheck shell=bash
# What a release compares before and after: the build of the image, the state of the database, and a full probe.
# Parts: build, state, and those of the probe.
part_file build /etc/factory-worker/build.json
part state state
probe full
