#!/usr/bin/env bash
# standin-factory.sh DIRECTORY: makes DIRECTORY/linux_*/factory, a build context with the stand-in in one file. The real
# program is one file; the stand-in is a script with a library, so it carries the library and unpacks it when first run.
set -Eeuo pipefail

EXAMPLES=$(cd -- "${BASH_SOURCE[0]%/*}/../../../examples" && pwd)
readonly EXAMPLES
payload=$(tar --create --gzip --sort=name --mtime=@0 --owner=0 --group=0 --directory "$EXAMPLES" \
  bin/factory lib/standin-settings.sh lib/factory-standin | base64)
id=$(sha256sum <<<"$payload" | cut -c 1-16)

for platform in linux_amd64 linux_arm64; do
  mkdir -p "$1/$platform"
  cat >"$1/$platform/factory" <<SCRIPT
#!/usr/bin/env bash
# Stand-in for TaintFactory's factory, in one file: NOT the real program.
set -Eeuo pipefail
home=\${TMPDIR:-/tmp}/factory-standin-$id
if [[ ! -e \$home/bin/factory ]]; then
  work=\$(mktemp -d "\$home.XXXXXX")
  base64 --decode <<'PAYLOAD' | tar --extract --gzip --directory "\$work"
$payload
PAYLOAD
  mv --no-target-directory "\$work" "\$home" 2>/dev/null || home=\$work
fi
# By bash: the folder may be mounted noexec.
exec bash "\$home/bin/factory" "\$@"
SCRIPT
  chmod 0755 "$1/$platform/factory"
done
