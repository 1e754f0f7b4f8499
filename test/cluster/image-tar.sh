#!/usr/bin/env bash
# image-tar.sh NAME ROOTFS TAR [CONFIG]: packs a folder as an image of one layer, in the form of `docker save`, which both
# `ctr images import` and `docker load` read. CONFIG is the image's configuration (Env, Entrypoint, Cmd …) as JSON.
set -Eeuo pipefail
name=$1 rootfs=$2 tar=$3 config=${4:-'{}'}

work=$(mktemp -d "${tar%/*}/image.XXXXXX")
trap 'rm -rf "$work"' EXIT
tar --create --numeric-owner --one-file-system --directory "$rootfs" --file "$work/layer.tar" .
case $(uname -m) in
  aarch64 | arm64) architecture=arm64 ;;
  *) architecture=amd64 ;;
esac
jq --null-input --argjson config "$config" --arg architecture "$architecture" \
  --arg layer "sha256:$(sha256sum "$work/layer.tar" | cut -d ' ' -f 1)" \
  '{architecture: $architecture, os: "linux", config: $config, rootfs: {type: "layers", diff_ids: [$layer]}}' \
  >"$work/config.json"
jq --null-input --arg name "$name" \
  '[{Config: "config.json", RepoTags: [$name], Layers: ["layer.tar"]}]' >"$work/manifest.json"
tar --create --directory "$work" --file "$tar.new" manifest.json config.json layer.tar
mv "$tar.new" "$tar"
