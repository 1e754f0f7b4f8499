# shellcheck shell=bash
# Checks and unpacks an archive of backup.sh, or one that claims to be one.

# unpacked_size ARCHIVE: the size of a backup in bytes, unpacked. Checks all of it before anything is unpacked: fails for
# anything but regular files and folders with the names that backup.sh uses, and names it.
unpacked_size() {
  tar --list --verbose --gzip --numeric-owner --utc --full-time --quoting-style=escape --warning=no-unknown-keyword --file "$1" 2>&1 |
    awk '
      function refuse(why) { print why; refused = 1; exit 1 }
      # A line that is not a member is a message of tar or gzip.
      !/^[-a-zA-Z][-rwxsStT]+ / { refuse($0) }
      ++members > 1000000 { refuse("it has more than 1000000 members") }
      {
        name = $0
        if (!sub(/^[-d][-rwxsStT]+ +[0-9]+\/[0-9]+ +[0-9]+ [0-9]+-[0-9]+-[0-9]+ [0-9:.]+ /, "", name)) refuse("neither a file nor a folder: " $0)
        folder = sub(/\/$/, "", name)
        if (folder) fits = name ~ /^(clones|worker|worker\/logs|worker\/logs\/sessions(\/.+)?|pipelines(\/.+)?)$/
        else fits = name ~ /^(factory\.db|factory\.pgdump|state|clones\/(list|[^\/]+\.bundle)|worker\/(dispatch\.jsonl|repairs\.jsonl|projects\.json|logs\/sessions\/.+)|pipelines\/.+)$/
        if (!fits || /^d/ != folder || name ~ /(^|\/)\.?\.?(\/|$)/) refuse("it does not belong into a backup: " name)
        total += $3
      }
      END { if (!refused) printf "%.0f\n", total }'
}

# unpack_backup ARCHIVE FOLDER: after unpacked_size. A duplicate member is refused, since it would replace the first. File modes
# are set so that everything can be read, and removed again.
unpack_backup() {
  tar --extract --gzip --file "$1" --directory "$2" --no-same-owner --no-same-permissions --keep-old-files 2>&1 &&
    chmod --recursive u+rwX "$2"
}
