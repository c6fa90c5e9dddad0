/* SPDX-License-Identifier: MIT
 *
 * waking: posts from other threads, and a loop that sleeps in tw_run_forever
 * (lib/threads/post.h, post.c; sleep_prepare of sleep.c, alarm_mark_awake of alarm.c,
 * sleep_until_due of forever.c).
 *
 * Promised   no post is left while the loop sleeps;
 *            the eventfd is written to only while it has no mark (S1).
 * Refused    BROKEN=1: the loop looks for posts before it says that it sleeps
 *            BROKEN=2: it forgets that a wake-up is owed to it
 *            BROKEN=3: a poster looks whether it sleeps before it has posted
 */
#ifndef BROKEN
#define BROKEN 0
#endif
#define POSTERS 2
#define POSTS 2           /* by each of them */

mtype = { AWAKE, ASLEEP, WOKEN };
mtype reader = AWAKE;
byte newest;              /* posts on the stack */
bool mark;                /* the eventfd's edge */
byte made;                /* callbacks made */
byte alarms = 2;          /* that may go off, at any time */

inline backend_wake() {
    atomic { assert(!mark); mark = true }
}

active [POSTERS] proctype poster() {
    byte n = 0;
    mtype seen;
    do
    :: n < POSTS ->
#if BROKEN == 3
        seen = reader;
        newest++;
#else
        newest++;                           /* the compare-and-swap that pushes */
        seen = reader;
#endif
        if
        :: seen == ASLEEP ->
            atomic {                        /* compare and swap */
                if
                :: reader == ASLEEP -> reader = WOKEN; seen = WOKEN
                :: else
                fi
            }
            if
            :: seen == WOKEN -> backend_wake()
            :: else
            fi
        :: else
        fi;
        n++
    :: else -> break
    od
}

active proctype loop() {
    bool owed = false, woken = false, nothing;
    mtype before;
    do
    :: /* the run */
        atomic { made = made + newest; newest = 0 };
        /* sleep_prepare */
#if BROKEN == 1
        nothing = newest == 0;
#endif
        if
        :: owed -> reader = WOKEN
        :: else -> reader = ASLEEP
        fi;
#if BROKEN != 1
        nothing = newest == 0;
#endif
        woken = false;
        if
        :: nothing ->
            if                              /* blocked for ever: the checker says so */
            :: atomic { mark -> mark = false; woken = true }   /* epoll_wait tells of it */
            :: atomic { alarms > 0 -> alarms-- }               /* the alarm, or a signal */
            :: made == POSTERS * POSTS -> break                /* nothing can come any more */
            fi
        :: else
        fi;
        /* alarm_mark_awake */
        if
        :: reader != AWAKE ->
            atomic { before = reader; reader = AWAKE };
            if
            :: before == WOKEN && BROKEN != 2 -> owed = true
            :: else
            fi;
            if
            :: woken -> owed = false
            :: else
            fi
        :: else
        fi
    od
}
