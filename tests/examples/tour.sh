# The examples run.
. tests/lib.sh
BUILD=$B sh examples/tour.sh >"$T/tour" 2>&1
check "the tour ends well" grep -q "1200 bytes: 3 rows of 100 float32" "$T/tour"
check "it tells a story" grep -q "[a-z] [a-z].*[a-z]$" "$T/tour"
finish
