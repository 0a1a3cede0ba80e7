# The guard of one sandbox folder: makes the folder, starts and stops servers as ordered on standard input, and
# when standard input ends (the process that holds the other end let go, or died in whatever way) stops them all,
# the last started first, and removes the folder. Plain POSIX sh, for dash and for the sh of macOS.
#
# Orders: `start NAME SIGNAL` runs ./NAME.sh, log in NAME.log, and SIGNAL will stop it; `stop NAME`.
# A server that ends leaves its exit status in NAME.exit. An order to stop is answered by moving that to NAME.stopped.
folder=$1
trap '' HUP INT PIPE QUIT TERM # what ends our parent, Ctrl-C or death, is what we are here for
umask 077
mkdir "$folder" && cd "$folder" || exit 1
echo ready
exec >/dev/null 2>guard.log
running=

# The runner is the server's parent: it tells us the pid, waits for the end and notes it.
run() {
  (trap - HUP INT PIPE QUIT TERM; exec sh "./$1.sh") </dev/null >>"$1.log" 2>&1 &
  echo $! >"$1.pid"
  wait $!
  echo $? >"$1.exit.new"
  mv "$1.exit.new" "$1.exit"
}

# Doesn't return before the pid is known: at no moment is there a server that an end of input would miss.
start() {
  eval "pid=\${pid_$1:-}"
  [ -z "$pid" ] || ! kill -0 "$pid" || return # it runs; a second one would be lost sight of
  mkfifo "$1.pid"
  run "$1" &
  read -r pid <"$1.pid"
  rm "$1.pid"
  eval "pid_$1=$pid signal_$1=$2"
  running="$1 $running"
}

stop() {
  eval "pid=\${pid_$1:-} signal=\${signal_$1:-}"
  [ -n "$pid" ] || echo none >"$1.stopped"
  [ -n "$pid" ] || return
  waited=0 # twentieths of a second
  until [ -e "$1.exit" ] || [ $waited -ge 200 ]; do
    case $waited in
    0 | 40 | 80) kill "-$signal" "$pid" ;; # again: one that has only just started may not have heard
    100) kill -KILL "$pid" ;;
    esac
    sleep 0.05
    waited=$((waited + 1))
  done
  eval "pid_$1="
  [ ! -e "$1.exit" ] || mv "$1.exit" "$1.stopped"
}

while read -r order name signal; do
  case $order in
  start) start "$name" "$signal" ;;
  stop) stop "$name" ;;
  esac
done
for name in $running; do stop "$name"; done
cd /
for try in 1 2 3 4 5; do # the last child of a killed server may still be writing
  rm -rf "$folder" && break
  sleep 0.2
done
