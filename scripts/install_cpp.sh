#!/usr/bin/env bash
# Install what examples/cpp is built with, beside OpenVINO's wheel, where it is missing. Its tests skip without it.
set -euo pipefail

packages=(cmake g++ libjpeg-dev libssl-dev nlohmann-json3-dev zlib1g-dev)
command -v dpkg-query >/dev/null || exit 0
[ "$(dpkg-query -W -f '${db:Status-Status}\n' "${packages[@]}" 2>/dev/null | grep -cx installed)" -eq ${#packages[@]} ] &&
    exit 0
if [ "$(id -u)" -ne 0 ]; then
    echo "examples/cpp is not tested. On Debian: sudo apt-get install ${packages[*]}" >&2
    exit 0
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${packages[@]}"
