# Completion of muster's command line in bash: the program itself says what fits.
complete -o nosort -C muster muster
