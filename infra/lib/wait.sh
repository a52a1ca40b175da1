# shellcheck shell=bash
# Waiting, with a bound and words for what is still missing. Sourced, not run.

# lasting SECONDS: a time in words.
lasting() { if (($1 < 60)); then echo "$1 s"; else echo "$(($1 / 60)) min"; fi; }

# within WHAT SECONDS COMMAND...: a program that says itself how far it is. In the foreground, so that an
# interrupt from the keyboard reaches it.
within() {
  local what=$1 seconds=$2 began=$SECONDS ended=0
  shift 2
  say "$what, $(lasting "$seconds") at most"
  timeout --foreground --kill-after=60 "$seconds" "$@" || ended=$?
  if ((ended != 0 && SECONDS - began >= seconds)); then
    say "gave up after $(lasting "$seconds"), more than that should ever take: is the network or the disk so slow?"
  fi
  return $ended
}

# wait_for WHAT SECONDS CHECK...: until CHECK succeeds and prints nothing; what it prints is missing.
# Its standard error counts only where it fails: clients warn of many things.
wait_for() {
  local what=$1 seconds=$2 began=$SECONDS told=$SECONDS missing='' ended errors
  shift 2
  errors=$(mktemp)
  say "waits for $what, $(lasting "$seconds") at most"
  while true; do
    ended=0
    missing=$("$@" 2>"$errors") || ended=$?
    [ $ended -eq 0 ] && [ -z "$missing" ] && break
    [ $ended -eq 0 ] || missing+=" $(tail -n 3 "$errors")"
    missing=$(tr -s '[:space:]' ' ' <<<"$missing" | sed -E 's/^ | $//g')
    if ((SECONDS - began >= seconds)); then
      rm -f "$errors"
      say "gave up on $what after $seconds s; still missing: ${missing:-an answer}"
      diagnose >&2 || true
      exit 1
    fi
    if ((SECONDS - told >= 20)); then
      told=$SECONDS
      say "  still waiting for: $(cut -c1-200 <<<"${missing:-an answer}")"
    fi
    sleep 3
  done
  rm -f "$errors"
  say "  there after $((SECONDS - began)) s"
}

# Replaced by the scripts that have a cluster to look at.
diagnose() { :; }
