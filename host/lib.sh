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

# debian_tree WORK PACKAGE-LIST CUSTOMIZE: install Debian packages into the tree WORK/root and settle it by a script that
# gets the tree as its argument. As root.
debian_tree() {
    debian_sources >"$1/sources.list"
    [ -s "$1/sources.list" ] || die "apt knows no Debian source on this machine (run apt-get update?)"
    apt_settings >"$1/apt.conf"
    mmdebstrap --variant=minbase --architectures=amd64 --format=directory \
        --include="$(read_list "$2" | paste -sd,)" \
        --aptopt="$1/apt.conf" \
        --aptopt='APT::Install-Recommends "false"' \
        --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/info/*' \
        --customize-hook="'$3' \"\$1\"" \
        bookworm "$1/root" "$1/sources.list" >&2
}

# ext4_image TREE LABEL SIZE FILE: a file system with the tree's contents; the file takes its name when it is whole.
ext4_image() {
    rm -f "$4.tmp"
    truncate -s "$3" "$4.tmp"
    mke2fs -q -t ext4 -L "$2" -m 0 -E lazy_itable_init=1,root_owner=0:0 -d "$1" "$4.tmp"
    mv "$4.tmp" "$4"
}
