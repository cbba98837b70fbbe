# What anec --explain says of a model's programs, in $T/explained. Sourced.
# shellcheck shell=sh

# Every program that is a pattern: so many attentions and MLPs, and nothing of them left over.
is_fused() # NAME ATTENTIONS MLPS
{
    attentions=$(grep -c '^  attention_[0-9]* (attention)' "$T/explained")
    mlps=$(grep -c '^  mlp_[0-9]* (mlp)' "$T/explained")
    left=$(grep -c 'softmax stays on the CPU' "$T/explained")
    if [ "$attentions $mlps $left" = "$2 $3 0" ]; then
        ok "$1: $attentions attentions and $mlps MLPs fused"
    else
        not_ok "$1: $attentions attentions and $mlps MLPs fused, not $2 and $3"
        grep -A 9 'not fused' "$T/explained"
    fi
}

# So many programs of a kind have an operation, as often as the pattern says.
programs_with() # NAME KIND OPERATION COUNT
{
    found=$(grep -A 1 "($2): " "$T/explained" | grep -cE " $3(,|\$)")
    if [ "$found" -eq "$4" ]; then
        ok "$1: $3 in $found programs ($2)"
    else
        not_ok "$1: $3 in $found programs ($2), not in $4"
        grep -A 1 "($2): " "$T/explained"
    fi
}

# a * cos - b * sin, of queries and of keys, is in every attention. (The norms of heads subtract, too.)
rotates() # NAME ATTENTIONS
{
    programs_with "$1" attention 'sub [24]' "$2"
}

# All three products, and so what is between them, are in one program.
is_gated() # NAME MLPS
{
    programs_with "$1" mlp 'conv 3' "$2"
}
