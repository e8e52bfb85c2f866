# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
#
# DevStack as our plugin sees it: those functions of functions-common,
# inc/python and inc/ini-config that it uses, with the arguments that they
# take, and what Octavia's plugin leaves behind in each phase. Files of
# configuration are kept in memory. Each call is a line of $RECORD, its words
# divided by tabs. There is no PATH: whatever is neither here nor a builtin
# ends the run, as does a use that DevStack does not know.

declare -A INI

record() {
    {
        printf '%s' "$1"
        shift
        [[ $# == 0 ]] || printf '\t%s' "$@"
        printf '\n'
    } >>"$RECORD"
}

refuse() {
    record refused "$@"
    exit 3
}

command_not_found_handle() {
    refuse "unknown command:" "$@"
}

# functions-common

die() {
    [[ $# == 2 && "$1" =~ ^[0-9]+$ ]] || refuse die "$@"
    record die "$2"
    exit 1
}

echo_summary() {
    record echo_summary "$@"
}

is_service_enabled() {
    local service
    for service; do
        [[ ",$ENABLED_SERVICES," != *",$service,"* ]] || return 0
    done
    return 1
}

enable_service() {
    [[ ",$DISABLED_SERVICES," != *",$1,"* ]] || return 0
    ENABLED_SERVICES+=",$1"
}

trueorfalse() {
    [[ $# == 2 && "$1" =~ ^(True|False)$ ]] || refuse trueorfalse "$@"
    case ${!2:-$1} in
    1 | [Yy]* | [Tt]rue | TRUE) echo True ;;
    *) echo False ;;
    esac
}

run_process() {
    [[ $# == 2 && "$2" == /* && ! "$2" =~ [\;\|\&\<\>\$] ]] ||
        refuse run_process "$@"
    is_service_enabled "$1" || return 0
    record run_process "$@"
}

stop_process() {
    [[ $# == 1 ]] || refuse stop_process "$@"
    record stop_process "$@"
}

# inc/python

get_python_exec_prefix() {
    printf '%s' "$DATA_DIR/venv/bin"
}

setup_package() {
    [[ "$1" =~ ^-bindep=[a-z,]+$ ]] || refuse setup_package "$@"
    [[ $# == 4 && -d "$2" && "$3" == -e ]] || refuse setup_package "$@"
    record setup_package "$@"
}

# inc/ini-config

_known_file() {
    [[ "$1" == "$OCTAVIA_CONF" || "$1" == "$OCTAVIA_UWSGI_CONF" ]] ||
        refuse "unknown file:" "$1"
}

iniset() {
    _known_file "$1"
    [[ $# == 4 && -n "$4" ]] || refuse iniset "$@"
    INI["$1|$2|$3"]=$4
    record iniset "${@:2}"
}

iniget() {
    _known_file "$1"
    [[ $# == 3 ]] || refuse iniget "$@"
    printf '%s' "${INI["$1|$2|$3"]:-}"
}

inidelete() {
    _known_file "$1"
    [[ $# == 3 ]] || refuse inidelete "$@"
    unset "INI[$1|$2|$3]"
    record inidelete "${@:2}"
}

# Programs

openstack() {
    [[ "${*:1:4}" == "security group rule create" ]] || refuse openstack "$@"
    record openstack "${@:5}"
}

sudo() {
    case "$*" in
    "nft list chain inet octavia o-hm0-incoming")
        [[ "$FIREWALL" == nft ]]
        ;;
    "nft insert rule inet octavia o-hm0-incoming iifname o-hm0 "*)
        [[ "$FIREWALL" == nft ]] || refuse sudo "$@"
        record nft "${@:9}"
        ;;
    "iptables -I INPUT -i o-hm0 "* | "ip6tables -I INPUT -i o-hm0 "*)
        [[ "$FIREWALL" == iptables ]] || refuse sudo "$@"
        record "$1" "${@:6}"
        ;;
    *) refuse sudo "$@" ;;
    esac
}

rm() {
    [[ $# == 2 && "$1" == -rf && "$2" == "$DATA_DIR"/?* ]] || refuse rm "$@"
    record rm "$2"
}

# What Octavia's plugin does in a phase before ours.

octavia_plugin() {
    case "$*" in
    "stack post-config")
        [[ "$WSGI_MODE" == uwsgi ]] || return 0
        : >"$OCTAVIA_UWSGI_CONF"
        INI["$OCTAVIA_UWSGI_CONF|uwsgi|module"]=octavia.wsgi.api:application
        INI["$OCTAVIA_UWSGI_CONF|uwsgi|socket"]=/var/run/uwsgi/octavia.socket
        ;;
    "stack extra")
        INI["$OCTAVIA_CONF|health_manager|bind_ip"]=$OCTAVIA_ADDRESS
        ;;
    esac
}

# Run phases of DevStack, each with Octavia's plugin first; then write to
# $STATE what the files of configuration hold.
stack() {
    local phase key
    source "$PLUGIN/settings"
    for phase; do
        # shellcheck disable=SC2086 # two words
        octavia_plugin $phase
        # shellcheck disable=SC2086
        source "$PLUGIN/plugin.sh" $phase
    done
    for key in "${!INI[@]}"; do
        printf '%s|%s\n' "${key##*/}" "${INI[$key]}"
    done >"$STATE"
}
