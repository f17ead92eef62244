# Stands for a compiler: makes one program of the parts.
echo '#!/bin/sh'
echo "version='$1'"
cat main.sh
