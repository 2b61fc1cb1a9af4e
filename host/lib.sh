# Shared by the scripts of this directory: source it, do not run it.

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

say() {
    printf '[%s] %s\n' "${0##*/}" "$*" >&2
}

# Run a command as root: directly, or through sudo.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "needs root (no sudo here): $*"
    fi
}

# Print the entries of a list file: comments and empty lines left out.
read_list() {
    sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$1"
}

# One hash over the contents of files and directory trees, for "is what was built still current". The same wherever the
# tree lies.
hash_of() {
    for item in "$@"; do
        (cd "$(dirname "$item")" && find "$(basename "$item")" \( -type f -o -type l \) -print | LC_ALL=C sort |
            while read -r file; do
                echo "$file"
                if [ -L "$file" ]; then readlink "$file"; else cat "$file"; fi
            done)
    done | sha256sum | cut -d' ' -f1
}

# The machine's configured Debian sources as one-line entries (other vendors' repositories left out).
debian_sources() {
    apt-get indextargets --format '$(ORIGIN)|$(CREATED_BY)|$(SIGNED_BY)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)' \
        'Created-By: Packages' | sort -u |
        awk -F'|' '$1 == "Debian" {
            keys = $3 ~ /^\// ? "[signed-by=" $3 "] " : ""
            print "deb " keys $4 " " $5 " " $6
        }'
}

# The machine's apt settings that decide whether its sources can be used at all, as apt.conf lines.
apt_settings() {
    apt-config dump |
        grep -E '^Acquire::(Check-Valid-Until|Check-Date|Retries|https?::Proxy|https?::Timeout|ForceIPv4) ' || true
}
