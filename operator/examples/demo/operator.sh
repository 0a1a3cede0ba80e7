# Runs the operator ($@) until standard input closes: then the demo has stopped it, or has died.
# Exits with the operator's status. Plain POSIX sh.
trap '' HUP INT QUIT TERM # this guard has to outlive whatever ends the demo
(trap - HUP INT QUIT TERM; exec "$@") </dev/null 2>&1 &
pid=$!
exec >/dev/null # only the operator keeps the pipe open: the end of the log means that it has exited
while read -r _; do :; done
kill -TERM $pid
(waited=0; while [ $waited -lt 100 ]; do sleep 0.1; waited=$((waited + 1)); done; kill -KILL $pid) &
killer=$!
wait $pid
status=$?
kill -KILL $killer
exit $status
