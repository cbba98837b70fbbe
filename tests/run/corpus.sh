# Programs that Apple's compiler wrote, with inputs and outputs that another implementation computed: within
# the tolerance of their PROVENANCE.txt (2e-2 of the output's greatest magnitude), and far closer where every
# value is rounded to its type.
. tests/lib.sh

corpus=${ANEC_TEST_DATA:-../shared/data}/mil-corpus

run_program() # NAME FOLDER OPTION...: leaves the outputs in $T
{
    name=$1 folder=$2
    shift 2
    for f in "$folder"/golden/in_*.npy; do
        key=${f##*/in_}
        set -- "$@" --in "${key%.npy}=$f"
    done
    for f in "$folder"/golden/out_*.npy; do
        key=${f##*/out_}
        set -- "$@" --out "${key%.npy}=$T/out_$key"
    done
    grep -q 'func first<' "$folder/model.mil" && set -- "$@" --func first
    check "$name" anerun run "$folder/model.mil" "$@"
}

compare() # NAME FOLDER LIMIT
{
    for f in "$2"/golden/out_*.npy; do
        check "$1 ${f##*/out_}" "$B/tests/compare_npy" "$T/${f##*/}" "$f" "$3"
    done
}

if [ ! -d "$corpus" ]; then
    skip "programs of the corpus" "set ANEC_TEST_DATA"
    exit 0
fi
for folder in "$corpus"/*/; do
    folder=${folder%/} program=${folder%/}
    program=${program##*/}
    [ -d "$folder/golden" ] || continue
    run_program "$program" "$folder" --quiet
    compare "$program" "$folder" 2e-2
    run_program "$program by definition" "$folder" --quiet --evaluators
    compare "$program by definition" "$folder" 2e-2
    run_program "$program rounded" "$folder" --quiet --numerics stored
    compare "$program rounded" "$folder" 5e-3
done
