# cluster.sh: a private PostgreSQL cluster in a temporary folder; sourced by check.sh, demo.sh and bench/run.
#
# cluster_scratch makes $scratch, a folder of the unprivileged user that runs the server (initdb refuses
# root); it and the server are gone when the script exits.  PG_CONFIG chooses another installation.

# Debian 12 has PostgreSQL 15, Debian 13 has 17.
debian=$(. /etc/os-release 2>/dev/null && echo "${VERSION_ID:-}")
[ "$debian" = 13 ] && debian_postgresql=17 || debian_postgresql=15
: "${PG_CONFIG:=/usr/lib/postgresql/$debian_postgresql/bin/pg_config}"
export PG_CONFIG
scratch=
cluster_user=

# Runs a command as the user who owns the cluster.
as_server() {
    if [ -n "$cluster_user" ]; then
        runuser -u "$cluster_user" -- env HOME="$scratch" "$@"
    else
        "$@"
    fi
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

cluster_scratch() {
    if [ "$(id -u)" = 0 ]; then
        cluster_user=postgres
        id -u $cluster_user >/dev/null 2>&1 || cluster_user=nobody
    fi
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/pg_infer.XXXXXX")
    trap cluster_remove EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    bindir=$($PG_CONFIG --bindir)
    mkdir "$scratch/socket" "$scratch/models"
    chmod 711 "$scratch"
    chmod 700 "$scratch/socket"
    [ -z "$cluster_user" ] || chown "$cluster_user" "$scratch" "$scratch/socket"
    export PGHOST=$scratch/socket PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
    export PATH=$bindir:$PATH
}

# Copies a Hugging Face directory to where the cluster reads models from.
cluster_model() {
    cp -rL "$1" "$scratch/models/"
    chmod -R a+rX "$scratch/models"
}

# Makes the cluster and starts it; standard input is added to postgresql.conf.
cluster_start() {
    as_server "$bindir/initdb" -D "$scratch/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync \
        >"$scratch/initdb.log" 2>&1 || { cat "$scratch/initdb.log" >&2; return 1; }
    {
        echo "listen_addresses = ''"
        echo "unix_socket_directories = '$scratch/socket'"
        echo "shared_preload_libraries = 'pg_infer'"
        echo "pg_infer.model_directory = '$scratch/models'"
        echo "fsync = off"
        cat
    } | as_server tee -a "$scratch/data/postgresql.conf" >/dev/null
    if ! as_server "$bindir/pg_ctl" -D "$scratch/data" -l "$scratch/server.log" -w -s start >&2; then
        cat "$scratch/server.log" >&2
        return 1
    fi
}

# Restarts it with other settings: cluster_restart 'pg_infer.threads = 1' ...
cluster_restart() {
    printf '%s\n' "$@" | as_server tee -a "$scratch/data/postgresql.conf" >/dev/null
    as_server "$bindir/pg_ctl" -D "$scratch/data" -l "$scratch/server.log" -w -s restart >&2
}

cluster_remove() {
    local status=$?
    trap - EXIT
    if [ -e "$scratch/data/postmaster.pid" ]; then
        as_server "$bindir/pg_ctl" -D "$scratch/data" -m fast -w -s stop >/dev/null 2>&1 ||
            as_server "$bindir/pg_ctl" -D "$scratch/data" -m immediate -s stop >/dev/null 2>&1
    fi
    [ -z "$scratch" ] || rm -rf "$scratch"
    exit $status
}
