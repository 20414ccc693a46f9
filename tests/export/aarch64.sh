#!/usr/bin/env bash
# Makes DIR: an AArch64 Python under emulation that has NumPy and tflite-runtime 2.14. `DIR/python` starts it.
#
#     bash tests/export/aarch64.sh DIR PYTHON
#
# The packages come from this machine's own Debian sources and, for the wheels, from the index that PYTHON's pip uses.
# apt gets a state and a cache of its own, so nothing is installed, and it takes no root.
set -euo pipefail

target=$(realpath -m "$1")
python=$2
tools=(qemu-user-static python3.11-minimal:arm64 libpython3.11-stdlib:arm64 libstdc++6:arm64)
wheels=(numpy==1.26.4 tflite-runtime==2.14.0)

[[ -x $target/python ]] && exit 0
for tool in apt-get dpkg dpkg-deb tar; do
    command -v "$tool" >/dev/null || { echo "This takes the packages of Debian 12, and there is no $tool." >&2; exit 1; }
done
mkdir -p "$(dirname "$target")"
work=$(mktemp -d "$target.XXXXXX")
trap 'rm -rf "$work"' EXIT

echo "Setting up an emulated AArch64 processor in $target: 100 MB of packages, half a minute."
mkdir -p "$work"/{root/site,apt/lists/partial,apt/archives/partial}
touch "$work/apt/status"
host=$(dpkg --print-architecture)
apt=(
    -qq -o Dir::State="$work/apt" -o Dir::State::status="$work/apt/status" -o Dir::Cache="$work/apt"
    -o APT::Architecture="$host" -o APT::Architectures::="$host" -o APT::Architectures::=arm64
    -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=1
)
apt-get "${apt[@]}" update
# As if nothing were installed, so that all they need comes along.
apt-get "${apt[@]}" install --download-only --yes --no-install-recommends "${tools[@]}" >/dev/null || {
    echo "These sources do not have ${tools[*]}: it takes those of Debian 12." >&2; exit 1; }
for package in "$work"/apt/archives/*_arm64.deb; do
    dpkg-deb --extract "$package" "$work/root"
done
# Of its emulators for thirty processors, one.
dpkg-deb --fsys-tarfile "$work"/apt/archives/qemu-user-static_*.deb |
    tar --extract --directory "$work/root" ./usr/bin/qemu-aarch64-static
"$python" -m pip install --quiet --disable-pip-version-check --root-user-action ignore --no-deps --target "$work/root/site" \
    --only-binary :all: --python-version 3.11 --platform manylinux2014_aarch64 --platform manylinux_2_34_aarch64 \
    "${wheels[@]}"
cat >"$work/root/python" <<'END'
#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
# The processor of a Raspberry Pi 4 and of many phones.
exec "$here/usr/bin/qemu-aarch64-static" -cpu cortex-a72 -L "$here" -E PYTHONPATH="$here/site" \
    "$here/usr/bin/python3.11" "$@"
END
chmod 755 "$work/root/python" "$work/root"
"$work/root/python" -c "import platform, tflite_runtime.interpreter; assert platform.machine() == 'aarch64'"
rm -rf "$target"
mv "$work/root" "$target"
