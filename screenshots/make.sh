#!/usr/bin/env bash
# Makes the pictures of the README from the real window, on a screen of its own. On Debian:
#   apt-get install xvfb xdotool imagemagick libgl1 libegl1 libx11-6 libx11-xcb1 libxcursor1 libxi6 libxkbcommon-x11-0
# Usage: screenshots/make.sh [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(realpath -m "${1:-screenshots}")
mkdir -p "$out"
cargo build --release
work=$(mktemp -d)
screen=:$((90 + RANDOM % 900))
trap 'kill ${app:-} ${server:-} 2>/dev/null || true; rm -rf "$work"' EXIT

start_screen() { # WIDTHxHEIGHT
  Xvfb "$screen" -screen 0 "${1}x24" >/dev/null 2>&1 & server=$!
  export DISPLAY=$screen XDG_CONFIG_HOME=$work/config
  for _ in $(seq 50); do xdotool getmouselocation >/dev/null 2>&1 && break; sleep 0.1; done
}
stop_screen() { kill "$server"; wait "$server" 2>/dev/null || true; }

start_app() { target/release/softcfg-studio & app=$!; wait_for_window; }
wait_for_window() {
  for _ in $(seq 100); do
    window=$(xdotool search --onlyvisible --name '^SoftCFG Studio$' 2>/dev/null | head -n 1) && [ -n "$window" ] && break
    sleep 0.1
  done
  xdotool windowsize "$window" "${size%x*}" "${size#*x}" windowmove "$window" 0 0
  # A window that has just been mapped may not take the focus yet.
  for _ in $(seq 20); do xdotool windowfocus "$window" 2>/dev/null && break; sleep 0.1; done
  xdotool mousemove 2 2
}
stop_app() { kill "$app"; wait "$app" 2>/dev/null || true; }
shoot() { sleep "${2:-0}"; import -window root -crop "${size}+0+0" +repage "$out/$1.png"; echo "$out/$1.png"; }
click() { xdotool mousemove "$1" "$2"; sleep 0.2; xdotool click 1; sleep 0.3; }

# Settings of a session: the file the window itself writes, with a few fields changed.
settings() { # JSON to lay over the file
  mkdir -p "$XDG_CONFIG_HOME/softcfg-studio"
  python3 - "$XDG_CONFIG_HOME/softcfg-studio/window.json" "$1" <<'PY'
import json, os, sys
file, change = sys.argv[1], json.loads(sys.argv[2])
stored = json.load(open(file)) if os.path.exists(file) else {}
def lay(base, over):
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict): lay(base[key], value)
        else: base[key] = value
lay(stored, change)
json.dump(stored, open(file, "w"))
PY
}
generate() { xdotool key --window "$window" ctrl+Return; sleep "${1:-4}"; }

size=1400x900
start_screen $size
start_app
sleep 4
shoot start
# In the middle of half a second.
generate 0.4
shoot running
stop_app

settings '{"view":{"overlay":"Delta","plot_tab":"Delta"},"live":false,
  "settings":{"lanes":["cfg","softcfg","softcfg-no-step-norm"]}}'
start_app; generate
click 560 330
shoot delta_pinned 1
stop_app

settings '{"view":{"overlay":"Off","plot_tab":"Entropy","comparison":"Wipe"},
  "settings":{"lanes":["cfg","softcfg"]}}'
start_app; generate; shoot wipe; stop_app

settings '{"view":{"overlay":"Confidence","comparison":"SideBySide"},
  "settings":{"lanes":["none","cfg","softcfg","softcfg-no-step-norm"]}}'
start_app; generate 5; shoot four_lanes; stop_app

settings '{"settings":{"lanes":["cfg","softcfg"],"condition":{"prompt":{"text":"a unicorn left of a pizza on blue"}}}}'
start_app; shoot unknown_word 2; stop_app

settings '{"theme":"light","settings":{"condition":{"prompt":{"text":"a panda left of a pizza on blue"}}}}'
start_app; generate; shoot light; stop_app
stop_screen

settings '{"theme":"dark"}'
size=1000x650
start_screen $size
start_app; generate; shoot small; stop_app
settings '{"theme":"light"}'
start_app; generate; shoot small_light; stop_app
stop_screen
