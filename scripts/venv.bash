# Sourced by run and test: keeps $root/.venv in step with setup.cfg and pyproject.toml.
#
# ensure_venv run|dev    "dev" adds what the tests need; a "dev" install serves "run" too.
#
# $root must be set. Everything said goes to stderr. Written for bash 3.2 and later.

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "$(basename "$0"): $*"
    exit 1
}

# The first interpreter that will do; otherwise an explanation and the end.
find_python() {
    local name reason="python3 was not found: install Python 3.11 or later"
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        command -v "$name" >/dev/null 2>&1 || continue
        if ! "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            if [ "$name" = python3 ]; then
                reason="python3 is $("$name" --version 2>&1), but 3.11 or later is needed"
            fi
        elif ! "$name" -c 'import ensurepip, venv' 2>/dev/null; then
            reason="$name has no venv module (on Debian or Ubuntu: apt install $name-venv)"
        else
            command -v "$name"
            return
        fi
    done
    fail "$reason"
}

# What an install depends on. The folder is part of it, since a venv cannot be moved.
wanted_stamp() {
    { printf '%s\n' "$root" && cat "$root/setup.cfg" "$root/pyproject.toml" "$root/scripts/build_backend.py"; } | cksum
}

venv_is_current() {
    [ -x "$venv/bin/python" ] && [ ! -e "$venv/.unfinished" ] || return 1
    local stamp found=no
    for stamp in "$venv/.stamp-dev" "$venv/.stamp-$1"; do
        if [ -e "$stamp" ] && [ "$(cat "$stamp")" = "$2" ]; then found=yes; fi
    done
    # An interpreter that was upgraded under the venv no longer finds what is installed in it.
    [ "$found" = yes ] && "$venv/bin/python" -c 'import msgspec' 2>/dev/null
}

venv_is_usable() {
    [ ! -e "$venv/.unfinished" ] && [ -e "$venv/pyvenv.cfg" ] &&
        "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null &&
        "$venv/bin/python" -m pip --version >/dev/null 2>&1 &&
        { [ ! -e "$venv/.root" ] || [ "$(cat "$venv/.root")" = "$root" ]; }
}

# The mark stands from the first moment to the last: an install that was interrupted may leave
# packages that look complete to pip, so the next run starts from nothing.
install_venv() {
    local extra="" python began=$SECONDS
    if [ "$1" = dev ]; then extra="[dev]"; fi
    if ! venv_is_usable; then
        python=$(find_python)
        if [ -e "$venv" ]; then say "The environment in .venv is not usable; making it anew."; fi
        rm -rf "$venv"
        mkdir "$venv"
        : >"$venv/.unfinished"
        "$python" -m venv "$venv" >&2
    fi
    say "Installing into .venv (once, about a minute) ..."
    : >"$venv/.unfinished"
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-input \
        --editable "$root$extra" >&2 || fail "the install failed; what pip said stands above"
    # pip compiles what it installs, but not what it only points at.
    "$venv/bin/python" -m compileall -q "$root"/{supervisor,shared,worker,services} >&2 || true
    printf '%s\n' "$root" >"$venv/.root"
    printf '%s\n' "$2" >"$venv/.stamp-$1"
    rm "$venv/.unfinished"
    say "Installed in $((SECONDS - began)) s."
}

ensure_venv() {
    local venv="$root/.venv" wanted
    wanted=$(wanted_stamp)
    if venv_is_current "$1" "$wanted"; then return; fi
    exec 9>"$root/.venv.lock"
    if command -v flock >/dev/null 2>&1 && ! flock -n 9; then
        say "Waiting for another install into .venv ..."
        flock 9
    fi
    if ! venv_is_current "$1" "$wanted"; then install_venv "$1" "$wanted"; fi
    exec 9>&-
}
