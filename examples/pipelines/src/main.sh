echo "app ${version}: $*"
