# What is kept between runs: the index of compiled programs, and starts from it.
. tests/lib.sh

if [ "$(uname -s)" = Darwin ]; then
    skip "cache" "the stand-in has the names of this system's own functions"
    finish
fi
export TMPDIR="$T" XDG_CACHE_HOME="$T/cache"
mkdir "$T/kept"
check "tales compiles" anec models/gpt2.anel --weights models/tales -q -o "$T/p.pkg"

over() # SCRIPT ARGUMENT...: anerun with the stand-in inside, which follows the script
{
    printf 'cache = %s\n%s\n' "$T/kept" "$1" >"$T/script.chip"
    shift
    ANEC_STANDIN="$T/script.chip" run "$B/tests/anerun" "$@"
}

generates() # NAME SCRIPT: the same text as ever
{
    over "$2" "$T/p.pkg" --framework '' --device ane --prompt "Once upon a time" --greedy --tokens 20
    check_same "$1" "$T/expected" "$T/stdout"
}

tells() # NAME PATTERN: of the last run
{
    if grep -q "$2" "$T/stdout"; then ok "$1"; else not_ok "$1" "$(cat "$T/stdout")"; fi
}

lists() # NAME PATTERN
{
    over 'build = 25A1' cache list --framework ''
    tells "$@"
}

run anerun "$T/p.pkg" --device cpu --prompt "Once upon a time" --greedy --tokens 20
cp "$T/stdout" "$T/expected"
lists "nothing yet" '^0 programs'
generates "a cold start" 'build = 25A1'
check "seven programs are kept" test "$(ls "$T/kept" | wc -l)" -eq 7
lists "and noted" '^7 programs'
lists "by name, and kept" 'kept  *attention_03$'

# Nothing is compiled any more, nor written.
generates "a warm start" 'build = 25A1
fail = compile 99 nothing compiles today'
generates "a warm start, where loads need the files" 'build = 25A1
bare_load = refused
fail = compile 99 nothing compiles today'
generates "and one that the system has forgotten half of" "build = 25A1
fail = load 1 gone"
rm "$T"/kept/*
generates "all of it" 'build = 25A1'
check "they are compiled again" test "$(ls "$T/kept" | wc -l)" -eq 7
generates "another build of the system" 'build = 25B7'
over 'build = 25B7' cache list --framework ''
tells "drops those of the old one" '^7 programs'

# A file that is no index, or one of nonsense, is none.
cat >"$T/cache/anec/compiled" <<'END'
anec compiled programs 1
x
25B7 abc 12
25B7  abc 1 2 three
25B7 abc -1 2 a
25B7 abc 9 8 good name
END
over 'build = 25B7' --cache list --framework ''
tells "lines that are wrong are left out" '^1 programs'
tells "one that is right is shown" 'gone  *good name$'
head -c 3000 /dev/urandom >"$T/cache/anec/compiled"
over 'build = 25B7' cache list --framework ''
tells "garbage is no index" '^0 programs'
generates "and is written over" 'build = 25B7'

over 'build = 25B7' cache clear --framework ''
tells "clear" 'asked to forget 7 programs'
check "the system has forgotten" test -z "$(ls "$T/kept")"
check "so have we" test ! -e "$T/cache/anec/compiled"
check "and the packages" test ! -e "$T/cache/anec/verified"
generates "and all goes on" 'build = 25B7'
over 'hide = purgeCompiledModelMatchingHash:' cache clear --framework ''
tells "a system that forgets nothing" 'stays: this system.s framework has no way to forget'
check "without an engine" anerun cache clear
check_error "neither" 2 "neither list nor clear" anerun cache purge
check_error "which" 2 "which of list and clear" anerun cache
export XDG_CACHE_HOME=/dev/null/none
generates "a cache folder that cannot be" 'build = 25B7'
