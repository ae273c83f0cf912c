#!/usr/bin/env bash
# Builds pg_infer and runs every test there is, on Debian 12 or 13, as root or with sudo for apt and the installation.
#   ./check.sh [LAYER...]     all layers, or some of: style units fuzz regress pgtap isolation clusters
#   ./check.sh postgresql     PostgreSQL's own regression tests with pg_infer preloaded, from the source of Debian's
#                             package; only when it is asked for
# PG_CONFIG chooses a PostgreSQL other than Debian's.  Logs stay in build/check.  The last line is "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")"
export LC_ALL=C.UTF-8 LANG=C.UTF-8

. tools/cluster.sh

passed=0
failed=0

finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
    exit
}

# Something without which no test runs.
need() {
    local title=$1 begin=$SECONDS
    shift
    if "$@" >"build/check/$title.log" 2>&1; then
        echo "$title: done in $((SECONDS - begin)) s"
    else
        tail -n 40 "build/check/$title.log"
        echo "$title: failed"
        failed=$((failed + 1))
        finish
    fi
}

wanted=" $* "
# Runs a command and counts the tests in what it prints: TAP, or pg_regress's lines.  One that breaks off, or
# runs no test, is a failure too.
layer() {
    local title=$1 begin=$SECONDS log="build/check/$1.log" status good bad skipped
    shift
    [ "$wanted" = "  " ] || [ "${wanted#* "$title" }" != "$wanted" ] || return
    "$@" >"$log" 2>&1
    status=$?
    read -r good bad skipped < <(awk '
        /^(not )?ok .*# (SKIP|skip)/ { skipped++; next }
        /^ok / || /^(test | +)[^ ]+ +\.\.\. ok( |$)/ { good++ }
        /^not ok / || /^(test | +)[^ ]+ +\.\.\. (FAILED|failed)/ { bad++ }
        END { print good + 0, bad + 0, skipped + 0 }' "$log")
    if [ "$bad" = 0 ] && { [ "$status" != 0 ] || [ "$good" = 0 ]; }; then
        bad=1
    fi
    if [ "$bad" != 0 ]; then
        grep -nE -A 12 '^not ok |\.\.\. (FAILED|failed)' "$log" | head -n 200
        echo "... the end of $log:"
        tail -n 30 "$log"
        failures "$title"
    fi
    [ "$skipped" = 0 ] && skipped= || skipped=", $skipped not for this machine"
    echo "$title: $good passed, $bad failed$skipped ($((SECONDS - begin)) s)"
    passed=$((passed + good))
    failed=$((failed + bad))
}

# What a failed layer left to look at, kept beside its log.
failures() {
    local file
    for file in "$tree"/regression.diffs "$tree"/output_iso/regression.diffs; do
        [ -s "$file" ] && head -n 200 "$file"
    done
    if [ -d "$tree/tmp_check/log" ]; then
        rm -rf "build/check/$1"
        cp -r "$tree/tmp_check/log" "build/check/$1"
    fi
    [ ! -e "$scratch/server.log" ] || cp "$scratch/server.log" "build/check/$1-server.log"
}

compile() {
    local programs=unit-tests
    [ "$wanted" = "  " ] || [ "${wanted#* units }" != "$wanted" ] || programs=
    make -j"$(nproc)" all build/test_hints.so $programs && as_root make -s PG_CONFIG="$PG_CONFIG" install
}

# clang sees other mistakes than gcc; it compiles a copy, so that no object is mixed.
compile_clang() {
    rm -rf build/clang
    mkdir -p build/clang/test
    cp -a Makefile pg_infer.control src build/clang/
    cp -a test/unit build/clang/test/
    find build/clang -name '*.o' -delete
    make -C build/clang -j"$(nproc)" CC=clang all unit-tests
}

# The tests run in a copy of the tree that belongs to the cluster's user.
copy_tree() {
    tree=$scratch/pg_infer
    mkdir -p "$tree/build"
    cp -a Makefile pg_infer.control README.md .clang-format src sql expected test tools doc "$tree/"
    cp -a build/test_hints.so "$tree/build/"
    [ ! -d build/unit ] || cp -a build/unit "$tree/build/"
    [ -z "$cluster_user" ] || chown -R "$cluster_user" "$tree"
}

in_tree() {
    as_server env -C "$tree" "$@"
}

units() {
    local test status=0
    for test in test/unit/test_*.c; do
        test=build/unit/$(basename "$test" .c)
        echo "== $test"
        in_tree env CMOCKA_MESSAGE_OUTPUT=TAP "$test" || status=1
    done
    return $status
}

pgtap() {
    createdb pgtap && psql -Xqd pgtap -c 'CREATE EXTENSION pg_infer' -c 'CREATE EXTENSION pgtap' &&
        in_tree pg_prove --verbose --dbname pgtap --ext .sql --recurse test/pgtap
}

# PostgreSQL that was built without its TAP tests has no PostgreSQL::Test; Debian's drives other versions, too.
clusters() {
    local pgxs perl
    pgxs=$(dirname "$($PG_CONFIG --pgxs)")/..
    perl=$pgxs/test/perl
    [ -d "$perl" ] || perl=/usr/lib/postgresql/$debian_postgresql/lib/pgxs/src/test/perl
    in_tree env -u PGHOST -u PGPORT -u PGUSER -u PGDATABASE TESTDIR="$tree" TESTDATADIR="$tree/tmp_check" \
        TESTLOGDIR="$tree/tmp_check/log" PG_REGRESS="$pgxs/test/regress/pg_regress" \
        prove --verbose -I "$perl" -I test/perl --ext .pl --recurse test/t
}

# The source is of the server's version, where Debian's archive has that still.
postgresql() {
    local suite=$scratch/postgresql package=postgresql-$debian_postgresql codename version regress apt
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    version=$(dpkg-query -W -f='${source:Version}' "$package")
    mkdir -p "$suite/lists/partial" "$suite/out" "$suite/library"
    printf 'deb-src http://deb.debian.org/debian%s main\n' " $codename" " $codename-updates" \
        "-security $codename-security" >"$suite/sources.list"
    apt=(apt-get -qq -o Dir::Etc::sourcelist="$suite/sources.list" -o Dir::Etc::sourceparts=-
        -o Dir::State::lists="$suite/lists" -o APT::Sandbox::User=root)
    command -v bzip2 >/dev/null || as_root apt-get install -y -qq --no-install-recommends bzip2 || return
    as_root "${apt[@]}" update || return
    (cd "$suite" && as_root "${apt[@]}" source --download-only "$package=$version") || return
    tar -xf "$suite"/*.orig.tar.* -C "$suite" --wildcards '*/src/test/regress' || return
    regress=$(echo "$suite"/*/src/test/regress)
    # what the tests load
    cp "$($PG_CONFIG --pkglibdir)"/{refint,autoinc}.so "$suite/library/" &&
        gcc -O2 -w -fPIC -shared -I"$($PG_CONFIG --includedir-server)" -o "$suite/library/regress.so" \
            "$regress/regress.c" || return
    chmod -R a+rX "$suite"
    [ -z "$cluster_user" ] || chown "$cluster_user" "$suite/out"
    (cd "$suite/out" && as_server env -u LANG -u LC_ALL "$(dirname "$($PG_CONFIG --pgxs)")/../test/regress/pg_regress" \
        --inputdir="$regress" --outputdir="$suite/out" --dlpath="$suite/library" --bindir="$bindir" --no-locale \
        --max-connections=8 --schedule="$regress/parallel_schedule")
}

# In braces, so that bash has read all of it before anything runs.
{
mkdir -p build/check
need packages tools/setup-debian build test model
need compile compile
[ $# -gt 0 ] || need compile-clang compile_clang
need model tools/fetch-minilm

cluster_scratch
copy_tree
cluster_model build/models/minilm
export PG_INFER_MINILM=$scratch/models/minilm
cluster_model test/models/tiny-bert

layer style tools/style-check
layer units units
[ $# -gt 0 ] || need compile-sanitized make -s -j"$(nproc)" fuzz-targets
layer fuzz make -s fuzz-replay
need cluster cluster_start <test/regress.conf
layer regress in_tree make -s installcheck ISOLATION=
layer pgtap pgtap
layer isolation in_tree make -s installcheck REGRESS=
layer clusters clusters
[ "${wanted#* postgresql }" = "$wanted" ] || layer postgresql postgresql
finish
}
