#!/bin/sh
# Runs fuzzers for a fixed number of inputs from a fixed seed.
#
# usage: run.sh BUILD-DIRECTORY RUNS NAME...
#
# Writes "passed N failed M" to results/fuzz.txt in the build directory; a fuzzer with a finding is a
# failure, its output is shown, and the input is left in fuzz/.
set -u
build=$1 runs=$2
shift 2
seeds=$PWD/tests/fuzz/seeds
mkdir -p "$build/results"
passed=0 failed=0

for name in "$@"; do
    # What it finds worth keeping goes to the first directory: an empty one, so that runs are alike.
    rm -rf "$build/fuzz/found/$name"
    mkdir -p "$build/fuzz/found/$name"
    if (cd "$build/fuzz" && exec "./fuzz_$name" -runs="$runs" -seed=1 -timeout=10 "found/$name" "$seeds/$name") \
        >"$build/fuzz/$name.log" 2>&1; then
        passed=$((passed + 1))
        echo "fuzz $name: $runs inputs, no finding"
    else
        failed=$((failed + 1))
        cat "$build/fuzz/$name.log"
    fi
done

echo "passed $passed failed $failed" | tee "$build/results/fuzz.txt"
[ "$failed" -eq 0 ]
