# SPDX-License-Identifier: MIT
# packages.sh: what Debian 12 needs to build repx, and to test it. Sourced; need PACKAGE...
# installs those that are not there, as root or through sudo, and says so.
# shellcheck shell=sh disable=SC2034

BUILD_PACKAGES="build-essential cmake ninja-build pkg-config libarchive-dev libcjson-dev
	libinih-dev libjansson-dev libssh2-1-dev libb2-dev librsync-dev libtomlplusplus-dev
	libzstd-dev nettle-dev openssh-client"
TEST_PACKAGES="abigail-tools clang clang-format clang-tidy shellcheck bubblewrap busybox-static csh fish jq
	openssh-server openssl man-db munge slurm-client slurmctld slurmd slurm-wlm slurmdbd mariadb-server-core
	mariadb-client-core procps rsync strace util-linux python3
	podman runc uidmap charliecloud-runtime gridengine-master gridengine-exec gridengine-client
	msmtp-mta btrfs-progs"

need() {
	missing=
	for package in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	command -v apt-get >/dev/null || {
		echo "missing:$missing (names as in Debian 12; install them and try again)" >&2
		return 1
	}
	as_root=
	if [ "$(id -u)" != 0 ]; then
		as_root=sudo
		command -v sudo >/dev/null || {
			echo "missing:$missing; as root: apt-get install$missing" >&2
			return 1
		}
	fi
	echo "-- installing with apt:$missing"
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 update -qq || return 1
	# Grid Engine without a cell of the system's own, which would start its daemons
	case $missing in *gridengine*)
		echo gridengine-common shared/gridengineconfig boolean false | $as_root debconf-set-selections ;;
	esac
	# shellcheck disable=SC2086
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends \
		$missing >/dev/null
}
