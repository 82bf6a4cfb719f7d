# SPDX-License-Identifier: MIT
# gridengine.sh, after lib.sh: a real Grid Engine, whose user is sshd's, and a target there.
# shellcheck shell=bash disable=SC2317 # at_end is called by lib.sh

# Sets GE; repx is installed, so that the plugin can be built against it.
start_gridengine() {
	requires root sshd cmake pkg-config /usr/lib/gridengine/sge_qmaster
	sdk_install
	start_sshd
	export GE=$WORK/ge
	at_end() { "$TESTS/testbed/gridengine.sh" down "$GE" --purge; }
	"$TESTS/testbed/gridengine.sh" up "$GE" --user "$TB_SSH_USER" >&2 || exit 1
}

# gridengine_config BIN_DIR: the target `grid`, with Grid Engine's commands in that directory.
gridengine_config() {
	cat >"$XDG_CONFIG_HOME/repx/config.toml" <<-CONF
	[targets.grid]
	address = "cluster"
	base_path = "$TB_BASE"
	default_scheduler = "gridengine"
	[targets.grid.gridengine]
	execution_types = ["native"]
	bin_dir = "$1"
	CONF
}
