# shellcheck shell=bash
# How an archive that backup.sh has made, or pretends to have made, is looked through and unpacked.

# unpacked_size ARCHIVE: how many bytes a backup has, unpacked. Looks through all of it, so that nothing is unpacked of one that
# has what no backup has: fails for anything but regular files and folders of the names that backup.sh gives, and says which.
unpacked_size() {
  tar --list --verbose --gzip --numeric-owner --utc --full-time --quoting-style=escape --warning=no-unknown-keyword --file "$1" 2>&1 |
    awk '
      function refuse(why) { print why; refused = 1; exit 1 }
      # What is not a member is a message of tar or gzip.
      !/^[-a-zA-Z][-rwxsStT]+ / { refuse($0) }
      ++members > 1000000 { refuse("it has more than 1000000 members") }
      {
        name = $0
        if (!sub(/^[-d][-rwxsStT]+ +[0-9]+\/[0-9]+ +[0-9]+ [0-9]+-[0-9]+-[0-9]+ [0-9:.]+ /, "", name)) refuse("neither a file nor a folder: " $0)
        folder = sub(/\/$/, "", name)
        if (folder) fits = name ~ /^(clones|worker|worker\/logs|worker\/logs\/sessions(\/.+)?|pipelines(\/.+)?)$/
        else fits = name ~ /^(factory\.db|state|clones\/(list|[^\/]+\.bundle)|worker\/(dispatch\.jsonl|repairs\.jsonl|projects\.json|logs\/sessions\/.+)|pipelines\/.+)$/
        if (!fits || /^d/ != folder || name ~ /(^|\/)\.?\.?(\/|$)/) refuse("it does not belong into a backup: " name)
        total += $3
      }
      END { if (!refused) printf "%.0f\n", total }'
}

# unpack_backup ARCHIVE FOLDER: after unpacked_size. A second member of a name is refused: it would replace the first. Rights are
# such that everything can be read, and removed again.
unpack_backup() {
  tar --extract --gzip --file "$1" --directory "$2" --no-same-owner --no-same-permissions --keep-old-files 2>&1 &&
    chmod --recursive u+rwX "$2"
}
