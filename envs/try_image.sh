#!/bin/sh
# Run the Dockerfile's RUN steps and then a command in a fresh Debian made by debootstrap, without a container engine.
# Usage, as root: envs/try_image.sh [command]. The default command is `make demo`. debootstrap uses the mirror MIRROR,
# if set; the settings of pip and uv apply.
set -eu
cd "$(dirname "$0")/.."
root=$(mktemp -d)
chmod 755 "$root" # apt downloads as its own user
trap 'umount -q "$root/proc" "$root/dev" || true; rm -rf --one-file-system "$root"' EXIT
debootstrap --variant=minbase bookworm "$root" ${MIRROR:-} > /dev/null
mkdir "$root/eaves"
git ls-files -z | tar --null -T - -c | tar -x -C "$root/eaves"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
# Settings needed to reach package mirrors.
for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/apt/sources.list /etc/apt/sources.list.d \
    /etc/ssl/certs /usr/local/share/ca-certificates; do
    test ! -e "$file" || { mkdir -p "$root$(dirname "$file")"; cp -rL "$file" "$root$(dirname "$file")/"; }
done
sed -n 's/^RUN //p' envs/Dockerfile > "$root/steps.sh"
chroot "$root" env HOME=/root DEBIAN_FRONTEND=noninteractive sh -euc 'cd /eaves && . /steps.sh && PATH=/eaves/.venv/bin:$PATH && '"${*:-make demo}"
