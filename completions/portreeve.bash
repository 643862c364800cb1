# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# bash completion for portreeve(8)

_portreeve()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command="" word
	local commands="init check show diff apply confirm rollback remove run status top flows events reload rehearse explain doctor snapshot trace import probe fastpath"
	local options="--json --color --help"

	for word in "${COMP_WORDS[@]:1:COMP_CWORD - 1}"; do
		case " $commands " in *" $word "*)
			command=$word
			break
			;;
		esac
	done
	case $prev in
	--color) mapfile -t COMPREPLY < <(compgen -W "auto always never" -- "$cur") && return ;;
	--as) mapfile -t COMPREPLY < <(compgen -W "nft ip json" -- "$cur") && return ;;
	--return) mapfile -t COMPREPLY < <(compgen -W "through bypass" -- "$cur") && return ;;
	--pcap | --state) mapfile -t COMPREPLY < <(compgen -d -- "$cur") && return ;;
	--confirm) mapfile -t COMPREPLY < <(compgen -W "30 60 120 300" -- "$cur") && return ;;
	help) mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur") && return ;;
	esac
	case $command in
	init) options="$options --interactive --force --state" ;;
	check) options="$options --live" ;;
	show) options="$options --as --paper" ;;
	apply) options="$options --confirm --force" ;;
	rehearse) options="$options --naive --live --pcap --keep" ;;
	explain) options="$options --live --state --paper --in --return --size --mark --all --prove --batch" ;;
	doctor) options="$options --live --state --paper --list" ;;
	snapshot) options="$options --anonymise --force" ;;
	trace) options="$options --packets --seconds" ;;
	import) options="$options --live --state" ;;
	status) options="$options --watch --fastpath" ;;
	top) options="$options --once --interval --map --uplink --client" ;;
	flows) options="$options --limit --map --uplink --client" ;;
	events) options="$options --since" ;;
	run) options="$options --debug" ;;
	probe) options="$options --map" ;;
	'') options="$options --version" ;;
	esac
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
	elif [[ -z $command ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$commands help" -- "$cur")
	else
		case $command in
		snapshot) mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
		fastpath) mapfile -t COMPREPLY < <(compgen -W "on off" -- "$cur") ;;
		trace) mapfile -t COMPREPLY < <(compgen -W "tcp udp sctp icmp port sport from to in" -- "$cur") ;;
		init | check | show | diff | apply | rehearse | doctor | probe | run)
			compopt -o filenames
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			;;
		esac
	fi
}
complete -F _portreeve portreeve
