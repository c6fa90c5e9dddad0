/* SPDX-License-Identifier: MIT
 *
 * alarm: other threads start calls with a deadline, and wake the loop only if it would
 * sleep past it (post_claim_wake and post.h; sleep_prepare of sleep.c, alarm_fall_asleep and
 * alarm_mark_awake of alarm.c).
 * Time stands still but for the alarm, which may go off once.
 *
 * Promised   while the loop sleeps, no call that it has not seen is due before its
 *            alarm, unless a wake-up is on its way;
 *            the eventfd is written to only while it has no mark.
 * Refused    BROKEN=1: the loop says when its alarm goes off after it has looked for
 *                      arrivals
 *            BROKEN=2: it goes to sleep although calls have arrived since it worked out
 *                      its alarm
 */
#ifndef BROKEN
#define BROKEN 0
#endif
#define NEVER 9
#define STARTERS 3

mtype = { AWAKE, ASLEEP, WOKEN };
mtype reader = AWAKE;
byte alarm_ns = 0;        /* as the loop has told it; of an earlier sleep, perhaps */
byte arrived;             /* calls pushed and not seen */
byte earliest_arrived = NEVER;
bool mark;
byte waking;              /* starters between claiming and writing */
bool sleeping;
byte seen_calls;
bool early_alarm = true;  /* the alarm may go off once more */

inline backend_wake() {
    atomic { assert(!mark); mark = true; waking-- }
}

active [STARTERS] proctype starter() {
    byte due = 1 + _pid;                    /* 1, 2, 3 */
    mtype seen;
    atomic {
        arrived++;
        if
        :: due < earliest_arrived -> earliest_arrived = due
        :: else
        fi
    };
    seen = reader;
    if
    :: seen == ASLEEP ->
        if
        :: due < alarm_ns ->
            atomic {
                if
                :: reader == ASLEEP -> reader = WOKEN; waking++; seen = WOKEN
                :: else
                fi
            };
            if
            :: seen == WOKEN -> backend_wake()
            :: else
            fi
        :: else
        fi
    :: else
    fi
}

active proctype loop() {
    bool owed = false, woken, sleeps;
    mtype before;
    byte next_ns = NEVER;
    if
    :: early_alarm = false
    :: skip
    fi;
    do
    :: /* a run, and tw_next_ns, which collects */
        atomic {
            seen_calls = seen_calls + arrived;
            if
            :: earliest_arrived < next_ns -> next_ns = earliest_arrived
            :: else
            fi;
            arrived = 0;
            earliest_arrived = NEVER
        };
        /* sleep_prepare */
#if BROKEN != 1
        alarm_ns = next_ns;
#endif
        if
        :: owed -> reader = WOKEN
        :: else -> reader = ASLEEP
        fi;
        sleeps = arrived == 0;
#if BROKEN == 2
        sleeps = true;
#endif
#if BROKEN == 1
        alarm_ns = next_ns;
#endif
        woken = false;
        if
        :: sleeps ->
            sleeping = true;
            if
            :: atomic { mark -> mark = false; woken = true; sleeping = false }
            :: atomic { early_alarm -> early_alarm = false; sleeping = false }
            :: atomic { timeout -> assert(arrived == 0 || earliest_arrived >= next_ns); break }
            fi
        :: else
        fi;
        /* alarm_mark_awake */
        if
        :: reader != AWAKE ->
            atomic { before = reader; reader = AWAKE };
            if
            :: before == WOKEN -> owed = true
            :: else
            fi;
            if
            :: woken -> owed = false
            :: else
            fi
        :: else
        fi
    od;
    /* When it slept, all others had finished: what it has not seen can wait for the alarm. */
    assert(waking == 0)
}
