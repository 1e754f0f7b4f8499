#!/usr/bin/env bash
# dialog.sh HOW KEYS: two questions, one after the other, of a program that takes its keys as claude may do on a busy machine:
#   drops   the first key of each question has no effect
#   stalls  the first key has its effect only when the next one arrives
#   parts   another line is drawn before the answer's own effect
# Appends to the file KEYS each key that it handles, with the question it had an effect on.
set -Eeuo pipefail

readonly HOW=$1 KEYS=$2
readonly CHOICES=(Red Blue)
readonly RULE='────────────────────────────────────────'
line='' # above the dialog

# Line by line: tmux moves a screen that is cleared as a whole to the history, which claude does not do.
draw() {
  local index cursor
  printf '\e[H%s\e[K\n%s\n%s\e[K\n\n' "$line" "$RULE" "$question"
  for index in "${!CHOICES[@]}"; do
    cursor=' '
    if ((index == at)); then cursor=❯; fi
    printf '%s %d. %s\e[K\n' "$cursor" $((index + 1)) "${CHOICES[index]}"
  done
  printf '\n\e[KEnter to select · ↑/↓ to navigate · Esc to cancel\n'
}

# read_key: sets $key to Enter, Up or Down.
read_key() {
  local rest
  IFS= read -r -s -N 1 key
  case $key in
    $'\e')
      IFS= read -r -s -N 2 rest
      if [[ $rest == '[A' ]]; then key=Up; else key=Down; fi
      ;;
    *) key=Enter ;;
  esac
}

# ask QUESTION: returns when a choice was made.
ask() {
  local question=$1 at=0 number=0 key
  while true; do
    draw
    read_key
    number=$((number + 1))
    if [[ $HOW == drops ]] && ((number == 1)); then
      echo "$key dropped at $question" >>"$KEYS"
      continue
    fi
    if [[ $HOW == stalls ]] && [[ -z $line ]]; then
      line='● Busy'
      # Until another key is there.
      until read -r -t 0; do sleep 0.1; done
    fi
    echo "$key at $question" >>"$KEYS"
    case $key in
      Up) at=0 ;;
      Down) at=1 ;;
      *) break ;;
    esac
  done
  if [[ $HOW == parts ]]; then
    line='● One more line'
    draw
    sleep 1.5
  fi
}

# Not in lines: a key must be seen before it is read.
stty -echo -icanon min 1
ask 'Which colour?'
ask 'Are you sure?'
printf '\e[H\e[2J● Done.\n'
# What is pressed too often ends here.
while true; do
  read_key
  echo "$key at the end" >>"$KEYS"
done
