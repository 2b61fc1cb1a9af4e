#!/bin/sh
# Runs cmocka programs and adds up their results.
#
# usage: run.sh RESULTS-DIRECTORY PROGRAM...
#
# Writes "passed N failed M" to unit.txt in the directory and each program's output beside it.  A
# program that dies counts as one failure more than it reported.  A failing program's whole output
# is shown.  The exit status tells whether all passed.
set -u
results=$1
shift
mkdir -p "$results/unit"
passed=0
failed=0

count() {
    sed -n "s/^\[  $1  \] \([0-9]*\) test(s).*/\1/p" "$2" | tail -n 1
}

for program in "$@"; do
    name=${program##*/}
    log=$results/unit/$name.log
    timeout 300 "./$program" > "$log" 2>&1
    status=$?
    good=$(count PASSED "$log")
    bad=$(count FAILED "$log")
    good=${good:-0}
    bad=${bad:-0}
    # cmocka exits with the number of failures: any other status is a crash or a time-out.
    [ "$status" -eq "$bad" ] && [ $((good + bad)) -gt 0 ] || bad=$((bad + 1))
    passed=$((passed + good))
    failed=$((failed + bad))
    printf '%-32s passed %d failed %d\n' "$name" "$good" "$bad"
    [ "$bad" -eq 0 ] || cat "$log"
done

echo "passed $passed failed $failed" | tee "$results/unit.txt"
[ "$failed" -eq 0 ]
