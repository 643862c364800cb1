# SPDX-License-Identifier: GPL-2.0-or-later
# fish completion for portreeve(8)

set -l commands init check show diff apply confirm rollback remove run status top flows events reload rehearse explain doctor snapshot trace import probe fastpath help
set -l none "not __fish_seen_subcommand_from $commands"

complete -c portreeve -f
complete -c portreeve -l json -d 'Print the answer as JSON'
complete -c portreeve -l color -x -a 'auto always never' -d 'Colour the text'
complete -c portreeve -l help -d 'Print help'
complete -c portreeve -n $none -l version -d 'Print the version'

complete -c portreeve -n $none -a init -d 'A config for this machine, proposed from what it has'
complete -c portreeve -n $none -a check -d 'Is the file right'
complete -c portreeve -n $none -a show -d 'Exactly what would be put into the kernel'
complete -c portreeve -n $none -a diff -d 'What apply would change'
complete -c portreeve -n $none -a apply -d 'Make it so, all of it or nothing'
complete -c portreeve -n $none -a confirm -d 'Keep what apply --confirm put in'
complete -c portreeve -n $none -a rollback -d 'Undo the last apply'
complete -c portreeve -n $none -a remove -d 'Take out everything that portreeve put in'
complete -c portreeve -n $none -a run -d 'Keep the kernel as the file says while everything moves'
complete -c portreeve -n $none -a status -d 'Is all well, and if not, what is not'
complete -c portreeve -n $none -a top -d 'Who uses which map, and how much, as it goes'
complete -c portreeve -n $none -a flows -d 'The connections through the maps'
complete -c portreeve -n $none -a events -d 'What happens, as it happens'
complete -c portreeve -n $none -a reload -d 'Have the daemon read its file again'
complete -c portreeve -n $none -a rehearse -d 'Try the plan in namespaces, with real traffic'
complete -c portreeve -n $none -a explain -d 'Why a packet and its reply get through, or do not'
complete -c portreeve -n $none -a doctor -d 'What is wrong with a gateway, whoever configured it'
complete -c portreeve -n $none -a snapshot -d 'The whole network state, for a bug report or for --state'
complete -c portreeve -n $none -a trace -d 'Live packets, rule by rule'
complete -c portreeve -n $none -a import -d 'A config that does what the rules of this machine do'
complete -c portreeve -n $none -a probe -d 'Do the replies of the backends come back through this gateway'
complete -c portreeve -n $none -a fastpath -d 'How the fast path is; switch it off, and on again'
complete -c portreeve -n $none -a help -d 'Help of a command'

complete -c portreeve -n '__fish_seen_subcommand_from init check show diff apply rehearse doctor probe run' -F
complete -c portreeve -n '__fish_seen_subcommand_from help' -a "$commands"
complete -c portreeve -n '__fish_seen_subcommand_from init' -l interactive -d 'Ask, with what was found as the answer to Enter'
complete -c portreeve -n '__fish_seen_subcommand_from init' -l force -d 'Write over a file that is there'
complete -c portreeve -n '__fish_seen_subcommand_from init' -l state -x -a '(__fish_complete_directories)' -d 'Look at a snapshot or at pasted dumps'
complete -c portreeve -n '__fish_seen_subcommand_from check' -l live -d 'Also check the file against this machine'
complete -c portreeve -n '__fish_seen_subcommand_from show' -l as -x -a 'nft ip json' -d 'Only one form'
complete -c portreeve -n '__fish_seen_subcommand_from show' -l paper -d 'Plan for a machine made up from the file'
complete -c portreeve -n '__fish_seen_subcommand_from apply' -l confirm -x -a '30 60 120 300' -d 'Put it back unless confirmed in so many seconds'
complete -c portreeve -n '__fish_seen_subcommand_from apply' -l force -d 'Go on although the connection in use would be cut'
complete -c portreeve -n '__fish_seen_subcommand_from rehearse' -l naive -d 'Also show what the usual hand-made rules do'
complete -c portreeve -n '__fish_seen_subcommand_from rehearse' -l live -d 'Take the state of this machine into the namespace'
complete -c portreeve -n '__fish_seen_subcommand_from rehearse' -l pcap -x -a '(__fish_complete_directories)' -d 'Keep captures'
complete -c portreeve -n '__fish_seen_subcommand_from rehearse' -l keep -d 'Leave the namespaces open'

complete -c portreeve -n '__fish_seen_subcommand_from explain' -F -a 'tcp udp sctp icmp self'
complete -c portreeve -n '__fish_seen_subcommand_from explain' -l live -d 'Look at this machine as it is'
complete -c portreeve -n '__fish_seen_subcommand_from explain' -l state -x -a '(__fish_complete_directories)' -d 'Look at a snapshot or at pasted dumps'
complete -c portreeve -n '__fish_seen_subcommand_from explain' -l in -x -d 'Where the request comes in'
complete -c portreeve -n '__fish_seen_subcommand_from explain' -l return -x -a 'through bypass' -d 'What the replies of the backend do'
complete -c portreeve -n '__fish_seen_subcommand_from explain' -l size -x -d 'Of large packets, in bytes'
complete -c portreeve -n '__fish_seen_subcommand_from explain' -l mark -x -d 'The mark that the request starts with'
complete -c portreeve -n '__fish_seen_subcommand_from explain' -l all -d 'Every way where it can go several'
complete -c portreeve -n '__fish_seen_subcommand_from explain' -l prove -d 'Try it in a namespace'
complete -c portreeve -n '__fish_seen_subcommand_from explain' -l batch -d 'Questions on standard input'

complete -c portreeve -n '__fish_seen_subcommand_from doctor' -l live -d 'Look at this machine as it is'
complete -c portreeve -n '__fish_seen_subcommand_from doctor' -l state -x -a '(__fish_complete_directories)' -d 'Look at a snapshot or at pasted dumps'
complete -c portreeve -n '__fish_seen_subcommand_from doctor' -l list -d 'The catalogue of pitfalls'

complete -c portreeve -n '__fish_seen_subcommand_from snapshot' -x -a '(__fish_complete_directories)'
complete -c portreeve -n '__fish_seen_subcommand_from snapshot' -l anonymise -d 'Put other addresses in place of the real ones'
complete -c portreeve -n '__fish_seen_subcommand_from snapshot' -l force -d 'Write over an older snapshot'

complete -c portreeve -n '__fish_seen_subcommand_from trace' -a 'tcp udp sctp icmp port sport from to in'
complete -c portreeve -n '__fish_seen_subcommand_from trace' -l packets -x -d 'Stop after so many'
complete -c portreeve -n '__fish_seen_subcommand_from trace' -l seconds -x -d 'Stop after so long'

complete -c portreeve -n '__fish_seen_subcommand_from import' -l live -d 'Look at this machine as it is'
complete -c portreeve -n '__fish_seen_subcommand_from import' -l state -x -a '(__fish_complete_directories)' -d 'Look at a snapshot or at pasted dumps'
complete -c portreeve -n '__fish_seen_subcommand_from explain doctor' -l paper -d 'On a machine made up from the file'

complete -c portreeve -n '__fish_seen_subcommand_from run' -l debug -d 'Log every event of the kernel too'
complete -c portreeve -n '__fish_seen_subcommand_from probe' -l map -x -d 'Only the backends of this map'

complete -c portreeve -n '__fish_seen_subcommand_from status' -l watch -d 'Draw it anew every two seconds'
complete -c portreeve -n '__fish_seen_subcommand_from status' -l fastpath -d 'Of the fast path alone, and all of that'
complete -c portreeve -n '__fish_seen_subcommand_from fastpath' -a 'on off'
complete -c portreeve -n '__fish_seen_subcommand_from top' -l once -d 'Look for one interval, print, and end'
complete -c portreeve -n '__fish_seen_subcommand_from top' -l interval -x -d 'Draw it so often'
complete -c portreeve -n '__fish_seen_subcommand_from flows' -l limit -x -d 'So many at most'
complete -c portreeve -n '__fish_seen_subcommand_from top flows' -l map -x -d 'Only this map'
complete -c portreeve -n '__fish_seen_subcommand_from top flows' -l uplink -x -d 'Only this home'
complete -c portreeve -n '__fish_seen_subcommand_from top flows' -l client -x -d 'Only this address or network'
complete -c portreeve -n '__fish_seen_subcommand_from events' -l since -x -d 'Begin behind the event with this number'
