# SPDX-License-Identifier: MIT
# Sourced by the tests of this folder: bare Debian systems, each in a folder of its
# own, as a fresh machine would be.
#
#   root_allowed                    0, or 1 after saying why there can be none here
#   root_make FOLDER PACKAGE...     Debian's minimum with apt, and these
#   root_run FOLDER COMMAND...      as root in it, in namespaces of its own: what it
#                                   mounts and starts is gone when it ends
#   root_remove FOLDER
#
# A root has the release of Debian that runs here, and gets packages as this
# machine does: apt's sources, keys, proxy and resolver are carried over, and
# nothing else is.

root_allowed() {
    if [ "$(id -u)" != 0 ]; then
        echo "skipped: making a bare system takes root"
        return 1
    fi
    for _root_tool in mmdebstrap unshare chroot apt-config; do
        if ! command -v $_root_tool >/dev/null; then
            echo "skipped: making a bare system takes $_root_tool"
            return 1
        fi
    done
    if [ "$(. /etc/os-release && echo "$ID")" != debian ]; then
        echo "skipped: this machine has no sources of Debian's packages"
        return 1
    fi
    if ! unshare --mount --pid --ipc --uts --fork true; then
        echo "skipped: no namespaces are allowed here"
        return 1
    fi
}

# Files of this machine, where it has them, into the same place of root $1.
_root_carry_over() {
    _root_folder=$1
    shift
    for _root_file in "$@"; do
        [ -e "$_root_file" ] || continue
        mkdir -p "$_root_folder$(dirname "$_root_file")"
        cp -LR "$_root_file" "$_root_folder$(dirname "$_root_file")"
    done
}

root_make() {
    _root_folder=$1
    shift
    root_remove "$_root_folder"
    _root_options=$_root_folder.apt
    apt-config dump Acquire >"$_root_options"
    set -- --quiet --variant=apt --mode=root --aptopt="$_root_options" \
        --include="$(echo "$*" | tr ' ' ,)" \
        "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$_root_folder"
    for _root_file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
        /etc/apt/sources.list.d/*.sources; do
        [ ! -s "$_root_file" ] || set -- "$@" "$_root_file"
    done
    mmdebstrap "$@" || return
    rm "$_root_options"
    _root_carry_over "$_root_folder" /etc/apt/auth.conf.d /etc/apt/keyrings /etc/resolv.conf \
        /etc/hosts
}

root_run() {
    _root_folder=$1
    shift
    # The private mounts are not seen by what removes the root.
    unshare --mount --pid --ipc --uts --fork --kill-child --mount-proc="$_root_folder/proc" \
        sh -euc '
            folder=$1
            shift
            for system in dev sys; do
                mount --rbind /$system "$folder/$system"
            done
            hostname bare
            exec chroot "$folder" env -i HOME=/root LANG=C.UTF-8 TERM=dumb \
                PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
                ${http_proxy:+http_proxy="$http_proxy"} \
                ${https_proxy:+https_proxy="$https_proxy"} "$@"
        ' sh "$_root_folder" "$@" </dev/null
}

root_remove() {
    [ ! -e "$1" ] || rm -rf --one-file-system "$1"
}
