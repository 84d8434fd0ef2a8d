# SPDX-License-Identifier: ISC
# bash completion for subuid(1)

# Labels of the caller's own accounts; nothing where the daemon does not answer.
_subuid_labels()
{
	subuid list --json 2>/dev/null | sed -n 's/^ *"label": "\([a-z0-9_-]*\)",\{0,1\}$/\1/p'
}

# Those that the help of the command names: its line of usage, or where that says OPTION all of it.
_subuid_options()
{
	subuid help $1 2>/dev/null |
		awk -v name="subuid $1 " 'index($0, name) { usage = usage $0 } { all = all $0 "\n" }
			END { print usage == "" || usage ~ /OPTION/ ? all : usage }' |
		grep -o -- '--[a-z][a-z-]*' | sort -u
	echo --help
}

# The value of the option before the cursor. False when that is not an option with one.
_subuid_value()
{
	local IFS=$'\n'

	case $1 in
	--key)
		compopt -o filenames
		COMPREPLY=($(compgen -f -X '!*.pub' -- "$2") $(compgen -d -- "$2"))
		;;
	--format) COMPREPLY=($(compgen -W $'newuidmap\nlxc\npodman' -- "$2")) ;;
	--view) COMPREPLY=($(compgen -W $'theirs\nowner\ndefault' -- "$2")) ;;
	--role) COMPREPLY=($(compgen -W $'push\nblind\npull\nsync\nsftp\nborg\nrestic\nforward' -- "$2")) ;;
	--owner) COMPREPLY=($(compgen -u -- "$2")) ;;
	--socket | --report)
		compopt -o filenames
		COMPREPLY=($(compgen -f -- "$2"))
		;;
	--from | --forward | --storage-quota | --range | --grow | --quota | --files | --expires | --comment | --accounts | --keys | --ranges | --number | -n | --alarm | --max-age | --warn-age) COMPREPLY=() ;;
	*) return 1 ;;
	esac
}

_subuid()
{
	local commands='add list show set lock unlock remove key range mount exec shell ls copy idmap release limit status log audit check'
	commands+=' import export adopt state setup doctor help'
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command='' operands=0 i

	COMPREPLY=()
	_subuid_value "$previous" "$current" && return
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--as-account | --follow-links | --) ;;
		-*) [[ ${COMP_WORDS[i]} == --@(force|daily|restart|json|help|all|check|recursive|untrusted|reset|dry-run|keep-going|remove|repair|purge|yes|keep-home|append-only|read-only|no-*) ]] || ((i++)) ;;
		*)
			if [[ -z $command || $command == @(key|range|state|help) ]]; then
				command+=${command:+ }${COMP_WORDS[i]}
			else
				((operands++))
			fi
			;;
		esac
	done
	if [[ $current == -* ]]; then
		COMPREPLY=($(compgen -W "$(_subuid_options "$command")" -- "$current"))
		[[ -n $command ]] || COMPREPLY=($(compgen -W '--json --socket --version --help' -- "$current"))
		return
	fi
	case $command:$operands in
	import:0 | 'state save:0' | 'state verify:0' | 'state load:0')
		compopt -o filenames
		local IFS=$'\n'
		COMPREPLY=($(compgen -f -- "$current"))
		;;
	:*) COMPREPLY=($(compgen -W "$commands" -- "$current")) ;;
	help:*) COMPREPLY=($(compgen -W "$commands" -- "$current")) ;;
	key:* | range:* | 'help key':* | 'help range':*) COMPREPLY=($(compgen -W 'add list remove' -- "$current")) ;;
	state:* | 'help state':*) COMPREPLY=($(compgen -W 'save verify load' -- "$current")) ;;
	status:* | log:0 | show:0 | set:0 | lock:0 | unlock:0 | remove:0 | mount:0 | exec:0 | shell:0 | ls:0 | copy:0 | idmap:0 | \
		'key add:0' | 'key list:0' | 'key remove:0' | 'range add:1')
		COMPREPLY=($(compgen -W "$(_subuid_labels)" -- "$current"))
		;;
	'key add:1')
		compopt -o filenames
		local IFS=$'\n'
		COMPREPLY=($(compgen -f -X '!*.pub' -- "$current") $(compgen -d -- "$current"))
		;;
	copy:1)
		compopt -o filenames
		local IFS=$'\n'
		COMPREPLY=($(compgen -f -- "$current"))
		;;
	exec:1) COMPREPLY=($(compgen -c -- "$current")) ;;
	exec:*) compopt -o default ;;
	limit:0) COMPREPLY=($(compgen -u -- "$current")) ;;
	esac
}

complete -F _subuid subuid
