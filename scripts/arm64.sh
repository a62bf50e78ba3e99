#!/usr/bin/env bash
# Run the base install on an emulated arm64 and compare what it computes with this machine. Minutes; no root needed.
#
# qemu-user 10 and an arm64 Python come from Debian trixie's packages, unpacked into a folder (qemu 7.2 of bookworm
# crashes in ONNX Runtime), the rest from PyPI's arm64 wheels. PYTHON must have invisp_deploy's base install; the
# folder (ARM64_WORK, default work/arm64) is kept, so that a second run downloads nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"

python=${PYTHON:-.venv/bin/python}
mkdir -p "${ARM64_WORK:-work/arm64}"
work=$(realpath "${ARM64_WORK:-work/arm64}")
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
packages=(
    python3.13-minimal libpython3.13-minimal libpython3.13-stdlib
    libc6 libgcc-s1 libstdc++6 zlib1g libexpat1 libssl3t64 libffi8 liblzma5 libbz2-1.0 libzstd1 libgomp1
    libatomic1 libuuid1 libsqlite3-0
)

for program in apt-get dpkg-deb; do
    if ! command -v "$program" >/dev/null || [ ! -e "$keyring" ]; then
        echo "This needs apt-get, dpkg-deb and $keyring (on Ubuntu: apt-get install debian-archive-keyring)." >&2
        exit 2
    fi
done

fetch_debian() { # a folder of its own: nothing of this system's apt is read or changed
    local apt=$work/apt
    mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$work/debs"
    : >"$apt/status"
    cat >"$apt/debian.sources" <<EOF
Types: deb
URIs: http://deb.debian.org/debian
Suites: trixie
Components: main
Signed-By: $keyring
EOF
    cat >"$apt/apt.conf" <<EOF
Dir::State "$apt/state";
Dir::State::Status "$apt/status";
Dir::Cache "$apt/cache";
Dir::Etc::SourceList "$apt/debian.sources";
Dir::Etc::SourceParts "-";
APT::Architecture "amd64";
APT::Architectures { "amd64"; "arm64"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
EOF
    export APT_CONFIG=$apt/apt.conf
    apt-get -qq update
    (cd "$work/debs" && apt-get -qq download "qemu-user:amd64" "${packages[@]/%/:arm64}")
    mkdir -p "$work/root/usr/lib" "$work/qemu"
    ln -sfn usr/lib "$work/root/lib"
    local file
    for file in "$work"/debs/*_arm64.deb; do dpkg-deb -x "$file" "$work/root"; done
    dpkg-deb -x "$work"/debs/qemu-user_*_amd64.deb "$work/qemu"
}

fetch_wheels() {
    local needs
    mapfile -t needs < <("$python" -c "
import configparser
parser = configparser.ConfigParser()
parser.read('setup.cfg', encoding='utf-8')
print(parser['options']['install_requires'].strip())")
    "$python" -m pip --quiet --quiet download --disable-pip-version-check --only-binary=:all: --constraint constraints.txt \
        --implementation cp --python-version 3.13 --platform manylinux2014_aarch64 \
        --platform manylinux_2_27_aarch64 --platform manylinux_2_28_aarch64 --dest "$work/wheels" "${needs[@]}"
    mkdir -p "$work/site"
    local file
    for file in "$work"/wheels/*.whl; do "$python" -m zipfile -e "$file" "$work/site"; done
}

if [ ! -e "$work/.debian" ]; then
    fetch_debian
    touch "$work/.debian"
fi
if [ ! -e "$work/.wheels" ] || [ constraints.txt -nt "$work/.wheels" ]; then
    rm -rf "$work/wheels" "$work/site"
    fetch_wheels
    touch "$work/.wheels"
fi

arm64() {
    PYTHONPATH="$work/site:$PWD" PYTHONDONTWRITEBYTECODE=1 QEMU_LD_PREFIX="$work/root" \
        "$work/qemu/usr/bin/qemu-aarch64" "$work/root/usr/bin/python3.13" -P "$@"
}

rm -rf "$work/here" "$work/there" "$work/small.dng"
mkdir "$work/here" "$work/there"
"$python" scripts/arm64_check.py crop samples/canon_eos30d_IMG_0848.CR2 "$work/small.dng"
"$python" scripts/arm64_check.py run "$work/small.dng" "$work/here"
arm64 -c 'import platform, sys; print(f"emulated: Python {platform.python_version()} on {platform.machine()}")'
arm64 scripts/arm64_check.py run "$work/small.dng" "$work/there"
"$python" scripts/arm64_check.py compare "$work/here" "$work/there"
model=invisp_deploy/models/universal
arm64 -m invisp_deploy verify --model "$model" --runs 1 --tile 16
