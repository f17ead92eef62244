export const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** The scripts ask `kiln __complete` with the words up to the cursor, the last one as far as it is typed. It answers lines of value, tab, description. */
export const SCRIPTS: Readonly<Record<(typeof SHELLS)[number], string>> = {
  bash: `# Completion of kiln for bash. In ~/.bashrc: source <(kiln completion bash)
_kiln() {
  local value about
  COMPREPLY=()
  while IFS=$'\\t' read -r value about; do
    COMPREPLY+=("$value")
  done < <("$1" __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
# Files where kiln knows of nothing.
complete -o default -F _kiln kiln
`,
  zsh: `#compdef kiln
# Completion of kiln for zsh. In ~/.zshrc, after compinit: source <(kiln completion zsh)
_kiln() {
  local -a items
  local value about
  while IFS=$'\\t' read -r value about; do
    items+=("\${value//:/\\\\:}\${about:+:$about}")
  done < <("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if (( \${#items} )); then
    _describe -V kiln items
  else
    _files
  fi
}
if [[ \${funcstack[1]} == _kiln ]]; then
  _kiln "$@"
else
  compdef _kiln kiln
fi
`,
  fish: `# Completion of kiln for fish. kiln completion fish > ~/.config/fish/completions/kiln.fish
function __kiln_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l items (command $words[1] __complete $words[2..-1] 2>/dev/null)
  if set -q items[1]
    printf '%s\\n' $items
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c kiln -f -k -a '(__kiln_complete)'
`,
};
