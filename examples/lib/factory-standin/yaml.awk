# Flattens the subset of YAML that pipeline.yaml files use into records
#   path.to.key <US> value <RS>     (list items are numbered from 0)
# Supported: maps and lists in block and in flow style, plain and quoted
# scalars, | and > blocks, comments. Exit 1 with "line N: why" for a tab in the
# indentation and for an unclosed bracket.

function fail(why) { print "line " NR ": " why; failed = 1; exit 1 }

function trim(s) { sub(/^[ \t\r]+/, "", s); sub(/[ \t\r]+$/, "", s); return s }

function unquote(s,    q) {
  q = substr(s, 1, 1)
  if ((q == "\"" || q == "'") && length(s) > 1 && substr(s, length(s)) == q) {
    s = substr(s, 2, length(s) - 2)
    if (q == "\"") { gsub(/\\"/, "\"", s); gsub(/\\n/, "\n", s); gsub(/\\\\/, "\\", s) }
    else gsub(/''/, "'", s)
  }
  return s
}

function put(path, value) {
  value = unquote(trim(value))
  if (value != "~" && value != "null") print path US value
}

# Position of the first char of `chars` in s from i on that is outside of quotes and brackets, or 0.
function find(s, chars, i,    c, quote, depth) {
  for (; i <= length(s); i++) {
    c = substr(s, i, 1)
    if (quote) { if (c == quote) quote = "" }
    else if (depth == 0 && index(chars, c)) return i
    else if (c == "\"" || c == "'") quote = c
    else if (c == "[" || c == "{") depth++
    else if (c == "]" || c == "}") depth--
  }
  return 0
}

# A value in flow style: a map, a list or a scalar.
function flow(path, s,    c, i, n, item, colon) {
  s = trim(s)
  c = substr(s, 1, 1)
  if (c != "{" && c != "[") { put(path, s); return }
  if (substr(s, length(s)) != (c == "{" ? "}" : "]")) fail("did not find expected '" (c == "{" ? "}" : "]") "'")
  s = substr(s, 2, length(s) - 2)
  for (n = 0; trim(s) != ""; n++) {
    i = find(s, ",", 1)
    item = i ? substr(s, 1, i - 1) : s
    s = i ? substr(s, i + 1) : ""
    if (c == "[") flow(path "." n, item)
    else {
      colon = find(item, ":", 1)
      flow(path "." unquote(trim(substr(item, 1, colon - 1))), substr(item, colon + 1))
    }
  }
}

function without_comment(s,    i) {
  if (s ~ /^[ ]*#/) return ""
  i = 1
  while ((i = find(s, "#", i)) > 0) {
    if (substr(s, i - 1, 1) == " ") return substr(s, 1, i - 1)
    i++
  }
  return s
}

# "key: value" (or "key:") at the given indent below the open containers.
function entry(indent, s,    colon, key, path, value) {
  colon = find(s, ":", 1)
  if (!colon) { put(parent(indent), s); return }
  key = unquote(trim(substr(s, 1, colon - 1)))
  path = parent(indent)
  path = path == "" ? key : path "." key
  value = trim(substr(s, colon + 1))
  if (value == "") open_at(indent, path)
  else if (value ~ /^[|>][-+]?$/) { block_path = path; block_indent = indent; block_text = ""; fold = substr(value, 1, 1) == ">" }
  else flow(path, value)
}

# The innermost open container that is less indented.
function parent(indent) {
  while (depth > 0 && indents[depth] >= indent) depth--
  return depth > 0 ? paths[depth] : ""
}

function open_at(indent, path) { depth++; indents[depth] = indent; paths[depth] = path }

function end_block() {
  if (block_path != "") { sub(/\n+$/, "", block_text); print block_path US block_text; block_path = "" }
}

BEGIN { US = "\037"; ORS = "\036" }

{
  match($0, /^ */)
  indent = RLENGTH
  if (block_path != "") {
    if (indent > block_indent || $0 ~ /^ *$/) {
      block_text = block_text (block_text == "" ? "" : (fold ? " " : "\n")) substr($0, indent + 1)
      next
    }
    end_block()
  }
  if ($0 ~ /^ *\t/) fail("found character that cannot start any token")
  line = without_comment($0)
  if (trim(line) == "" || line ~ /^(---|\.\.\.)/) next
  rest = substr(line, indent + 1)
  if (rest ~ /^-( |$)/) {
    # A list may have the same indentation as its key, hence the half step.
    base = parent(indent + 0.5)
    number = count[base] + 0
    count[base]++
    match(rest, /^- */)
    inner = indent + RLENGTH
    rest = trim(substr(rest, RLENGTH + 1))
    open_at(indent + 0.6, base "." number)
    if (rest == "") next
    if (rest !~ /^[[{]/ && find(rest, ":", 1)) entry(inner, rest)
    else flow(base "." number, rest)
    next
  }
  entry(indent, rest)
}

END { if (!failed) end_block() }
