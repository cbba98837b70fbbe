# Every shipped model as a Core ML package, small, with made-up weights: written, and read back.
. tests/lib.sh

# The sizes that a model has parameters for. GPT-Neo's layers are local and global by turns.
sizes() # MODEL
{
    for size in layers=2 vocab=64 context=64 dim=64 heads=4 groups=2 head=16 inner=128 width=64 rotated=8; do
        grep -q "[ (]${size%=*} *= config" "$1" && echo "--set $size"
    done
}

for model in models/*.anel; do
    name=$(basename "$model" .anel)
    [ "$name" = std ] && continue
    rm -rf "$T/m.mlpackage"
    # shellcheck disable=SC2046
    check "$name as a Core ML package" \
        anec "$model" --random-weights 1 $(sizes "$model") --emit mlpackage -q -o "$T/m.mlpackage"
    check "$name is read back" anec "$T/m.mlpackage" --check
done
finish
