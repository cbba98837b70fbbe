# anec --from against a hub of our own (tests/support/hub_server.c) that behaves well, and badly.
. tests/lib.sh

mkdir "$T/repo"
for file in config.json model.safetensors vocab.json merges.txt; do
    cp "models/tales/$file" "$T/repo"
done
echo "not wanted" >"$T/repo/tf_model.h5"
echo "MIT" >"$T/repo/LICENSE"
# Beside the program there are models where it was built in its usual place.
[ "$B" = "$R/build" ] || export ANEC_MODELS="$R/models"
export ANEC_HUB_PAUSE=10 HF_HUB_DOWNLOAD_TIMEOUT=1
unset HF_TOKEN HF_HOME HF_HUB_CACHE HF_HUB_OFFLINE HF_TOKEN_PATH 2>/dev/null || :

# Starts a server with a behaviour; it ends when the descriptor is closed.
serve() # [BEHAVIOUR]
{
    stop
    mkfifo "$T/alive.$$"
    "$B/tests/hub_server" "$T/repo" "$T/requests" "$@" <"$T/alive.$$" >"$T/ports" &
    exec 9>"$T/alive.$$"
    rm "$T/alive.$$"
    tries=0
    while [ ! -s "$T/ports" ] && [ $tries -lt 100 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
    read -r hub other <"$T/ports"
    export HF_ENDPOINT="http://127.0.0.1:$hub"
    : "$other"
}

stop()
{
    exec 9>&-
    wait
    rm -f "$T/ports"
}

fresh() # the cache is empty again
{
    rm -rf "$T/home"
    export HF_HOME="$T/home"
}

fresh
serve
check "a checkpoint is fetched, its model found, and compiled" anec --from o/m -q -o "$T/p.pkg"
check "it writes" anerun "$T/p.pkg" --prompt "Once" -n 4 --greedy
snapshot=$T/home/hub/models--o--m/snapshots/c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00
check "the cache has the hub's layout" test -L "$snapshot/model.safetensors"
check_same "and the contents" models/tales/model.safetensors "$snapshot/model.safetensors"
printf c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00 >"$T/ref"
check_same "and the commit" "$T/ref" "$T/home/hub/models--o--m/refs/main"
check "what is not wanted is not fetched" test ! -e "$snapshot/tf_model.h5"
check "the licence is" test -e "$snapshot/LICENSE"
check "a second time" anec --from o/m --fetch-only
echo "$snapshot" >"$T/expected"
check_same "it says where" "$T/expected" "$T/stdout"
grep -c "GET /o/m" "$T/requests" >"$T/gets"
stop
HF_HUB_OFFLINE=1 check "offline, from the cache" anec --from o/m --fetch-only
fresh
HF_HUB_OFFLINE=1 check_error "offline, without" 1 "HF_HUB_OFFLINE forbids" anec --from o/m --fetch-only

serve
HF_TOKEN=hf_secret check "with a token" anec --from o/m --fetch-only
check "the hub gets it" grep -q "^H GET .* token" "$T/requests"
check "the other host gets the file" grep -q "^C GET /model.safetensors" "$T/requests"
if grep -q "^C .* token" "$T/requests"; then
    not_ok "the other host does not get the token"
else
    ok "the other host does not get the token"
fi
fresh
mkdir -p "$T/home"
echo " hf_from_file " >"$T/home/token"
check "with a token of the file" anec --from o/m --fetch-only
check "the hub gets that" grep -q "^H GET .* token" "$T/requests"

fresh
blob=$(shasum -a 256 models/tales/model.safetensors 2>/dev/null || sha256sum models/tales/model.safetensors)
blob=$T/home/hub/models--o--m/blobs/${blob%% *}
mkdir -p "$T/home/hub/models--o--m/blobs"
head -c 1000000 models/tales/model.safetensors >"$blob.incomplete"
serve
check "a file that was begun goes on" anec --from o/m --fetch-only
check "where it was" grep -q "^C GET /model.safetensors 1000000-" "$T/requests"
check_same "and is whole" models/tales/model.safetensors "$snapshot/model.safetensors"

fresh
mkdir -p "$T/home/hub/models--o--m/blobs"
head -c 1000000 models/tales/model.safetensors >"$blob.incomplete"
serve norange
check "a server without ranges" anec --from o/m --fetch-only
check_same "sends all of it" models/tales/model.safetensors "$snapshot/model.safetensors"

for how in busy truncate; do
    fresh
    serve $how
    check "$how: fetched all the same" anec --from o/m --fetch-only
    check_same "$how: whole" models/tales/model.safetensors "$snapshot/model.safetensors"
done

fails() # BEHAVIOUR MESSAGE
{
    fresh
    serve "$1"
    check_error "$1" 1 "$2" anec --from o/m --fetch-only
    check "$1: no checkpoint is left" test ! -e "$snapshot/model.safetensors"
}
fails 401 "accept its licence on the hub and set HF_TOKEN"
fails 403 "may not read it"
fails 404 "no such repository"
fails wronghash "not what the hub's hash says"
fails evil "lead out of the cache"
fails loop "again and again"
fails stall "[Ll]ess than"
check "nothing was written elsewhere" test ! -e "$T/evil"

fresh
serve
check_error "a repository that is not there" 1 "no such repository" anec --from o/other --fetch-only
check_error "a file that is not there" 1 "has no file" anec --from o/m:x.gguf --fetch-only
for name in "o/m/n" "../x" "o/../m" "o m" "-o/m" ""; do
    check_error "the name '$name'" 1 "is not OWNER/NAME" anec --from "$name" --fetch-only
done
stop

echo '{"model_type": "nonsense"}' >"$T/repo/config.json"
check_error "an unknown type" 1 "no model for the type \"nonsense\"; there are:.* gpt2" \
    anec --weights "$T/repo" --check
printf '# Ours.\n# model_type: other nonsense\nmodel m() {\n}\n' >"$T/mine.anel"
check_error "a model says what types it is for" 1 "model .m. needs a parameter" \
    anec --weights "$T/repo" --models "$T" --check
check "the model of a checkpoint" anec --weights models/tales --check
check_error "both" 2 "one of --from and --weights" anec --from o/m --weights models/tales
check_error "only" 2 "needs --from" anec --fetch-only --weights models/tales
finish
