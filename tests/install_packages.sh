#!/bin/sh
# Installs the Debian packages that the tests drive for real, when run as root; tests whose parts are missing skip, and say so.
set -eu
missing=
need() { # need COMMAND PACKAGE
    PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need sshd openssh-server
need nft nftables
need tc iproute2
need ping iputils-ping
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "not installed, tests that need them are skipped:$missing"
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# A package that starts a server of its own would take ports: the tests start theirs.
printf '#!/bin/sh\nexit 101\n' >/tmp/ebs-policy-rc.d
[ -e /usr/sbin/policy-rc.d ] || { install -m 755 /tmp/ebs-policy-rc.d /usr/sbin/policy-rc.d; made=yes; }
# shellcheck disable=SC2086
apt-get install -qq -y --no-install-recommends $missing >/dev/null
[ "${made:-}" = yes ] && rm -f /usr/sbin/policy-rc.d
rm -f /tmp/ebs-policy-rc.d
