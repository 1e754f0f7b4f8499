#!/usr/bin/env bash
# Makes sure that programs are there: installs the missing ones with the package manager when we are root or INSTALL=1,
# otherwise prints the one command to type. Arguments: names of programs.
set -Eeuo pipefail

# has PROGRAM: whether it is there. Debian keeps PostgreSQL's server out of PATH, one folder for each version.
has() {
  command -v "$1" >/dev/null && return
  [ "$1" = postgres ] && compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null
}

missing=()
for program in "$@"; do
  has "$program" || missing+=("$program")
done
if ((${#missing[@]} == 0)); then exit 0; fi

manager() {
  local candidate
  for candidate in apt-get dnf apk pacman brew; do
    if command -v "$candidate" >/dev/null; then
      echo "$candidate"
      return
    fi
  done
}

# package MANAGER PROGRAM: the package that brings a program.
package() {
  case $1:$2 in
    apt-get:sqlite3) echo sqlite3 ;;
    apt-get:busybox) echo busybox-static ;;
    apt-get:mkfs.ext4) echo e2fsprogs ;;
    apt-get:gcc) echo 'gcc libc6-dev' ;; # which it only recommends
    apt-get:ps) echo procps ;;
    *:ps) echo procps-ng ;;
    apt-get:qemu-system-x86_64) echo qemu-system-x86 ;;
    apt-get:script) echo bsdutils ;;
    apt-get:postgres) echo postgresql-15 ;;
    dnf:postgres) echo postgresql-server ;;
    *:postgres) echo postgresql ;;
    apt-get:ip) echo iproute2 ;;
    apt-get:nsenter | apt-get:findmnt) echo util-linux ;;
    *:sqlite3) echo sqlite ;;
    dnf:shellcheck) echo ShellCheck ;;
    *:timeout) echo coreutils ;;
    brew:flock) echo flock ;;
    *:flock | *:setsid) echo util-linux ;;
    *) echo "$2" ;;
  esac
}

install_command() {
  case $1 in
    apt-get) echo 'apt-get install --yes --no-install-recommends' ;;
    dnf) echo 'dnf install --assumeyes' ;;
    apk) echo 'apk add' ;;
    pacman) echo 'pacman --sync --noconfirm' ;;
    brew) echo 'brew install' ;;
  esac
}

manager=$(manager)
if [ -z "$manager" ]; then
  echo "error: missing programs: ${missing[*]}; install them with your package manager" >&2
  exit 127
fi

packages=$(for program in "${missing[@]}"; do package "$manager" "$program"; done | sort -u | tr '\n' ' ')
command="$(install_command "$manager") ${packages% }"
needs_sudo=no
if [ "$(id -u)" -ne 0 ] && [ "$manager" != brew ]; then needs_sudo=yes; fi

as_root() {
  if [ "$needs_sudo" = yes ]; then sudo "$@"; else "$@"; fi
}

if [ "$(id -u)" -ne 0 ] && [ "${INSTALL:-}" != 1 ]; then
  echo "error: missing programs: ${missing[*]}" >&2
  echo "  install them: $([ "$needs_sudo" = no ] || echo 'sudo ')$command" >&2
  echo '  or let make do it: add INSTALL=1' >&2
  exit 127
fi

echo "installing ${packages% }" >&2
if [ "$manager" = apt-get ]; then as_root apt-get update -qq >&2; fi
if [[ $manager == apt-get && " $packages" == *' postgresql-'* ]]; then
  # Its server is for workers and tests, which start their own: none is to run on this machine because of us.
  as_root apt-get install --yes --no-install-recommends postgresql-common >&2
  as_root sed --in-place 's/^#*create_main_cluster .*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
fi
# shellcheck disable=SC2086  # words on purpose
as_root $command >&2
