#!/usr/bin/env bash
# Tries in the real window what tests without a screen cannot: the clipboard of the screen, and the file
# dialog where no portal answers. Says what is wrong and exits with 1.
# Usage: screenshots/check.sh [BINARY], which is built where it is not given
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || cargo build --release
binary=$(realpath "${1:-target/release/softcfg-studio}")
. screenshots/screen.sh

failures=0
expect() { # WHAT WANTED FOUND
  if [ "$2" = "$3" ]; then echo "right: $1"; else
    echo "wrong: $1: “$3” in place of “$2”"
    failures=1
  fi
}
clipboard() { timeout 3 xclip -selection clipboard -o 2>/dev/null || true; }
# Another program has copied a text and keeps it.
hold() { printf %s "$1" | xclip -selection clipboard -quiet >/dev/null 2>&1 & holder=$!; sleep 0.3; }
# The prompt in the settings that the window keeps, once it is $1 or after some seconds.
prompt() {
  for _ in $(seq 50); do
    found=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["settings"]["shared"]["prompt"])' \
      "$XDG_CONFIG_HOME/softcfg-studio/window.json" 2>/dev/null) || true
    [ "$found" = "$1" ] && break
    sleep 0.1
  done
  printf %s "$found"
}
type_text() { xdotool type --window "$window" --delay 40 "$1"; sleep 0.5; }
edit_prompt() { key ctrl+l; key ctrl+a; }

size=1400x900
start_screen $size
# No bus of a session: as over ssh -X, in WSL, and under a bare window manager.
export DBUS_SESSION_BUS_ADDRESS=unix:path=$work/no-bus
unset XDG_RUNTIME_DIR
settings '{"live":false}'
cd "$work"
start_app
sleep 4

# Nothing is on the clipboard yet: pasting does nothing.
edit_prompt
key ctrl+v
pasted="two red cats left of a dog"
hold "$pasted"
edit_prompt
key ctrl+v
expect "a prompt is pasted" "$pasted" "$(prompt "$pasted")"
key End
type_text " on blue"
key ctrl+a
key ctrl+c
expect "a prompt is copied" "$pasted on blue" "$(clipboard)"
key Escape

generate 6
# The button over the plot that copies its data.
click 996 587
expect "a plot's data are copied" "step" "$(clipboard | head -c 4)"
key ctrl+shift+s
sleep 3
type_text "$work/saved"
key Return
for _ in $(seq 50); do [ -s "$work/saved.csv" ] && break; sleep 0.1; done
expect "a trace is saved without a portal" "yes" "$([ -s "$work/saved.csv" ] && echo yes || echo no)"
expect "the window lives" "yes" "$(kill -0 "$app" 2>/dev/null && echo yes || echo no)"
stop_app
stop_screen
exit $failures
