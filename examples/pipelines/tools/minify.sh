# Stands for a minifier.
tr -s ' \n' ' '
