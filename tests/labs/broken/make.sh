#!/bin/sh
# SPDX-License-Identifier: MIT
# make.sh DIR: write broken Labs below DIR (which must not exist): DIR/KIND/lab or
# DIR/KIND/lab.tar, and beside it DIR/KIND/expect, an extended regular expression that the
# refusal must match. KIND whole and whole-tar are not broken; their expect is empty.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: make.sh DIR" >&2
    exit 2
fi
if [ -e "$1" ]; then
    echo "make.sh: $1 exists already; name a new directory" >&2
    exit 1
fi
mkdir -p "$1"
cd "$1"
LC_ALL=C
export LC_ALL
A=0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-hello-1.1
B=1a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-count-1.1
S=2a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-many-1.1
run=revision/metadata-r1.json

script() {
    mkdir -p "$(dirname "$1")"
    printf '#!/bin/sh\nset -e\necho %s\n' "$2" >"$1"
    chmod 755 "$1"
}

# One line for each thing that a kind may want to change.
run_file() {
    cat <<EOF
{"name":"r1",
"image":"images/base",
"dependencies":{},
"jobs":{
"$A":{"name":"hello-1.1",
"stage_type":"simple",
"params":{"n":3},
"executables":{"main":{
"path":"jobs/$A/bin/hello",
"inputs":[],
"outputs":{"txt":"\$out/h.txt","other":7}}}},
"$B":{"params":{},
"resource_hints":{"cpus":1,"mem":"1G"},
"executables":{"main":{"path":"jobs/$B/bin/count",
"inputs":[{"job_id":"$A","source_output":"txt","target_input":"txt","type":"intra-pipeline"}],
"outputs":{"n":"\$out/n.txt"}}}},
"$S":{"params":{},"stage_type":"scatter-gather",
"executables":{
"scatter":{"path":"jobs/$S/bin/many-scatter","inputs":[],
"outputs":{"work__items":"\$out/work_items.json","worker__arg":"\$out/arg.json"}},
"step-one":{"path":"jobs/$S/bin/many-step-one","deps":[],
"inputs":[{"source":"scatter:work_item","target_input":"worker__item"}],
"outputs":{"part":"\$out/part"}},
"step-two":{"path":"jobs/$S/bin/many-step-two","deps":["one"],
"inputs":[{"source":"step:one","source_output":"part","target_input":"part"}],
"outputs":{"result":"\$out/result"}},
"gather":{"path":"jobs/$S/bin/many-gather",
"inputs":[{"source":"runner:worker_outputs","target_input":"worker__outs"}],
"outputs":{"sum":"\$out/sum"}}}}
}}
EOF
}

# begin KIND REGEX: a good Lab in KIND/lab, not sealed yet; we are in it.
begin() {
    cd "$top"
    mkdir -p "$1/lab"
    printf '%s' "${2:+$2$nl}" >"$1/expect"
    cd "$1/lab"
    mkdir lab revision images images/base host-tools host-tools/tools host-tools/tools/bin
    echo '[{"Layers":[]}]' >images/base/manifest.json
    script "jobs/$A/bin/hello" hello
    script "jobs/$B/bin/count" 3
    for part in scatter step-one step-two gather; do
        script "jobs/$S/bin/many-$part" "$part"
    done
    run_file >$run
    echo '{"repx_version":"0.5.0","gitHash":"none","runs":["revision/metadata-r1.json"],"groups":{"all":["r1"]}}' \
        >revision/metadata-top.json
}
top=$PWD
nl='
'

# seal [FILTER]: write the manifest of all files there are, its lines through sed FILTER.
seal() {
    {
        printf '{"labId":"k3v9q0c1m2n4p5r6s7w8x9y0z1a2b3c4","lab_version":"1",\n'
        printf '"metadata":"revision/metadata-top.json",\n"files":[\n'
        find . -type f ! -path ./lab/lab-metadata.json | sed 's|^\./||' | sort | xargs sha256sum |
            awk '{ printf "%s{\"path\":\"%s\",\"sha256\":\"%s\"}\n", (NR > 1 ? "," : ""), $2, $1 }'
        printf ']}\n'
    } | sed "${1:-}" >lab/lab-metadata.json
}

# edit KIND REGEX SCRIPT: the run file changed by sed, then sealed.
edit() {
    begin "$1" "$2"
    sed -e "$3" $run >new
    if cmp -s new $run; then
        echo "make.sh: $1: nothing changed" >&2
        exit 1
    fi
    mv new $run
    seal
}

# archive: make lab.tar of lab and drop the directory.
archive() {
    cd ..
    tar --format=gnu -cf lab.tar lab
    rm -r lab
}

# header NAME TYPE LINK: one tar header without content.
header() {
    text=$(awk -v name="$1" -v type="$2" -v link="$3" '
    function put(at, text, i) {
        for (i = 1; i <= length(text); i++)
            byte[at + i - 1] = ord[substr(text, i, 1)]
    }
    BEGIN {
        for (i = 32; i < 127; i++)
            ord[sprintf("%c", i)] = i
        put(0, name); put(100, "0000755"); put(108, "0000000"); put(116, "0000000")
        put(124, "00000000000"); put(136, "00000000001"); put(148, "        ")
        put(156, type); put(157, link); put(257, "ustar"); put(263, "00")
        for (i = 0; i < 512; i++)
            sum += byte[i]
        put(148, sprintf("%06o", sum)); byte[154] = 0
        for (i = 0; i < 512; i++)
            printf "\\0%03o", byte[i]
    }')
    printf '%b' "$text"
}

# prepend HEADER...: put what is on standard input before lab.tar.
prepend() {
    cat - lab.tar >new
    mv new lab.tar
}

begin whole ''
seal
begin whole-tar ''
seal
archive

# What the files are.
begin digest-mismatch 'lab-metadata\.json: files\[[0-9]+\]: jobs/.*/hello has the digest [0-9a-f]{64} and must have [0-9a-f]{64}'
seal
echo 'echo more' >>"jobs/$A/bin/hello"
begin file-missing 'files\[[0-9]+\]\.path: .*/count. is not in the Lab; '
seal
rm "jobs/$B/bin/count"
begin file-path-up 'files\[0\]\.path: .\.\./images.* does not stay inside the Lab; '
seal 's|"path":"images|"path":"../images|'
begin file-path-absolute 'files\[0\]\.path: ./etc/passwd. does not stay inside the Lab; '
seal 's|"path":"images/base/manifest.json|"path":"/etc/passwd|'
begin file-digest-malformed 'files\[0\]\.sha256: is not 64 lower-case'
seal 's|"sha256":".\{8\}|"sha256":"XYZ|'
begin manifest-link-out 'lab-metadata\.json: the file: leads out of the Lab'
seal
mv lab/lab-metadata.json ../m
ln -s ../../m lab/lab-metadata.json
begin manifest-link-dangling 'lab-metadata\.json: the file: is not in the Lab'
ln -s nowhere.json lab/lab-metadata.json
begin no-manifest 'lab/\*lab-metadata\.json: is not there, so this is no Lab; '
begin two-manifests 'lab/: manifests: both lab/a-lab.* and lab/b-lab'
seal
cp lab/lab-metadata.json lab/a-lab-metadata.json
mv lab/lab-metadata.json lab/b-lab-metadata.json
begin empty-directory 'is not there, so this is no Lab; '
cd ..
rm -r lab
mkdir lab
begin not-a-lab 'neither a directory nor a tar archive; '
cd ..
rm -r lab
echo 'this is a text and no archive' >lab.tar

# Links.
begin link-out-listed 'files\[[0-9]+\]\.path: .store/tool. leads out of the Lab'
mkdir store
ln -s ../../../outside store/tool
seal 's|"files":\[|"files":[{"path":"store/tool","sha256":"0000000000000000000000000000000000000000000000000000000000000000"},|'
begin link-nix-store 'leads to /nix/store/.*, which a target would not have'
mkdir store
ln -s /nix/store/abc/bin/tool store/tool
seal 's|"files":\[|"files":[{"path":"store/tool","sha256":"0000000000000000000000000000000000000000000000000000000000000000"},|'
begin link-out-directory 'is missing|leads out of the Lab'
seal
mv "jobs/$A" ../moved
ln -s ../../moved "jobs/$A"
begin link-circle 'leads through more than 100 links'
mkdir store
ln -s b store/a
ln -s a store/b
seal 's|"files":\[|"files":[{"path":"store/a","sha256":"0000000000000000000000000000000000000000000000000000000000000000"},|'

# Ids and paths in metadata.
edit job-id-slash 'metadata-r1\.json: jobs\.\.\./evil: the job.s id (begins with a dot|contains a slash)' "s|\"$A\":{|\"../evil\":{|"
edit job-id-up 'jobs\.\.\.: the job.s id begins with a dot' "s|\"$A\":{|\"..\":{|"
edit job-id-dash 'jobs\.-rf: the job.s id begins with a dot or a dash' "s|\"$A\":{|\"-rf\":{|"
edit job-id-control 'jobs\.a\?b: the job.s id contains a control' "s|\"$A\":{|\"a\\\\nb\":{|"
edit run-name-slash 'metadata-r1\.json: name: contains a slash' 's|"name":"r1"|"name":"r/1"|'
edit exe-path-up 'executables\.main\.path: .\.\./x. does not stay inside' "s|\"path\":\"jobs/$A/bin/hello\"|\"path\":\"../x\"|"
edit exe-path-elsewhere 'executables\.main\.path: .* is not below jobs/0a.*; put it there' "s|\"path\":\"jobs/$A/bin/hello\"|\"path\":\"jobs/$B/bin/count\"|"
edit exe-missing 'executables\.main\.path: .*/hallo. is not in the Lab' "s|bin/hello\"|bin/hallo\"|"
edit image-missing 'image: .images/none. is not in the Lab' 's|images/base|images/none|'
edit image-up 'image: .\.\./\.\./base. does not stay inside' 's|images/base|../../base|'
begin job-directory-missing 'jobs\..*: its directory jobs/.* is not in the Lab; '
seal
sed "s|\"jobs\":{|\"jobs\":{\"3a-gone-1.1\":{\"params\":{},\"executables\":{}},|" $run >new
mv new $run
seal
begin run-missing 'metadata-top\.json: runs\[0\]: .revision/metadata-r1\.json. is not in the Lab'
rm $run
seal
begin lab-id-up 'lab-metadata\.json: labId: begins with a dot'
seal 's|"labId":"k3|"labId":"../k3|'

# Meaning.
edit stage-type 'stage_type: is .complex.; known are simple' 's|"simple"|"complex"|'
edit dep-dangling 'inputs\[0\]\.job_id: there is no job .*-gone-1\.1 in the Lab' "s|\"job_id\":\"$A\"|\"job_id\":\"3a-gone-1.1\"|"
edit circle 'needs its own result, through the inputs of other jobs; ' "s|\"inputs\":\[\],\$|\"inputs\":[{\"job_id\":\"$B\",\"source_output\":\"n\",\"target_input\":\"n\"}],|"
edit circle-self 'needs its own result' "s|\"job_id\":\"$A\",\"source_output\":\"txt\"|\"job_id\":\"$B\",\"source_output\":\"n\"|"
edit output-undeclared 'inputs\[0\]: the output .text. is not declared by .main. of job' 's|"source_output":"txt"|"source_output":"text"|'
edit output-no-text 'inputs\[0\]: the output .other. of job .* is no text' 's|"source_output":"txt"|"source_output":"other"|'
edit main-missing 'executables: .main. is missing; ' 's|^"executables":{"main":{$|"executables":{"mian":{|'
edit scatter-missing 'executables: .scatter. is missing; ' 's|^"scatter":|"shatter":|'
edit gather-missing 'executables: .gather. is missing; ' 's|^"gather":|"rather":|'
edit no-step 'executables: no step; ' 's|^"step-|"stop-|'
edit no-sink 'their deps go in circles' 's|"deps":\[\]|"deps":["two"]|'
edit two-sinks 'both steps .one. and .two. are last' 's|"deps":\["one"\]|"deps":[]|'
edit step-dep-unknown 'executables\.step-two\.deps: there is no step .uno.' 's|"deps":\["one"\]|"deps":["uno"]|'
edit step-dep-prefixed 'there is no step .step-one.; correct the name, without step-' 's|"deps":\["one"\]|"deps":["step-one"]|'
edit step-circle 'the step needs its own result' 's|^"step-two":{|"step-three":{"path":"jobs/'"$S"'/bin/many-gather","deps":["two"]},"step-two":{|;s|"deps":\["one"\]|"deps":["one","two"]|'
edit step-twice 'executables\.step-one: is there twice' 's|^"step-two":|"step-one":|'
edit step-name-up 'the step.s name begins with a dot' 's|^"step-two":|"step-../two":|'
edit step-source-unknown 'inputs\.part: there is no step .uno.' 's|"step:one"|"step:uno"|'
edit step-output-undeclared 'the output .port. is not declared by step .one.' 's|"source_output":"part"|"source_output":"port"|'

# JSON.
edit json-cut-off 'metadata-r1\.json: .*byte [0-9]+: the text ends too early; ' '/"resource_hints"/q'
edit json-wrong-type 'inputs: is an object and must be an array; ' 's|"inputs":\[\],$|"inputs":{},|'
edit json-null-list 'inputs: is null and must be an array; ' 's|"inputs":\[\],$|"inputs":null,|'
edit json-key-missing 'executables\.main\.path: is missing; ' 's|^"path":|"pith":|'
edit json-key-twice 'executables\.main\.path: is there twice; ' 's|^"path":.*$|&&|'
edit json-cpus-text 'resource_hints\.cpus: is a string and must be a number; ' 's|"cpus":1|"cpus":"1"|'
edit json-cpus-half 'resource_hints\.cpus: is 1\.5 and must be a whole number' 's|"cpus":1|"cpus":1.5|'
edit json-mapping-type 'inputs\[0\]\.type: is .outer.; known are' 's|"intra-pipeline"|"outer"|'
# shellcheck disable=SC2016 # $ is the last line for sed
edit json-tail 'byte [0-9]+: something follows the value' '$s|$|{}|'
edit json-nul 'may not contain NUL' 's|"hello-1.1"|"hello\\u0000"|'
begin json-utf8 'not valid UTF-8'
sed "s|\"hello-1.1\"|\"$(printf '\377')\"|" $run >new
mv new $run
seal
begin json-deep 'more than 64 levels deep'
awk '/"n":3/ { for (i = 0; i < 100000; i++) deep = deep "["; sub(/3/, deep) } { print }' $run >new
mv new $run
seal

# Archives.
begin tar-up 'lab\.tar: \.\./evil: leads out of the archive; '
seal
archive
header ../evil 0 '' | prepend
begin tar-absolute 'lab\.tar: /tmp/evil: leads out of the archive; '
seal
archive
header /tmp/evil 0 '' | prepend
begin tar-link-absolute 'store/tool: symbolic link: leads out of the Lab to /etc/passwd; make it relative'
seal
mkdir store
ln -s /etc/passwd store/tool
archive
begin tar-link-up 'store/tool: symbolic link: leads out of the Lab to \.\./\.\./x; '
seal
mkdir store
ln -s ../../x store/tool
archive
begin tar-below-link 'lab/inner/file|inner/file: is below inner, which is no directory'
seal
archive
{
    header lab/inner 2 revision
    header lab/inner/file 0 ''
} | prepend
begin tar-hard-circle 'x: is a hard link in circles'
seal
archive
{
    header lab/x 1 lab/y
    header lab/y 1 lab/x
} | prepend
begin tar-hard-dangling 'x: is a hard link to y, which is no file of the Lab'
seal
archive
header lab/x 1 lab/y | prepend
begin tar-cut-off 'the archive is cut off'
seal
archive
head -c 9000 lab.tar >new
mv new lab.tar
begin tar-garbled 'no tar header where one must be'
seal
archive
{
    head -c 512 lab.tar
    tail -c +1000 lab.tar
} >new
mv new lab.tar
begin tar-compressed 'compressed with gzip; decompress it first'
seal
archive
gzip lab.tar
mv lab.tar.gz lab.tar
begin tar-no-manifest 'not in the archive, so it holds no Lab; '
archive
begin tar-digest-mismatch 'has the digest [0-9a-f]{64} and must have'
seal
echo 'echo more' >>"jobs/$A/bin/hello"
archive
