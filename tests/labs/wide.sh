#!/bin/sh
# SPDX-License-Identifier: MIT
# wide.sh N DIR: write a Lab of N independent jobs to DIR (which must not exist). Each job
# echoes its number into its output file. The same N gives the same Lab.
set -eu

if [ $# -ne 2 ]; then
    echo "usage: wide.sh N DIR" >&2
    exit 2
fi
count=$1
if [ -e "$2" ]; then
    echo "wide.sh: $2 exists already; name a new directory" >&2
    exit 1
fi
mkdir -p "$2"
cd "$2"
mkdir lab revision jobs readme host-tools host-tools/none host-tools/none/bin
LC_ALL=C
export LC_ALL

# Ids look like real ones: 32 characters of the base 32 without e, o, t and u.
awk -v n="$count" 'BEGIN {
    set = "0123456789abcdfghijklmnpqrsvwxyz"
    for (i = 0; i < n; i++) {
        x = (i * 7919 + 12345) % 2147483647
        id = ""
        for (k = 0; k < 26; k++) {
            x = (x * 48271) % 2147483647
            id = id substr(set, int(x / 1024) % 32 + 1, 1)
        }
        for (k = 5; k >= 0; k--)
            id = id substr(set, int(i / 32 ^ k) % 32 + 1, 1)
        print id "-echo-1.1"
    }
}' >ids
sed 's|.*|jobs/&/bin|' ids | xargs mkdir -p
awk '{
    dir = "jobs/" $0
    script = dir "/bin/echo"
    print "#!/bin/sh\nset -e\n# $1: output directory, $2: inputs\necho " NR - 1 " >\"$1/out.txt\"" >script
    close(script)
    file = dir "/echo-parameters.json"
    print "{\"index\":" NR - 1 ",\"name\":\"echo\"}" >file
    close(file)
    file = dir "/nix-input-dependencies.json"
    print "[]" >file
    close(file)
}' ids
sed 's|.*|jobs/&/bin/echo|' ids | xargs chmod 755
awk 'BEGIN { printf "{\"name\":\"wide\",\"type\":\"run\",\"gitHash\":\"none\",\"image\":null,\"dependencies\":{},\"jobs\":{" }
{
    printf "%s\n\"%s\":{\"name\":\"echo-1.1\",\"stage_type\":\"simple\",\"params\":{\"index\":%d,\"name\":\"echo\"},", (NR > 1 ? "," : ""), $0, NR - 1
    printf "\"resource_hints\":null,\"executables\":{\"main\":{\"path\":\"jobs/%s/bin/echo\",", $0
    printf "\"inputs\":[{\"type\":\"global\",\"job_id_template\":null,\"source_output\":null,\"source_run\":null,\"dependency_type\":null,\"source_value\":null,\"source\":null,\"source_key\":null,\"job_id\":null,\"target_input\":\"store__base\"}],"
    printf "\"outputs\":{\"text\":\"$out/out.txt\"},\"resource_hints\":null,\"deps\":[]}}}"
}
END { print "}}" }' ids >revision/metadata-wide.json
echo '{"type":"root","repx_version":"0.5.0","gitHash":"none","runs":["revision/metadata-wide.json"]}' >revision/metadata-top.json
echo "A Lab of $count jobs that echo their number." >readme/README.md
rm ids

# The manifest comes last: it lists all files there are.
find . -type f | sed 's|^\./||' | sort >"${TMPDIR:-/tmp}/wide.$$"
xargs sha256sum <"${TMPDIR:-/tmp}/wide.$$" | awk -v n="$count" '
BEGIN { printf "{\"labId\":\"wide%028d\",\"lab_version\":\"1\",\"metadata\":\"revision/metadata-top.json\",\"files\":[", n }
{ printf "%s\n{\"path\":\"%s\",\"sha256\":\"%s\"}", (NR > 1 ? "," : ""), $2, $1 }
END { print "]}" }' >lab/lab-metadata.json
rm "${TMPDIR:-/tmp}/wide.$$"
