/* SPDX-License-Identifier: MIT
 *
 * fork: the loop's thread forks, at any moment of its turn, while other threads post.
 * Both processes then run their copy of the loop (runner_inherited of
 * lib/threads/runner.c, alarm_wake of alarm.c, open_backend of forever.c). Memory is copied; the
 * eventfd is shared until the
 * child has made its own; the other threads are not there in the child, not even if
 * they were half-way through a post; the child has one of its own that posts.
 *
 * Promised   each process makes all the posts that it has, and then sleeps;
 *            a child never writes to its parent's eventfd;
 *            each eventfd is written to only while it has no mark.
 * Refused    BROKEN=1: the child wakes through the descriptor it was forked with
 *            BROKEN=2: the child believes in a wake-up that is owed to its parent
 *            BROKEN=3: the child believes that it sleeps, or was woken, as its parent
 */
#ifndef BROKEN
#define BROKEN 0
#endif

mtype = { AWAKE, ASLEEP, WOKEN };
#define PARENT 0
#define CHILD 1
mtype reader[2];
byte newest[2];
bool owed[2];
bool mark[2];             /* of the eventfd that each process has made */
bool open[2];             /* it has made one */
bool forked;
byte to_make[2];          /* posts that are made once all is over */
byte made[2];

inline backend_wake(process) {
    if
    :: open[process] -> atomic { assert(!mark[process]); mark[process] = true }
    :: else ->
        /* A child that has none of its own: the one it has is its parent's. */
        assert(process == CHILD && BROKEN != 1)
    fi
}

proctype poster(byte process) {
    mtype seen;
    atomic { newest[process]++; to_make[process]++ };
    seen = reader[process];
    if
    :: seen == ASLEEP ->
        atomic {
            if
            :: reader[process] == ASLEEP -> reader[process] = WOKEN; seen = WOKEN
            :: else
            fi
        };
        if
        :: seen == WOKEN -> backend_wake(process)
        :: else
        fi
    :: else
    fi
}

inline do_fork() {
    atomic {
        forked = true;
        reader[CHILD] = reader[PARENT];
        newest[CHILD] = newest[PARENT];
        owed[CHILD] = owed[PARENT];
        to_make[CHILD] = newest[PARENT];
        run loop(CHILD)
    };
    run poster(CHILD)
}

inline mark_awake() {
    if
    :: reader[me] != AWAKE ->
        atomic { before = reader[me]; reader[me] = AWAKE };
        if
        :: before == WOKEN -> owed[me] = true
        :: else
        fi;
        if
        :: woken -> owed[me] = false
        :: else
        fi
    :: else
    fi
}

proctype loop(byte me) {
    bool nothing, woken;
    mtype before;
    if
    :: me == CHILD ->                       /* open_backend */
        atomic { open[CHILD] = true; mark[CHILD] = false };
#if BROKEN != 2
        owed[CHILD] = false;
#endif
#if BROKEN != 3
        reader[CHILD] = AWAKE;
#endif
        skip
    :: else
    fi;
    mark_awake();
    do
    :: atomic { made[me] = made[me] + newest[me]; newest[me] = 0 };
        if                                  /* a callback forks */
        :: me == PARENT && !forked -> do_fork()
        :: skip
        fi;
        if                                  /* sleep_prepare */
        :: owed[me] -> reader[me] = WOKEN
        :: else -> reader[me] = ASLEEP
        fi;
        nothing = newest[me] == 0;
        woken = false;
        if
        :: nothing ->
            if
            :: me == PARENT && !forked -> do_fork()   /* a signal handler of the host's */
            :: skip
            fi;
            if
            :: atomic { mark[me] -> mark[me] = false; woken = true }
            :: timeout -> break
            fi
        :: else
        fi;
        mark_awake()
    od;
    assert(made[me] == to_make[me])
}

init {
    atomic {
        reader[PARENT] = AWAKE;
        open[PARENT] = true;
        run loop(PARENT);
        run poster(PARENT);
        run poster(PARENT)
    }
}
