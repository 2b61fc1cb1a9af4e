#!/usr/bin/python3
"""Compare docs/messages.md with the messages that the VMM's sources print: each has its row, and each row its message.

A row's first column is the format string between backquotes, with "…" for what is filled in. Prints what differs, nothing
if all is well.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/messages.md"

# The functions that print, and where the text begins among their arguments.
CALL = re.compile(
    r"\b(printk(?:_err|_warn|_info|_debug|_level)?|guest_printk(?:_info|_debug|_level)?|boot_refuse|panic|panic_at|domain_crash|fail|"
    r"differ)\s*\(|(?:\*why|\.unsupported) = ()")
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
CONVERSION = re.compile(r"%[-+#0 ]*\d*(?:\.\d+)?(?:hh|h|ll|l|z)?[a-zA-Z]")
# Whole pictures of the machine that somebody asked for by a debug key, and helpers that pass on another's text.
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
REGISTERS = re.compile(r"[Rr](?:[A-Z]{2}|[a-z]{2}|\d+) |CPU …, vector|d…v…: rip")
NOT_MESSAGES = {"hv/console/keys.c", "hv/console/keyhandler.c", "hv/sched/dump.c", "hv/irq/irq_dump.c", "hv/console/printk.h"}


def first_text(source, start):
    """The string made of the first literals in a row, after START and before the statement's end."""
    end = source.find(";", start)
    match = LITERAL.search(source, start)
    if not match or match.start() > end:
        return None
    text = match.group(1)
    while following := re.compile(r"\s*" + LITERAL.pattern).match(source, match.end()):
        text += following.group(1)
        match = following
    return text


def shown(text):
    """A format string as the page shows it."""
    text = text.replace('\\"', '"').replace("\\n", "").replace("%%", "%")
    return CONVERSION.sub("…", text).strip()


def in_sources():
    """{message: where} of all sources."""
    found = {}
    for path in sorted((ROOT / "hv").rglob("*.[ch]")):
        name = str(path.relative_to(ROOT))
        if name in NOT_MESSAGES:
            continue
        # Without comments, but with their lines.
        source = COMMENT.sub(lambda comment: "\n" * comment.group().count("\n"), path.read_text(encoding="utf-8"))
        for call in CALL.finditer(source):
            text = first_text(source, call.end())
            message = text and shown(text)
            if not message or not re.search(r"[A-Za-z]{3}", message) or REGISTERS.match(message):
                continue
            if call.group(1) == "differ" or message.startswith("audit:"):
                message = "audit: …"
            found.setdefault(message, f"{name}:{source.count(chr(10), 0, call.start()) + 1}")
    return found


def main():
    sources = in_sources()
    rows = [row.replace("\\|", "|")
            for row in re.findall(r"^\| `((?:[^`])+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)]
    for message, where in sources.items():
        if message not in rows:
            print(f"{where}: no row in docs/messages.md: {message}")
    for row in rows:
        if row not in sources:
            print(f"docs/messages.md: no such message in hv/: {row}")
        elif rows.count(row) > 1:
            print(f"docs/messages.md: more than one row: {row}")


if __name__ == "__main__":
    main()
