#!/usr/bin/env bash
# Install, where they are missing, the four programs that scripts/test_clients.sh opens our DNGs with, and GStreamer,
# which `make test` streams with where it is there.
set -euo pipefail

missing=()
for program in dcraw exiftool rawtherapee-cli darktable-cli gst-launch-1.0; do
    command -v "$program" >/dev/null || missing+=("$program")
done
[ ${#missing[@]} -eq 0 ] && exit 0

packages=(dcraw libimage-exiftool-perl rawtherapee darktable)
packages+=(gstreamer1.0-tools gstreamer1.0-plugins-{base,good,bad,ugly})
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "Not installed: ${missing[*]}. On Debian: sudo apt-get install ${packages[*]}" >&2
    exit 2
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${packages[@]}"
