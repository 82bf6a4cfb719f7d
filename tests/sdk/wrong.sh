#!/bin/bash
# SPDX-License-Identifier: MIT
# wrong.sh TOOL DIR: each DIR/NAME/KIND-NAME.so breaks one promise, and the check that was made
# for it fails.
set -u
tool=$1 dir=$2 number=0 failed=0 names=() sentences=()
said=$(mktemp -d) && trap 'rm -rf "$said"' EXIT

# Most of the time they wait for what does not come: so all at once.
wrong() { # NAME SENTENCE-OF-THE-CHECK
	names+=("$1") sentences+=("$2")
	{
		"$tool" "$dir/$1/$plugin.so" --patience "${patience:-2}" >"$said/${#names[@]}"
		echo "status $?" >>"$said/${#names[@]}"
	} 2>/dev/null &
}

tell() {
	for name in "${names[@]}"; do
		number=$((number + 1))
		sentence=${sentences[number - 1]}
		if grep -qx 'status 1' "$said/$number" && grep -q "^not ok [0-9]* - .*$sentence" "$said/$number"; then
			echo "ok $number - $name fails on: $sentence"
		else
			echo "not ok $number - $name should fail on: $sentence"
			grep '^not ok' "$said/$number" | sed 's/^/# /'
			failed=1
		fi
	done
}

plugin=transport-local
wrong status 'exit 42: its status is 42'
wrong bytes 'each value of a byte passes'
wrong errors 'standard error is a channel of its own'
wrong deadline 'wait comes back at its deadline'
wrong stride 'of two streams the one that has output'
wrong leak 'ten commands leave no descriptor'
wrong end 'after end the command sees the end'
wrong half 'bytes of input reach a command, and their end'
wrong crash 'transport: does not crash'
wrong exit 'transport: never ends the process (status 4); last: [^;]*$'
wrong field 'key port: a plain name, one line of help, a default in its range'
wrong inherit 'its descriptors are closed in programs that others start'
wrong memory 'commands leave no memory'
wrong deaf 'cancel ends a wait'
wrong patient 'exit_status of a running command fails at its deadline'
wrong once 'after the end read goes on answering 0'
wrong blocks 'write answers REPX_AGAIN when nobody reads, and does not block'
wrong pipe 'transport: does not crash (Broken pipe)'
wrong naps 'a byte goes there and back'
wrong one 'a second connection'
wrong suits 'suits says yes'
wrong stats 'stats count'
wrong close 'close leaves no descriptor'
plugin=sync-plain
wrong loses 'each file and link of the source stands where it belongs'
wrong past 'in the way the contract allows entry .* was asked for'
wrong place 'in the way the contract allows a tree is placed at'
wrong mode 'in the way the contract allows .* content or mode'
wrong link 'in the way the contract allows .* a link is not relative'
wrong twice 'in the way the contract allows .* is sent, and the target has it'
wrong all 'in the way the contract allows .* is sent, and the target has it'
wrong early 'a set is remembered that was not verified'
wrong hasty 'it waits for verify'
wrong forgets 'a set that is known costs nothing more'
wrong deaf 'when put fails, perform fails with that error'
wrong code 'when verify fails, perform fails with that error'
wrong empty 'an empty source is nothing to do'
wrong trips 'round trips do not grow'
wrong exact 'it takes a host that is newer'
wrong leak 'times leave no memory'
wrong open 'times leave no descriptor'
wrong chdir 'as they were; changed: the working directory'
wrong signal 'as they were; changed: signals'
wrong environment 'as they were; changed: the environment'
wrong prints 'nothing is printed here I am'
plugin=sync-lab
wrong trusts 'a file that its delta did not become is put whole'
wrong unended 'all is brought to a target that offers deltas .* a delta is not ended'
plugin=sched-exec
wrong boast 'check accepts what the plugin says it honours'
wrong zero 'check accepts a job that asks for nothing'
wrong bits 'honours has no bit that means nothing'
plugin=sync-bootstrap
wrong never 'the first command brings the agent'
wrong afresh 'the second time it is found there'
wrong strict 'what a login shell prints is passed over'
wrong mute 'a login shell that ends'
wrong stubborn 'cancel ends it with REPX_E_CANCELED'
wrong again 'it is one command'
wait
tell
echo "1..$number"
exit $failed
