#!/bin/sh
# Style and static analysis: clang-format over all C sources, cppcheck over the VMM, its messages against their page.
#   tests/lint/run.sh RESULT-FILE     writes "passed N failed M"
set -u
passed=0 failed=0

check() {
    name=$1
    shift
    if output=$("$@" 2>&1) && [ -z "$output" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf '%s:\n%s\n' "$name" "$output"
    fi
}

# shellcheck disable=SC2046
check clang-format clang-format --dry-run -Werror $(find hv guests tests bench -name '*.[ch]' ! -name '*_recorded.h')
check cppcheck cppcheck --quiet --enable=warning,portability --inline-suppr --max-configs=1 \
    --suppress=missingIncludeSystem --suppressions-list=tests/lint/cppcheck.txt \
    -D__XEN_TOOLS__ -D__x86_64__ -D__GNUC__=12 -Ihv -Ihv/include hv
check messages /usr/bin/python3 -B tests/lint/messages.py
mkdir -p "$(dirname "$1")"
echo "passed $passed failed $failed" >"$1"
[ "$failed" -eq 0 ]
