#!/bin/sh
# Writes the symbol table of a linked image as assembly, for hv/lib/symbols.c.
#
# usage: symtab.sh [NM IMAGE] > symtab.S
#
# Without an image the table is empty.  The table lies in .rodata, so linking it in moves what
# follows.  Three links make it exact: the first with an empty table, the second with the first
# image's (which has the final size), the third with the second image's.
set -eu
LC_ALL=C
export LC_ALL

if [ $# -eq 2 ]; then "$1" -n -S "$2"; fi | awk '
BEGIN { n = 0 }
function hex(s) { sub(/^0+/, "", s); return "0x" (s == "" ? "0" : s) }
# address [size] type name; only functions and code labels
NF == 4 && $3 ~ /^[tTwW]$/ { address = $1; size = hex($2); name = $4 }
NF == 3 && $2 ~ /^[tTwW]$/ { address = $1; size = "0x0";   name = $3 }
(NF == 4 && $3 ~ /^[tTwW]$/) || (NF == 3 && $2 ~ /^[tTwW]$/) {
    # Labels of low-address boot code have no place in backtraces; nor do local ones.
    if (address !~ /^ffff/ || name ~ /^\.L/)
        next
    # Of several names for one address keep one that has a size.
    if (n && address == addresses[n - 1]) {
        if (sizes[n - 1] == "0x0") { sizes[n - 1] = size; names[n - 1] = name }
        next
    }
    addresses[n] = address; sizes[n] = size; names[n] = name; n++
}
END {
    base = n ? "0x" addresses[0] : "0"
    print "\t.section .rodata.symtab, \"a\", @progbits"
    print "\t.globl symbol_count, symbol_base, symbol_offsets, symbol_sizes"
    print "\t.globl symbol_names, symbol_strings"
    print "\t.balign 8"
    print "symbol_base:\n\t.quad " base
    print "symbol_count:\n\t.long " n + 0
    print "symbol_offsets:"
    for (i = 0; i < n; i++) print "\t.long 0x" addresses[i] " - " base
    print "symbol_sizes:"
    for (i = 0; i < n; i++) print "\t.long " sizes[i]
    print "symbol_names:"
    for (i = 0; i < n; i++) print "\t.long .Lname" i " - symbol_strings"
    print "symbol_strings:"
    for (i = 0; i < n; i++) print ".Lname" i ":\n\t.asciz \"" names[i] "\""
    print "\t.section .note.GNU-stack, \"\", @progbits"
}'
