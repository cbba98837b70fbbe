# A package that was damaged anywhere is refused with one clear error; an undamaged one is checked once and
# then only by identity.
. tests/lib.sh

check "compiles" anec models/gpt2.anel --weights models/tales -q -o "$T/good.pkg"
run_it() { anerun "$1" --prompt "Once upon a time" --tokens 4 --greedy -q; }
check "runs" run_it "$T/good.pkg"

copy() { rm -rf "$T/bad.pkg" && cp -R "$T/good.pkg" "$T/bad.pkg"; }
# Replaces the byte at OFFSET of FILE by its complement of bit 0.
flip() # FILE OFFSET
{
    old=$(od -An -tu1 -j "$2" -N 1 "$1" | tr -d ' ')
    if [ $((old % 2)) -eq 0 ]; then new=$((old + 1)); else new=$((old - 1)); fi
    printf "\\$(printf '%03o' "$new")" | dd of="$1" bs=1 seek="$2" count=1 conv=notrunc 2>/dev/null
}
size_of() { wc -c <"$1" | tr -d ' '; }

for file in manifest.json manifest.sha256 tokenizer.json config.json mil/decode.mil weights/cpu.bin; do
    size=$(size_of "$T/good.pkg/$file")
    for at in 0 $((size / 3)) $((size - 1)); do
        copy
        flip "$T/bad.pkg/$file" "$at"
        check_error "$file with a bit flipped at $at" 1 "damaged" run_it "$T/bad.pkg"
    done
    copy
    rm "$T/bad.pkg/$file"
    check_error "$file missing" 1 "error: " run_it "$T/bad.pkg"
    copy
    head -c $((size / 2)) "$T/good.pkg/$file" >"$T/bad.pkg/$file"
    check_error "$file cut short" 1 "error: " run_it "$T/bad.pkg"
    copy
    printf 'x' >>"$T/bad.pkg/$file"
    check_error "$file with a byte too much" 1 "error: " run_it "$T/bad.pkg"
done

# Verified once: damage after that changes the file's identity, and is found.
copy
check "the copy runs" run_it "$T/bad.pkg"
flip "$T/bad.pkg/weights/cpu.bin" 5000
check_error "damage after a good run" 1 "damaged" run_it "$T/bad.pkg"
copy
check "the copy runs again" run_it "$T/bad.pkg"
touch -r "$T/bad.pkg/weights/cpu.bin" "$T/stamp"
flip "$T/bad.pkg/weights/cpu.bin" 5000
touch -r "$T/stamp" "$T/bad.pkg/weights/cpu.bin"
check_error "damage with the old time put back" 1 "damaged" run_it "$T/bad.pkg"

# What is no package.
check_error "no such package" 1 "no such folder" run_it "$T/absent.pkg"
mkdir "$T/empty.pkg"
check_error "an empty folder" 1 "manifest.json" run_it "$T/empty.pkg"
check_error "a file in place of a package" 1 "not a folder" run_it README.md

if command -v sha256sum >/dev/null; then hash=sha256sum; else hash="shasum -a 256"; fi
sum_of() { $hash "$1" | cut -d ' ' -f 1; }

# A manifest that agrees with its hash, but lies.
lie() # NAME SED-SCRIPT
{
    copy
    sed "$2" "$T/good.pkg/manifest.json" >"$T/bad.pkg/manifest.json"
    if cmp -s "$T/good.pkg/manifest.json" "$T/bad.pkg/manifest.json"; then
        not_ok "$1" "the script changed nothing"
        return
    fi
    echo "$(sum_of "$T/bad.pkg/manifest.json")  manifest.json" >"$T/bad.pkg/manifest.sha256"
    check_error "$1" 1 "error: " run_it "$T/bad.pkg"
}
lie "another format" 's/anec-package/other-package/'
lie "a later version" 's/"version": 1/"version": 2/'
lie "a context of 2^24 + 1" 's/"context": 256/"context": 16777217/'
lie "a negative context" 's/"context": 256/"context": -256/'
lie "another context" 's/"context": 256/"context": 128/'
lie "another vocabulary" 's/"vocab": 2048/"vocab": 4096/'
lie "a path that leaves the package" 's,"path": "config.json","path": "../config.json",'
lie "a bucket of another length" 's/"bucket": 32,/"bucket": 33,/'
lie "channels outside the buffer" 's/"first": 256/"first": 999999/'
lie "a program that is not there" 's,"program": "decode","program": "absent",'
lie "a function that is not there" 's,"function": "main","function": "absent",'
lie "a buffer of another type" 's/"type": "fp32"/"type": "int32"/'
lie "an end token outside the vocabulary" 's/"eos": 2047/"eos": 2048/'
lie "a size that lies" 's/"size": [0-9]*/"size": 7/'
lie "not JSON" '1s/{/[/'

# A program that agrees with all hashes and sizes, but is not right.
forge() # NAME FILE SED-SCRIPT (which keeps the length) PATTERN
{
    copy
    sed "$3" "$T/good.pkg/$2" | head -c "$(size_of "$T/good.pkg/$2")" >"$T/bad.pkg/$2"
    if cmp -s "$T/good.pkg/$2" "$T/bad.pkg/$2"; then
        not_ok "$1" "the script changed nothing"
        return
    fi
    sed "s/$(sum_of "$T/good.pkg/$2")/$(sum_of "$T/bad.pkg/$2")/" "$T/good.pkg/manifest.json" \
        >"$T/bad.pkg/manifest.json"
    echo "$(sum_of "$T/bad.pkg/manifest.json")  manifest.json" >"$T/bad.pkg/manifest.sha256"
    check_error "$1" 1 "$4" run_it "$T/bad.pkg"
}
mil=mil/attention_00.s0032.mil
forge "an offset that is no record's" $mil 's/uint64(64)/uint64(65)/' "attention_00"
forge "an offset outside the file" $mil 's/uint64(393344)/uint64(999936)/' "attention_00"
forge "a weight of another shape" $mil 's/\[768, 256, 1, 1\]/[768, 255, 1, 1]/g' "attention_00"
forge "an op that does not fit" $mil 's/= matmul(/= matmux(/' "error: "
forge "a file that is not of the package" $mil \
    's,weights/attention_00,weights/attention_0x,' "not a file of the package"
forge "text that is not MIL" $mil 's/program/prograx/' "error: "
forge "a state that is not there" mil/decode.mil 's/cache_000/cache_00x/g' "error: "
finish
