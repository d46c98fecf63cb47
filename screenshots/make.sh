#!/usr/bin/env bash
# Makes the pictures of the README from the real window, on a screen of its own; screen.sh names the packages.
# Usage: screenshots/make.sh [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(realpath -m "${1:-screenshots}")
mkdir -p "$out"
cargo build --release
binary=target/release/softcfg-studio
. screenshots/screen.sh
shoot() { sleep "${2:-0}"; import -window root -crop "${size}+0+0" +repage "$out/$1.png"; echo "$out/$1.png"; }

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
click 700 330
shoot delta_pinned 1
stop_app

settings '{"view":{"overlay":"Off","plot_tab":"Entropy","comparison":"Wipe"},
  "settings":{"lanes":["cfg","softcfg"]}}'
start_app; generate; shoot wipe; stop_app

settings '{"view":{"overlay":"Confidence","comparison":"SideBySide"},
  "settings":{"lanes":["none","cfg","softcfg","softcfg-no-step-norm"]}}'
start_app; generate 5; shoot four_lanes; stop_app

settings '{"settings":{"lanes":["cfg","softcfg"],"shared":{"prompt":"a unicorn left of a pizza on blue"}}}'
start_app; shoot unknown_word 2; stop_app

settings '{"theme":"light","settings":{"shared":{"prompt":"a purple umbrella above a green cactus on white"}}}'
start_app; generate; shoot light; stop_app
stop_screen

settings '{"theme":"dark"}'
size=1000x650
start_screen $size
start_app; generate; shoot small; stop_app
settings '{"theme":"light"}'
start_app; generate; shoot small_light; stop_app
stop_screen

# A laptop of 1920×1080 at 200 %, less the system's bars.
settings '{"theme":"dark"}'
size=900x500
start_screen $size
start_app; generate; shoot smallest; stop_app
stop_screen
