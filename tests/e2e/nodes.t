#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Nodes that may not submit, and runs that do not fit: each row of the table in docs/feeding.md.
# shellcheck source=lib.sh disable=SC2016,SC2119,SC2154
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$TESTS/e2e/labs.sh"

requires sshd slurm root
start_cluster

# In front of Slurm's own: on a node it is refused while $WORK/no is there, and everywhere one
# user has no more jobs than $WORK/room says, as with MaxSubmitJobs.
cat >"$cluster/bin/sbatch" <<SBATCH
#!/bin/sh
if [ -e $WORK/no ]; then
	case \$(hostname) in n[0-9]*) echo "sbatch: error: Access/permission denied" >&2; exit 1 ;; esac
fi
if [ -e $WORK/room ]; then
	n=1
	for a in "\$@"; do case \$a in --array=0-*) n=\$((\${a#--array=0-} + 1)) ;; esac; done
	if [ \$((\$(/usr/bin/squeue -h -r | wc -l) + n)) -gt "\$(cat $WORK/room)" ]; then
		echo "sbatch: error: AssocMaxSubmitJobLimit" >&2
		exit 1
	fi
fi
exec /usr/bin/sbatch "\$@"
SBATCH
printf '#!/bin/sh\nif [ -e %s/no ]; then case $(hostname) in n[0-9]*) exit 1 ;; esac; fi\nexec /usr/bin/scontrol "$@"\n' \
	"$WORK" >"$cluster/bin/scontrol"
chmod 755 "$cluster/bin/sbatch" "$cluster/bin/scontrol"

tree_lab tree 3
pairs_lab pairs 1 5

asked() { ls "$TB_BASE"/.repx/waiting/*.branches.* >/dev/null 2>&1; }
# begin [true|false]: an empty base path, and what the target says.
begin() {
	slurm_drain 60
	as_user rm -rf "$TB_BASE"
	rm -f "$WORK/no" "$WORK/room"
	sed -i '/may_submit_from_node/d' "$XDG_CONFIG_HOME/repx/config.toml"
	if [[ -n ${1:-} ]]; then
		sed -i "s/^\[targets.cluster\]/&\nmay_submit_from_node = $1/" "$XDG_CONFIG_HOME/repx/config.toml"
	fi
}
run() { repx run r --lab "$1" --target cluster >out 2>&1 || { tail out; return 1; }; }
attach() { timeout 100 repx attach last --target cluster >att 2>&1 || { tail att; return 1; }; }

check 'nodes may, it fits: all at once, scatter jobs submit their branches' '
	begin true && run tree && ! grep -E "pauses|for room" out && within 60 all_are 3 && once'
check 'nodes may, it does not fit: jobs feed' '
	begin true && echo 4 >room && run pairs && grep "wait for room" out && ! grep pauses out &&
	within 90 all_are 10 && once && within 20 queue_is_empty && ! waits'
check 'nodes may not, it fits: nobody is needed' '
	begin false && touch no && run pairs && ! grep -E "pauses|for room" out && within 60 all_are 10 && once'
check 'nodes may not, it fits, with branches: pauses after the scatter, attach goes on' '
	begin false && touch no && run tree && grep "pauses after each scatter.*repx attach" out &&
	test "$(grep -n pauses out | cut -d: -f1)" -lt "$(grep -n "Submitted job" out | head -n 1 | cut -d: -f1)" &&
	within 40 asked && slurm_drain 30 && all_are 1 && attach && all_are 3 && once && ! waits'
check 'nodes may not, it does not fit: pauses after the batch, attach goes on' '
	begin false && touch no && echo 4 >room && run pairs && grep "pauses after what there is room for" out &&
	slurm_drain 40 && waits && test "$(succeeded)" -lt 10 && attach && all_are 10 && once && ! waits'
check 'nobody knows: the first that is refused on a node has it written down, and its branches wait' '
	begin && touch no && run tree && ! grep pauses out && within 40 asked &&
	grep "\"node_submits\":{\"n\":0," "$TB_BASE/.repx/limits.slurm" && slurm_drain 40 && all_are 1 &&
	attach && all_are 3 && once && ! waits'
