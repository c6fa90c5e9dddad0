/* SPDX-License-Identifier: MIT
 *
 * remote: calls that other threads start and cancel (lib/threads/remote.h, remote_loop.c,
 * remote_call.c): the node's state word, the stack of arrivals, the loop that takes
 * it. The pool of free nodes is a set here; its own stack has tags.
 *
 * Promised   of each call started exactly one thing happens: it runs, or a cancel
 *            answers true; what was cancelled does not run;
 *            a node has one owner at a time; in the end all are free again.
 * Refused    BROKEN=1: the loop reads where the stack goes on after it has unlinked
 *                      the node, which may then be on the stack again
 *            BROKEN=2: what the loop has scheduled is free as soon as it is cancelled
 *            BROKEN=3: a start pushes a node that is still linked
 *            BROKEN=4: the generation is not part of what a cancel compares
 *            BROKEN=5: a call that was started after the stack was taken is put off
 *                      without a look whether it has been cancelled
 */
#ifndef BROKEN
#define BROKEN 0
#endif
#define NODES 2
#define CALLS 3           /* in all: two of one thread, one of the other */
#define NONE 15

#define FREE 0
#define POSTED 1
#define SCHEDULED 2
#define RUNNING 3
#define CANCELLED 4
/* A state is | generation | linked (8) | phase (0..7) |. */
#define PHASE(state) ((state) & 7)
#define LINKED(state) ((state) & 8)
#define GENERATION(state) ((state) >> 4)
#define WITH_PHASE(state, phase) (((state) & ~7) | (phase))

int state[NODES];
byte next[NODES];
byte newest = NONE;
bool in_pool[NODES];      /* free to be taken */
bool placed[NODES];       /* in the loop's calendar */
byte call_of[NODES];      /* the number of the call: its callback and arg */

byte started;             /* calls, ever */
bool ran[CALLS];
bool cancelled[CALLS];
byte over;                /* calls that have run or were cancelled */

/* What a start has answered, for any thread to cancel. */
byte handle_node[CALLS];
int handle_generation[CALLS];
bool given[CALLS];
byte starters_left = 2;

inline give(n) {
    atomic { assert(PHASE(state[n]) == FREE && !in_pool[n]); in_pool[n] = true }
}

inline push(n) {
    seen = newest;
    do
    :: next[n] = seen;
       if
       :: atomic { newest == seen -> newest = n }; break
       :: atomic { newest != seen -> seen = newest }
       fi
    od
}

inline start() {
    atomic {                                        /* taken from the pool */
        if
        :: in_pool[0] -> n = 0
        :: in_pool[1] -> n = 1
        fi;
        in_pool[n] = false;
        assert(PHASE(state[n]) == FREE)
    };
    atomic { c = started; started++; call_of[n] = c };
    atomic { old = state[n]; generation = GENERATION(old) + 1 };
    do                                              /* publish */
    :: atomic { state[n] == old -> state[n] = (generation << 4) | 8 | POSTED }; break
    :: atomic { state[n] != old -> old = state[n] }
    od;
    if
    :: LINKED(old) && BROKEN != 3
    :: else -> push(n)
    fi;
    atomic {
        handle_node[c] = n; handle_generation[c] = generation; given[c] = true;
        n = 0; c = 0; seen = 0; old = 0; generation = 0     /* fewer states */
    }
}

inline cancel(which) {
    atomic { n = handle_node[which]; old = state[n] };
    do
    :: (PHASE(old) != POSTED && PHASE(old) != SCHEDULED) ||
       (GENERATION(old) != handle_generation[which] && BROKEN != 4) -> break  /* false */
    :: else ->
       if
       :: PHASE(old) == SCHEDULED && BROKEN != 2 ->
            new_state = WITH_PHASE(old, CANCELLED) | 8
       :: else -> new_state = WITH_PHASE(old, FREE)
       fi;
       if
       :: atomic {
              state[n] == old -> state[n] = new_state;
              assert(!ran[which] && !cancelled[which]);       /* true */
              cancelled[which] = true;
              over++
          };
          if
          :: PHASE(old) == SCHEDULED && BROKEN != 2 -> push(n)
          :: else -> give(n)
          fi;
          break
       :: atomic { state[n] != old -> old = state[n] }
       fi
    od
}

/* Starts a call or two, and may cancel one of either thread's after one of them. */
active [2] proctype starter() {
    byte n, c, seen, round = _pid, which, cancels = 1;
    int old, generation, new_state;
    do
    :: round < 2 ->
       start();
       if
       :: skip
       :: cancels > 0 ->
          cancels--;
          if
          :: given[0] -> which = 0
          :: given[1] -> which = 1
          :: given[2] -> which = 2
          fi;
          cancel(which);
          atomic { n = 0; seen = 0; old = 0; new_state = 0; which = 0 }
       fi;
       round++
    :: else -> break
    od;
    starters_left--
}

/* Collects, a node at a time, and runs what is due: any scheduled call may be. */
active proctype loop() {
    byte stack = NONE, n, at, last, seen;
    int old;
    do
    :: stack == NONE && newest != NONE ->
       atomic { stack = newest; newest = NONE };
       last = started                               /* later calls are put off */
    :: stack != NONE ->
          n = stack;
#if BROKEN != 1
          stack = next[n];
#endif
          old = state[n];
          do                                        /* unlink_arrival */
          :: PHASE(old) == POSTED ->
             if
             :: atomic { state[n] == old -> state[n] = WITH_PHASE(old, SCHEDULED) & ~8 }; break
             :: atomic { state[n] != old -> old = state[n] }
             fi
          :: else ->
             if
             :: atomic { state[n] == old -> state[n] = old & ~8 }; break
             :: atomic { state[n] != old -> old = state[n] }
             fi
          od;
#if BROKEN == 1
          stack = next[n];
#endif
          if
          :: atomic { PHASE(old) == POSTED && call_of[n] < last -> assert(!placed[n]); placed[n] = true }
          :: PHASE(old) == POSTED && call_of[n] >= last ->      /* put_off_arrival */
             old = state[n];
             if
             :: PHASE(old) == SCHEDULED ->
                if
                :: atomic {
                       (state[n] == old || BROKEN == 5) ->
                       state[n] = WITH_PHASE(old, POSTED) | 8
                   };
                   push(n)
                :: atomic { state[n] != old && BROKEN != 5 }    /* cancelled, and pushed */
                fi
             :: else
             fi
          :: atomic { PHASE(old) == CANCELLED -> placed[n] = false };
             state[n] = WITH_PHASE(state[n], FREE);
             give(n)
          :: else
          fi;
          atomic { n = 0; old = 0; seen = 0 }
    :: placed[0] || placed[1] ->
       atomic {
           if
           :: placed[0] -> n = 0
           :: placed[1] -> n = 1
           fi;
           placed[n] = false;
           old = state[n]                           /* leave_scheduled */
       };
       if
       :: PHASE(old) == SCHEDULED ->
          if
          :: atomic {
                 state[n] == old -> state[n] = WITH_PHASE(old, RUNNING);
                 at = call_of[n];
                 assert(!ran[at] && !cancelled[at]);
                 ran[at] = true;
                 over++
             };
             state[n] = WITH_PHASE(state[n], FREE);
             give(n)
          :: state[n] != old                        /* cancelled: it comes with the arrivals */
          fi
       :: else -> assert(PHASE(old) == CANCELLED)
       fi;
       atomic { n = 0; old = 0; at = 0 }
    :: starters_left == 0 && stack == NONE && newest == NONE && !placed[0] && !placed[1] -> break
    od;
    assert(over == CALLS && started == CALLS);
    assert(in_pool[0] && in_pool[1]);
    assert(!LINKED(state[0]) && !LINKED(state[1]))
}

init {
    atomic { in_pool[0] = true; in_pool[1] = true }
}
