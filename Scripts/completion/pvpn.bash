# bash completion for pvpn(1)                                                   -*- shell-script -*-
# Gateways come from the configuration's Host lines and from known_hosts; nothing is asked of the network.

_pvpn_words() { # WORDS...: those that begin with $cur, into COMPREPLY
    mapfile -t COMPREPLY < <(compgen -W "$*" -- "$cur")
}

# Names that others have chosen: root sees everybody's tunnels. compgen -W would run a $(command) in one of them, and so would the
# shell once it is on the line.
_pvpn_plain() {
    grep -E '^[][A-Za-z0-9._:%-]+$'
}

_pvpn_config_files() { # the files whose Host lines count; Include lines are followed one level
    local config=$HOME/.config/pvpn/config file
    for file in ${words_file:-"$config" /etc/pvpn/pvpn.conf}; do
        [ -r "$file" ] || continue
        printf '%s\n' "$file"
        sed -nE 's/^[[:space:]]*[Ii][Nn][Cc][Ll][Uu][Dd][Ee][[:space:]=]+//p' "$file" | while read -r -a patterns; do
            for pattern in "${patterns[@]}"; do
                case $pattern in
                    /*) ;;
                    '~/'*) pattern=$HOME/${pattern#??} ;;
                    *) pattern=${file%/*}/$pattern ;;
                esac
                compgen -G "$pattern"
            done
        done
    done
}

_pvpn_known() { # plain names alone: a hashed name says nothing; [name]:port as it is typed
    local known=$HOME/.config/pvpn/known_hosts
    [ ! -r "$known" ] || sed -E '/^[@#|]/d; s/[[:space:]].*//; s/\[([^]:]+)\]:/\1:/g' "$known" | tr ',' '\n'
}

_pvpn_gateways() {
    _pvpn_named_gateways | _pvpn_plain
}

_pvpn_named_gateways() {
    local file
    _pvpn_config_files | while read -r file; do
        sed -nE 's/^[[:space:]]*[Hh][Oo][Ss][Tt][[:space:]=]+//p' "$file" 2>/dev/null
    done | tr ' \t"' '\n\n\n' | grep -v '[*?!#]'
    _pvpn_known
}

_pvpn() {
    local cur prev word subcommand="" gateway="" i words_file=""
    local subcommands="status down check"
    local keywords="ConnectTimeout ForwarderSocket HostName IdentitiesOnly IdentityAgent IdentityFile Port Proxy ProxyCommand ProxyJump
        ProxyPasswordFile Reconnect Route ServerAliveCountMax ServerAliveInterval StrictHostKeyChecking User UserKnownHostsFile"
    # The words as typed: user@gateway:port, Key=Value and --opt are one each, whatever COMP_WORDBREAKS says.
    local line=${COMP_LINE:0:COMP_POINT} typed=()
    read -r -a typed <<<"$line"
    [[ $line != *[[:space:]] ]] || typed+=("")
    local n=$((${#typed[@]} - 1))
    cur=${typed[n]-} prev=""
    [ "$n" -lt 1 ] || prev=${typed[n - 1]}
    COMPREPLY=()

    for ((i = 1; i < n; i++)); do
        word=${typed[i]}
        case $word in
            --)
                # the command, with the completion of its own
                if [ "$((n - i))" = 1 ]; then mapfile -t COMPREPLY < <(compgen -c -- "$cur" | sort -u); else compopt -o default; fi
                return
                ;;
            -[iJFplo]) i=$((i + 1)); [ "$word" != -F ] || words_file=${typed[i]-} ;;
            -*) ;;
            *)
                if [ -z "$gateway$subcommand" ]; then
                    case " $subcommands " in *" $word "*) subcommand=$word ;; *) gateway=$word ;; esac
                fi
                ;;
        esac
    done

    case $prev in
        -i | -F) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        -p) return ;;
        -l) mapfile -t COMPREPLY < <(compgen -u -- "$cur"); return ;;
        -J) _pvpn_words "$(_pvpn_gateways)"; return ;;
        -R) _pvpn_words "$(_pvpn_known | _pvpn_plain)"; _pvpn_trim; return ;;
        -o) _pvpn_option_value "$keywords"; return ;;
    esac

    if [[ $cur == -* ]]; then
        case $subcommand in
            status) _pvpn_words "--json --watch -o --help" ;;
            down) _pvpn_words "--all -o --help" ;;
            check) _pvpn_words "--json -o --help" ;;
            *) _pvpn_words "-i -J -F -p -l -o -G -R -f -v -vv -q --help --version" ;;
        esac
        return
    fi
    case $subcommand in
        status) ;;
        down) _pvpn_words "$(pvpn status --json 2>/dev/null | grep -oE '"gateway":"[^"]*"' | cut -d'"' -f4 | _pvpn_plain)" ;;
        check) mapfile -t COMPREPLY < <(compgen -A hostname -- "$cur") ;;
        *)
            if [ -n "$gateway" ]; then _pvpn_words "default"; return; fi
            local user=""
            [[ $cur != *@* ]] || user=${cur%%@*}@
            mapfile -t COMPREPLY < <(compgen -P "$user" -W "$(_pvpn_gateways | sort -u)" -- "${cur#"$user"}")
            [ -n "$user" ] || mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$subcommands" -- "$cur")
            ;;
    esac
    _pvpn_trim
}

_pvpn_option_value() { # KEYWORDS: after -o
    case ${cur%%=*} in
        "$cur") compopt -o nospace; mapfile -t COMPREPLY < <(compgen -S = -W "$1" -- "$cur") ;;
        StrictHostKeyChecking) mapfile -t COMPREPLY < <(compgen -P "${cur%%=*}=" -W "ask accept-new yes no" -- "${cur#*=}") ;;
        IdentitiesOnly) mapfile -t COMPREPLY < <(compgen -P "${cur%%=*}=" -W "yes no" -- "${cur#*=}") ;;
        IdentityFile | IdentityAgent | UserKnownHostsFile | ForwarderSocket | ProxyPasswordFile)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -P "${cur%%=*}=" -f -- "${cur#*=}")
            ;;
    esac
    _pvpn_trim
}

# readline puts the answer in place of what follows the last break (@, = or :) alone.
_pvpn_trim() {
    local i breaks=${COMP_WORDBREAKS//[$' \t\n"\'<>|&;(']/} head=""
    while [ -n "$breaks" ]; do
        case $cur in *"${breaks:0:1}"*) word=${cur%"${breaks:0:1}"*}${breaks:0:1}; [ "${#word}" -le "${#head}" ] || head=$word ;; esac
        breaks=${breaks:1}
    done
    for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]=${COMPREPLY[i]#"$head"}; done
}

complete -F _pvpn pvpn
