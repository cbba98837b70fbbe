# Every program of every shipped model, small and with made-up weights, is clean under any profile.
. tests/lib.sh

# The sizes that a model has parameters for.
sizes() # MODEL
{
    for size in layers=2 vocab=64 context=64 dim=64 heads=4 groups=2 head=16 inner=128 width=64 rotated=8; do
        grep -q "[ (]${size%=*} *= config" "$1" && echo "--set $size"
    done
}

profiles=$(anec --list-profiles | awk '{ print $1 }')
for model in models/*.anel; do
    name=$(basename "$model" .anel)
    [ "$name" = std ] && continue
    for profile in $profiles; do
        rm -rf "$T/m.pkg"
        # shellcheck disable=SC2046
        check "$name compiles for $profile" \
            anec "$model" --random-weights 1 $(sizes "$model") --profile "$profile" -q -o "$T/m.pkg"
        check "$name: no error for $profile" anec check --profile "$profile" "$T/m.pkg"
        cp "$T/stdout" "$T/said"
        check "$name: no warning for $profile" grep -q '^0 errors, 0 warnings' "$T/said"
    done
done
finish
