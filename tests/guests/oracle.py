"""Reads, compares and writes tests/oracle/NAME.txt.

The file holds the lines the guest printed on Debian's Xen 4.17.  After a line
"## allowed" come differences that are explained: comment lines, then
"TEST name: text" lines that are accepted in place of the recorded line of that name, or
"TEST name: *" for any text or none.
"""

import pathlib

from boot import ORACLE_DIR, SETTINGS

MARK = "## allowed"


def path(name):
    record = SETTINGS.get(name, {}).get("record", name)
    return ORACLE_DIR / f"{record}.txt"


def load(name):
    """(recorded lines, allowed lines, raw text of the allowed part)."""
    file = path(name)
    if not file.exists():
        return [], [], ""
    recorded, _, rest = file.read_text().partition(MARK)
    lines = [l for l in recorded.splitlines() if l and not l.startswith("#")]
    allowed = [l for l in rest.splitlines() if l.startswith("TEST ")]
    return lines, allowed, MARK + rest if rest else ""


def key(line):
    return line.split(": ", 1)[0]


def differences(name, lines):
    """Texts of what differs between the lines a guest printed and the recorded ones."""
    recorded, allowed, _ = load(name)
    found, expected = {}, {}
    problems, missing = [], []
    for line in lines:
        if key(line) in found:
            problems.append(f"printed twice: {line}")
        found[key(line)] = line
    for line in recorded:
        expected[key(line)] = line
        seen = found.get(key(line))
        if seen == line:
            continue
        if seen is not None and (seen in allowed or key(line) + ": *" in allowed):
            continue
        if seen is None and key(line) + ": *" in allowed:
            continue
        if seen is None:
            missing.append(line)
        else:
            problems.append(f"expected {line}\n     got {seen}")
    if missing:
        problems.append(f"not printed: {len(missing)} lines, first {missing[0]}")
    problems += [f"not in the record: {l}" for l in lines if key(l) not in expected and l not in allowed]
    return problems


def store(name, lines):
    _, _, rest = load(name)
    head = f"# Recorded from Debian's Xen 4.17 by `make oracle`: guests/{name}\n"
    path(name).write_text(head + "\n".join(lines) + "\n" + rest)
