/* SPDX-License-Identifier: MIT
 *
 * descriptor: tw_fd behind an outer poller, which sleeps while it is not readable, and
 * runs the loop when it is (sleep_before_run and sleep_after_run of lib/loop/sleep.c,
 * alarm_make_readable and alarm_wake_earlier of alarm.c). Between its runs the loop's thread
 * starts calls that are due at once.
 *
 * Promised   no post and no due call is left while the outer poller sleeps;
 *            the eventfd is written to only while it has no mark (S1);
 *            a descriptor that stays readable though nothing is due does not happen:
 *            the poller does not spin.
 * Refused    BROKEN=1: ring writes although a wake-up is owed
 *            BROKEN=2: a run does not take away the mark that is owed
 *            BROKEN=3: what is started between runs, and due, does not ring
 */
#ifndef BROKEN
#define BROKEN 0
#endif
#define POSTERS 2
#define SOON 2            /* calls started by the loop's thread, between runs */

mtype = { AWAKE, ASLEEP, WOKEN };
mtype reader = AWAKE;
byte newest;
byte due;                 /* started by the loop's own thread, and due */
bool mark;                /* the eventfd's edge: the descriptor is readable */
byte made;

inline backend_wake() {
    atomic { assert(!mark); mark = true }
}

inline make_readable() {
    atomic { before = reader; reader = WOKEN };
    if
    :: before != WOKEN && (!owed || BROKEN == 1) -> backend_wake()
    :: else
    fi
}

inline mark_awake() {
    if
    :: reader != AWAKE ->
        atomic { before = reader; reader = AWAKE };
        if
        :: before == WOKEN -> owed = true
        :: else
        fi
    :: else
    fi
}

active [POSTERS] proctype poster() {
    mtype seen;
    newest++;
    seen = reader;
    if
    :: seen == ASLEEP ->
        atomic {
            if
            :: reader == ASLEEP -> reader = WOKEN; seen = WOKEN
            :: else
            fi
        };
        if
        :: seen == WOKEN -> backend_wake()
        :: else
        fi
    :: else
    fi
}

active proctype outer() {
    bool owed = false;
    mtype before;
    byte soon = SOON, spare = 2, idle = 0, all;
    /* tw_fd */
    reader = AWAKE;
    goto ended;
    do
    :: made == POSTERS + SOON && !mark -> break
    :: if
       :: mark -> skip                      /* the outer poller says it is readable */
       :: spare > 0 -> spare--; idle = 0    /* or its host runs the loop all the same */
       fi;
        /* sleep_before_run */
        mark_awake();
        if
        :: owed && BROKEN != 2 ->
            atomic {                        /* backend_wait, which does not sleep */
                if
                :: mark -> mark = false; owed = false
                :: else
                fi
            }
        :: else
        fi;
        /* the run; a callback may start what is due at once, for the next one */
        atomic { all = newest + due; newest = 0; due = 0 };
        made = made + all;
        if
        :: all == 0 -> idle++
        :: else -> idle = 0
        fi;
        /* A mark that was on its way may bring a run that finds nothing; no more. */
        assert(idle <= 3);
        if
        :: soon > 0 -> soon--; due++
        :: skip
        fi;
ended:  /* sleep_after_run: sleep_prepare, else alarm_make_readable */
        if
        :: due > 0 -> make_readable()
        :: else ->
            if
            :: owed -> reader = WOKEN
            :: else -> reader = ASLEEP
            fi;
            if
            :: newest > 0 -> make_readable()
            :: else
            fi
        fi
    :: soon > 0 ->                          /* between runs: a start that is due */
        soon--;
        due++;
#if BROKEN != 3
        make_readable()                              /* alarm_wake_earlier */
#endif
    od
}
