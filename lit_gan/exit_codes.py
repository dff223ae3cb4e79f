"""The exit codes of the `lit-gan` command and of the processes that it starts."""

#: Done, or stopped by the tracker, which has what it wanted.
DONE = 0
#: A failure during a run.
FAILED = 1
#: Something that the user can mend, told in one line.
USER_ERROR = 2
#: A trial that had no room for what it writes (EX_IOERR of sysexits.h), for the `lit-gan sweep` that started it; nobody
#: else sees it.
DISK_FULL = 74
#: Preempted and saved, to be queued again (EX_TEMPFAIL of sysexits.h).
PREEMPTED = 75
#: Stopped by Ctrl-C: 128 + SIGINT, as every shell has it.
INTERRUPTED = 130
