# Completion of muster's command line in fish: the program itself says what fits.
function __muster_complete
    set -lx COMP_LINE (commandline --cut-at-cursor --current-process)
    muster
end
complete --command muster --no-files --arguments '(__muster_complete)'
