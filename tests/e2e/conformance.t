#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The kit on the plugins that need something real: both ssh transports against sshd, sched-slurm
# against Slurm.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

requires sshd slurm
start_cluster
TOOL=$REPX_BUILD/bin/repx-plugin-test
PLUGINS=$REPX_BUILD/lib/repx/plugins
export TOOL PLUGINS TESTBED cluster

printf '[targets.t]\naddress = "cluster"\nbase_path = "/tmp"\n' >t.toml
for name in ssh openssh; do
	export name
	# the sessions of this cluster's own sshd, by their process ids
	check "transport-$name keeps its promises, and tells a link that breaks" '
		"$TOOL" "$PLUGINS/transport-$name.so" --config t.toml --patience 20 \
			--fault-cmd "$TESTBED drop-ssh $cluster"'
done
check 'sched-slurm keeps its promises' '
	SLURM_CONF=$cluster/etc/slurm.conf "$TOOL" "$PLUGINS/sched-slurm.so" --batch 100'
