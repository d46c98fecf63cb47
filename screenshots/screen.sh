# The real window on a screen of its own, for the scripts beside this one, which source it. On Debian:
#   apt-get install xvfb xdotool imagemagick xclip libgl1 libegl1 libx11-6 libx11-xcb1 libxcursor1 libxi6 libxkbcommon-x11-0
# $binary is the program, $size the window's size.
work=$(mktemp -d)
screen=:$((90 + RANDOM % 900))
trap 'kill ${app:-} ${holder:-} ${server:-} 2>/dev/null || true; rm -rf "$work"' EXIT

start_screen() { # WIDTHxHEIGHT
  Xvfb "$screen" -screen 0 "${1}x24" >/dev/null 2>&1 & server=$!
  export DISPLAY=$screen XDG_CONFIG_HOME=$work/config
  unset WAYLAND_DISPLAY
  for _ in $(seq 50); do xdotool getmouselocation >/dev/null 2>&1 && break; sleep 0.1; done
}
stop_screen() { kill "$server"; wait "$server" 2>/dev/null || true; }

start_app() { "$binary" & app=$!; wait_for_window; }
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
click() { xdotool mousemove "$1" "$2"; sleep 0.2; xdotool click 1; sleep 0.3; }
key() { xdotool key --window "$window" "$@"; sleep 0.4; }

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
