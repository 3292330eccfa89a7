"""The scripts that shells load for completion. They ask ``promptsync completion SHELL --line …`` at each tab.

An answer has a line for each thing to offer: its kind (``word``, ``file`` or ``dir``), the word, its help.
"""

from __future__ import annotations

from typing import Final

BASH: Final = r"""# completion of promptsync for bash
_promptsync_completion() {
    local kind value
    COMPREPLY=()
    while IFS=$'\t' read -r kind value; do
        case $kind in
            word) COMPREPLY+=("$value") ;;
            file) compopt -o default 2>/dev/null ;;
            dir) compopt -o dirnames 2>/dev/null ;;
        esac
    done < <("$1" completion bash --line "${COMP_LINE:0:COMP_POINT}" --breaks "$COMP_WORDBREAKS" 2>/dev/null)
}
complete -o nosort -F _promptsync_completion promptsync 2>/dev/null ||
    complete -F _promptsync_completion promptsync
"""

ZSH: Final = r"""#compdef promptsync
# completion of promptsync for zsh
_promptsync_completion() {
    local line
    local -a parts values described
    for line in "${(@f)$("$words[1]" completion zsh --line "${(j: :)words[1,CURRENT]}" 2>/dev/null)}"; do
        parts=("${(@ps:\t:)line}")
        case $parts[1] in
            word)
                if [[ -n $parts[3] ]]; then
                    described+=("${parts[2]//:/\\:}:$parts[3]")
                else
                    values+=("$parts[2]")
                fi
                ;;
            file) _files ;;
            dir) _files -/ ;;
        esac
    done
    (( $#described )) && _describe -V promptsync described
    (( $#values )) && compadd -V promptsync -a values
    return 0
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _promptsync_completion "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }
    compdef _promptsync_completion promptsync
fi
"""

FISH: Final = r"""# completion of promptsync for fish
function _promptsync_completion
    set -l line (commandline -cp | string collect)
    promptsync completion fish --line "$line" 2>/dev/null | while read -d \t -l kind value help
        switch $kind
            case word
                if test -n "$help"
                    printf '%s\t%s\n' $value $help
                else
                    printf '%s\n' $value
                end
            case file
                __fish_complete_path (commandline -ct)
            case dir
                __fish_complete_directories (commandline -ct)
        end
    end
end
complete --command promptsync --no-files --keep-order --arguments '(_promptsync_completion)'
"""

SCRIPTS: Final = {"bash": BASH, "zsh": ZSH, "fish": FISH}
"""By the name of the shell."""
