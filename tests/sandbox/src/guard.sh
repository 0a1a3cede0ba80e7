# The guard of a sandbox folder: creates the folder, and starts and stops servers as ordered on standard input. When
# standard input closes (the process at the other end is done, or has died), it stops all servers, the last one started
# first, and removes the folder. Plain POSIX sh, for dash and for the sh of macOS.
#
# Orders: `start NAME SIGNAL` runs ./NAME.sh with its log in NAME.log; SIGNAL stops it later, where ALL is TERM for this
# whole process group. `stop NAME` stops it.
# A server that exits leaves its status in NAME.exit. The answer to a stop order is that file, renamed to NAME.stopped.
folder=$1
trap '' HUP INT PIPE QUIT TERM # this guard has to outlive whatever ends our parent
umask 077
mkdir "$folder" && cd "$folder" || exit 1
echo ready
exec >/dev/null 2>guard.log
running=

# The runner is the server's parent. It reports the pid, waits for the server, and writes its exit status.
run() {
  (trap - HUP INT PIPE QUIT TERM; exec sh "./$1.sh") </dev/null >>"$1.log" 2>&1 &
  echo $! >"$1.pid"
  wait $!
  echo $? >"$1.exit.new"
  mv "$1.exit.new" "$1.exit"
}

# Returns only once the pid is known, so that no server is missed when the input closes.
start() {
  eval "pid=\${pid_$1:-}"
  [ -z "$pid" ] || ! kill -0 "$pid" || return # already running; a second one could never be stopped
  mkfifo "$1.pid"
  run "$1" &
  read -r pid <"$1.pid"
  rm "$1.pid"
  eval "pid_$1=$pid signal_$1=$2"
  running="$1 $running"
}

stop() {
  eval "pid=\${pid_$1:-} signal=\${signal_$1:-}"
  if [ -z "$pid" ]; then
    echo none >"$1.stopped.new"
    mv "$1.stopped.new" "$1.stopped" # it is read as soon as it is there
    return
  fi
  waited=0 # twentieths of a second
  until [ -e "$1.exit" ] || [ $waited -ge 200 ]; do
    case $signal:$waited in # signals are repeated, because a server that has only just started may miss one
    ALL:40 | *:100) kill -KILL "$pid" ;;
    ALL:0 | ALL:20) kill -TERM 0 ;; # this guard and its runners ignore it
    ALL:*) ;;
    *:0 | *:40 | *:80) kill "-$signal" "$pid" ;;
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
for try in 1 2 3 4 5; do # a child of a killed server may still be writing
  rm -rf "$folder" && break
  sleep 0.2
done
kill -KILL 0 # the rest of this process group, which began with this guard: children of killed servers, and the guard itself
