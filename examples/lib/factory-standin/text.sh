# shellcheck shell=bash
# Text helpers: field separators, tables, JSON strings.

readonly US=$'\x1f' # between fields
readonly RS=$'\x1e' # after a record
readonly NL=$'\n'

# print_table ROW…: cells separated by US, columns padded to their widest cell.
print_table() {
  local row cells=() widths=() i line
  for row in "$@"; do
    IFS=$US read -ra cells <<<"${row//$'\n'/ }"
    for i in "${!cells[@]}"; do
      ((${#cells[i]} <= ${widths[i]:-0})) || widths[i]=${#cells[i]}
    done
  done
  for row in "$@"; do
    IFS=$US read -r -d '' -a cells <<<"$row$US" || true
    line=
    for ((i = 0; i < ${#cells[@]} - 1; i++)); do
      printf -v line '%s%-*s' "$line" $((${widths[i]:-0} + 2)) "${cells[i]}"
    done
    echo "${line%"${line##*[![:space:]]}"}"
  done
}

# json_string TEXT: sets JSON to the JSON string of it.
json_string() {
  local LC_ALL=C text=$1 code char
  text=${text//\\/\\\\}
  text=${text//\"/\\\"}
  text=${text//$'\n'/\\n}
  text=${text//$'\t'/\\t}
  text=${text//$'\r'/\\r}
  while [[ $text =~ [$'\x01'-$'\x1f'] ]]; do
    char=${BASH_REMATCH[0]}
    printf -v code '\\u%04x' "'$char"
    text=${text//"$char"/$code}
  done
  JSON="\"$text\""
}
