"""Records what Debian's Xen answers to each guest (or to those named as arguments)."""

import sys

import boot
import oracle


def main():
    wanted = sys.argv[1:]
    failed = 0
    for name in boot.names():
        if wanted and name not in wanted:
            continue
        if boot.SETTINGS.get(name, {}).get("record", name) != name:
            continue
        output = boot.boot(boot.ORACLE_XEN, name)
        lines = boot.test_lines(output)
        keys = [oracle.key(l) for l in lines]
        twice = {k for k in keys if keys.count(k) > 1}
        bad = [l for l in lines if not l.startswith("TEST ")]
        if not (boot.END.search(output) or boot.crashed(output)) or bad or twice or not lines:
            failed += 1
            print(f"{name}: not recorded; {bad} twice: {sorted(twice)}; end of output:\n{output[-1500:]}")
            continue
        changed = oracle.differences(name, lines)
        oracle.store(name, lines)
        print(f"{name}: {len(lines)} lines" + "".join(f"\n  changed: {c}" for c in changed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
