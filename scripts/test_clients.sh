#!/usr/bin/env bash
# Write DNGs and pictures with gain maps, and open them with programs we did not write. PYTHON must have invisp_deploy installed.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# the programs keep settings in the home folder: give them an empty one, so that only their defaults count
export HOME="$work" XDG_CONFIG_HOME="$work/config" XDG_CACHE_HOME="$work/cache"

"${PYTHON:-python3}" scripts/check_clients.py samples/canon_eos30d_IMG_0848.CR2 "$work"
"${PYTHON:-python3}" scripts/check_hdr.py
