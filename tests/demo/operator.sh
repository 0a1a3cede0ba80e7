# Runs the operator ($@) until standard input ends: then the demo has let go of it, or has died in whatever way.
# Its exit status is the operator's. Plain POSIX sh.
trap '' HUP INT QUIT TERM # what ends the demo, Ctrl-C or death, is what we are here for
(trap - HUP INT QUIT TERM; exec "$@") </dev/null 2>&1 &
pid=$!
exec >/dev/null # the operator alone holds it: the end of its log is its own end
while read -r _; do :; done
kill -TERM $pid
(waited=0; while [ $waited -lt 100 ]; do sleep 0.1; waited=$((waited + 1)); done; kill -KILL $pid) &
killer=$!
wait $pid
status=$?
kill -KILL $killer
exit $status
