/* SPDX-License-Identifier: MIT */
/*
 * tickwheel: timers for programs that hold very many of them.
 *
 * This header is the manual. It is ordered by need: a loop and its calls
 * first, then driving it, then timers embedded in your own structs, then
 * contexts, options and statistics. docs/DESIGN.md says how it works inside.
 *
 *     #include <poll.h>
 *     #include <stdio.h>
 *     #include <tickwheel.h>
 *
 *     static void hello(void *arg) { printf("hello, %s\n", (char *)arg); }
 *
 *     int main(void) {
 *         tw_loop *loop = tw_loop_new(NULL);
 *         tw_call_later(loop, 0.1, hello, "world");
 *         while (tw_pending_count(loop) > 0) {
 *             poll(NULL, 0, tw_timeout_ms(loop));    // your event loop sleeps here
 *             tw_run(loop);
 *         }
 *         tw_loop_free(loop);
 *     }
 *
 * Words
 *     deadline   the clock reading at which a call becomes due, in ns
 *     delay      a time from now; `when` is a deadline. Plain names take seconds
 *                as a double, names ending in _ns take unsigned nanoseconds
 *     due        its deadline is not after the loop's clock
 *     pending    scheduled, and neither run nor cancelled yet
 *     run        one call of tw_run, tw_run_max or tw_advance
 *     tick       the grain of the wheel; it sets costs, never accuracy
 *
 * Rules that hold throughout
 *     Failure    Functions that give a pointer or a handle return NULL or 0,
 *                functions that give an int return -1, and set errno. On any
 *                failure nothing has changed.
 *     Memory     Only starting a timer can need memory, so only it fails with
 *                ENOMEM; and not where an embedded timer is started again from its
 *                own callback, or a call by handle is the first to be started in
 *                the callback of another, nested runs included. Running,
 *                cancelling, stopping, parking and moving a pending timer never
 *                fail.
 *     Threads    A loop belongs to one thread at a time, and every function
 *                here is called from that thread. Loops share nothing, so any
 *                number of threads may each have their own. The exceptions are
 *                what has _threadsafe in its name, tw_cancel_and_wait and
 *                tw_post_send: they take no lock, and may be called with locks
 *                of the program's held (tw_cancel_and_wait not with one that
 *                the callback waits for). In builds of the library with
 *                TICKWHEEL_CHECKED, a loop belongs to the thread
 *                that last ran it, and when tw_run_forever has returned to
 *                nobody; running or freeing it takes it over; any other use of
 *                it by another thread is reported on stderr, and aborts.
 *     Callbacks  From inside a callback every function may be called, on any
 *                timer, except running the loop, unless options.nested, and freeing
 *                it: those are refused with EBUSY.
 *     Leaving    A callback may be left by a C++ exception, by the end of its thread or
 *                by longjmp. Its call counts as made, what else is due stays due,
 *                its context is left and released, and the loop's own is current.
 *                After an exception, or the end of the thread, all this is so at
 *                once (a program that compiles tickwheel.c itself adds -fexceptions
 *                for that). Of a longjmp the library hears when the loop is next run or
 *                freed: do that soon, on the same thread, and from the function that
 *                called the run or from one of those that called it. Anything
 *                deeper in the stack is taken for a callback, and refused.
 *                A jump out of a nested run (options.nested), to the callback that has
 *                begun it, is heard of when that callback returns; until then the context
 *                of the call that was left is current. Of several nested runs that one
 *                jump leaves, only the innermost has its context left and released.
 *     Stacks     A callback returns on the stack that it was called on, before the loop is
 *                run again: one that serves a coroutine resumes it, and returns when that
 *                waits. Where a coroutine runs the loop, and a callback in there suspends
 *                it, the next run elsewhere is refused with EBUSY (or is a nested one),
 *                or, if its stack is at higher addresses, the one that was
 *                suspended is taken for one that was left: when it is resumed, it makes no
 *                further calls, unless it is resumed from a callback. Nothing is lost, or
 *                made twice.
 *     Hooks      options.on_slow, options.on_drop and a context's enter, leave and
 *                release may use the loop as a callback may. In the allocator's
 *                hooks, a context's retain and a recorder's write nothing of the
 *                loop can be changed: all that would change it is refused with
 *                EBUSY, and tw_next_ns, which would, returns tw_now_ns. In
 *                options.clock the loop may be used, but neither run nor freed,
 *                and its time is the latest reading. While nothing is due or to be
 *                moved, tw_advance returns 0 there without EBUSY, and tw_now_ns moves:
 *                a run with nothing to do is left out before anything is asked. Every
 *                hook returns: none may be left by a jump or an exception.
 *     Times      A time that does not fit saturates. Seconds are multiplied by
 *                1e9 as doubles, and rounded up to the next nanosecond: 0.1 is
 *                100,000,000 ns. NaN is refused with EINVAL; a negative
 *                delay or a past deadline is due at the next run; +infinity
 *                and UINT64_MAX are never due, but count as pending and can be
 *                cancelled.
 *     Misuse     A NULL loop, callback or timer, and a timer without a callback, is
 *                refused with EINVAL (`false`, 0, or nothing done, where the
 *                function returns no int; functions that only read may leave errno
 *                alone). A timer that was neither initialised nor zeroed is not
 *                noticed: what it holds is taken for what it is not.
 *     Cost       O(1) means constant and independent of the number of timers.
 *                Insert, cancel and move are O(1) at any delay. Beyond the wheel's
 *                span (tick * 2^25: 9.8 hours with the default tick) timers wait
 *                in a radix heap, and are moved closer some more times: once or
 *                twice for days, at most six times for centuries.
 */
#ifndef TICKWHEEL_H
#define TICKWHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TW_VERSION_MAJOR 0
#define TW_VERSION_MINOR 2
#define TW_VERSION_PATCH 0
#define TW_VERSION_STRING "0.2.0"

/* tools/amalgamate makes the whole library one file, tickwheel.c, with this header
 * beside it. For a program that includes that file:
 *     TICKWHEEL_STATIC     every function is static, so that it may be inlined
 *     TICKWHEEL_NO_RUNNER  without what needs threads and file descriptors */
#if defined(TICKWHEEL_STATIC) && defined(__GNUC__)
#define TW_API static __attribute__((unused))
#elif defined(TICKWHEEL_STATIC)
#define TW_API static
#elif defined(_WIN32) || !defined(__GNUC__)
#define TW_API
#else
#define TW_API __attribute__((visibility("default")))
#endif

typedef struct tw_loop tw_loop;          /* opaque: one wheel, one clock, one owner thread */
typedef struct tw_options tw_options;    /* see "Options" below */
typedef struct tw_allocator tw_allocator;
typedef struct tw_context tw_context;
typedef struct tw_stats tw_stats;

/* A scheduled call. 0 is never a live one. A handle is a 32-bit generation and
 * a 32-bit index, and no handle of a loop is ever given out twice. Each loop begins
 * with another generation, so that a handle of one loop is, all but certainly, a
 * stale one on another. */
typedef uint64_t tw_handle;

typedef void tw_callback(void *arg);

/* ------------------------------------------------------------------ the loop */

/* Makes a loop.
 *   options  NULL for the defaults; else every field is as described below.
 * Returns the loop, or NULL: EINVAL if an option is out of its range, ENOMEM.
 * Cost: one allocation of about 48 KiB, and one of 8 KiB for the first timers.
 * The loop belongs to the calling thread. */
TW_API tw_loop *tw_loop_new(const tw_options *options);

/* Frees the loop and all its memory. Each call still pending is handed to
 * options.on_drop, in no particular order, and never runs; its context is
 * released; an embedded timer becomes inactive and may be started elsewhere.
 * While that goes on nothing can be started (EBUSY).
 *   loop     may be NULL.
 * From inside a callback it is refused: errno is EBUSY and nothing happens.
 * Cost: O(pending + parked). */
TW_API void tw_loop_free(tw_loop *loop);

/* Reads the loop's clock, in seconds. Monotonic: a reading that goes backwards
 * gives the highest one seen. Not the wall clock. NaN if loop is NULL. */
TW_API double tw_time(tw_loop *loop);

/* The same, in nanoseconds, without rounding. 0 if loop is NULL. */
TW_API uint64_t tw_time_ns(tw_loop *loop);

/* The same again, under the name that a loop with options.cached_now is to be
 * told by once after each wait. */
TW_API uint64_t tw_update_now(tw_loop *loop);

/* The clock as the last run saw it (or tw_loop_new, before the first). Inside a
 * callback: the reading that made it due. Reads no clock: a load. */
TW_API uint64_t tw_now_ns(const tw_loop *loop);

/* The calling thread owns the loop from now on: for a loop that is handed to
 * another thread, or used by several that hold a lock of the host's meanwhile.
 * Only the checked builds need to be told, but say it anyway.
 * Returns 0, or -1: EINVAL. Cost: a store. Also from inside a callback, where it
 * changes nothing. */
TW_API int tw_loop_adopt(tw_loop *loop);

/* --------------------------------------------- calls by handle (level 1)
 *
 * The library owns the memory of a call: 72 bytes each, of which 64 come in blocks that
 * double from 4 KiB to 2 MiB, so that the last may be half empty. After the callback has
 * started, or tw_cancel returned true, the handle is stale, and everything
 * asked of it returns false. */

/* Calls callback(arg) in the next run, before any timer of that run, first in
 * first out with other calls of this kind.
 * Returns a handle, or 0: EINVAL, ENOMEM, ENOBUFS (options.max_pending), EBUSY
 * (the loop is being freed). Cost: O(1). */
TW_API tw_handle tw_call_soon(tw_loop *loop, tw_callback *callback, void *arg);

/* Calls callback(arg) once, when `delay` seconds have passed.
 *   delay    any double but NaN; counted from a reading of the clock taken in
 *            this call, and rounded up: the callback never starts early.
 * Returns a handle, or 0 as tw_call_soon does. Cost: O(1), and one reading of
 * the clock. Calls with equal deadlines run in the order of scheduling. */
TW_API tw_handle tw_call_later(tw_loop *loop, double delay, tw_callback *callback, void *arg);
TW_API tw_handle tw_call_later_ns(tw_loop *loop, uint64_t delay_ns, tw_callback *callback,
                                  void *arg);

/* Calls callback(arg) once, when the loop's clock has reached `when`.
 *   when     on the clock of tw_time (when_ns: of tw_time_ns).
 * As tw_call_later, but reads no clock. */
TW_API tw_handle tw_call_at(tw_loop *loop, double when, tw_callback *callback, void *arg);
TW_API tw_handle tw_call_at_ns(tw_loop *loop, uint64_t when_ns, tw_callback *callback, void *arg);

/* Calls callback(arg) once, at a moment from earliest_ns to latest_ns, on the clock of
 * tw_time_ns, that the loop chooses so that calls come together: windows that
 * overlap mostly share one run. For what may be a little late, or early.
 *   latest_ns    not before earliest_ns (EINVAL). With options.slack_ns the moment is
 *                so chosen that the wake-up is not put off beyond it, either.
 * tw_when_ns returns the moment. Otherwise as tw_call_at_ns. */
TW_API tw_handle tw_call_between_ns(tw_loop *loop, uint64_t earliest_ns, uint64_t latest_ns,
                                    tw_callback *callback, void *arg);

/* Calls callback(arg) again and again, first one interval from now, then at
 * exact multiples of it: there is no drift. One call a run at most. If several
 * were missed, options.missed decides: TW_MISSED_SKIP goes on with the next
 * deadline after now; TW_MISSED_CATCH_UP makes each missed call, in successive
 * runs that are due at once.
 *   interval more than 0; +infinity is never due.
 * Returns a handle that stays pending, also inside its own callback, until it
 * is cancelled; or 0 as tw_call_soon does. To begin at once, move the first call:
 * tw_reschedule_later_ns(loop, handle, 0). */
TW_API tw_handle tw_call_every(tw_loop *loop, double interval, tw_callback *callback, void *arg);
TW_API tw_handle tw_call_every_ns(tw_loop *loop, uint64_t interval_ns, tw_callback *callback,
                                  void *arg);

/* Cancels a call. true: it would have run, and now never will. false: the
 * handle is stale or was never given out. When it returns the library holds
 * neither arg nor the context. It works on a call that is already due.
 * Cost: O(1), also beyond the wheel's span. Calls of tw_call_soon, when more than half of
 * those that wait are cancelled, are moved together by the cancel that makes it so: some
 * 6 ns for each call that waited, 6 ms once for a million. */
TW_API bool tw_cancel(tw_loop *loop, tw_handle handle);

/* Whether the call is still to run. Cost: a load. */
TW_API bool tw_pending(const tw_loop *loop, tw_handle handle);

/* Its deadline, or UINT64_MAX if it is not pending. For tw_call_soon: the
 * loop's clock (tw_now_ns) when it was scheduled. */
TW_API uint64_t tw_when_ns(const tw_loop *loop, tw_handle handle);

/* Moves a pending call to another deadline; it keeps its handle and counts as
 * scheduled now. A periodic call goes on from the new deadline with its
 * interval.
 * Returns false if the handle is stale, or, with EINVAL, if the time is NaN.
 * Never fails for memory. Cost: as insert, and often a few stores into one line. */
TW_API bool tw_reschedule_later(tw_loop *loop, tw_handle handle, double delay);
TW_API bool tw_reschedule_later_ns(tw_loop *loop, tw_handle handle, uint64_t delay_ns);
TW_API bool tw_reschedule_at(tw_loop *loop, tw_handle handle, double when);
TW_API bool tw_reschedule_at_ns(tw_loop *loop, tw_handle handle, uint64_t when_ns);

/* Changes the interval of a periodic call. Its next deadline stays what it is (in
 * its own callback: the one after it), and those behind it are interval_ns apart.
 *   interval_ns more than 0; UINT64_MAX: after the next deadline it is never due.
 * Returns false if the handle is stale, or, with EINVAL, if interval_ns is 0 or
 * the call is not periodic. Cost: a store. */
TW_API bool tw_set_interval_ns(tw_loop *loop, tw_handle handle, uint64_t interval_ns);

/* Inside the callback of a periodic call: how many of its deadlines, since its
 * last call, are left out, because by now they have passed as well. With
 * TW_MISSED_CATCH_UP none is; anywhere else it is 0. Cost: a load. */
TW_API uint64_t tw_missed(const tw_loop *loop);

/* Cancels everything: each call that is pending, by handle, soon or periodic, each
 * active embedded timer, and each call that other threads have posted by now is
 * handed to options.on_drop, in no particular order, and its context is released.
 * The loop goes on. What on_drop starts or moves meanwhile stays; what it cancels
 * or stops is not handed to it. Parked timers lose their place. Never fails for
 * memory.
 * Returns how many were handed over. From on_drop the loop may be used as from a
 * callback: it is not run and not freed (EBUSY); a tw_cancel_all in there takes what is
 * left. Also from inside a callback, whose run then has nothing left to do.
 * Cost: O(pending + parked). */
TW_API size_t tw_cancel_all(tw_loop *loop);

/* ------------------------------------------ driving it from any event loop */

/* Reads the clock and runs what is due: first the calls of tw_call_soon, in
 * order, then every timer whose deadline is not after that reading, by
 * deadline and among equals in the order of scheduling. What a callback
 * schedules, even for the past, waits for a later run.
 * Returns the number of callbacks made. 0 with EBUSY from inside a callback,
 * 0 with EINVAL if loop is NULL; errno is left alone otherwise.
 * Cost: what is due, plus an even share of what must move closer. */
TW_API size_t tw_run(tw_loop *loop);

/* The same, but makes at most max_calls calls. The rest stays due, in order. Such a run
 * is short beside its callbacks, too: it reads some 10,000 timers at most, a few
 * hundred microseconds, and takes in 4,096 calls of other threads, and as many posts.
 * So it may make fewer calls than it was allowed, even none, while it prepares those
 * of a burst; what is left is due at once. With SIZE_MAX it is tw_run: not bounded at
 * all. A run that is cut short among the calls of tw_call_soon is continued by the
 * next: what its callbacks have scheduled with tw_call_soon waits until the
 * timers that are due have had their turn. */
TW_API size_t tw_run_max(tw_loop *loop, size_t max_calls);

/* The same, but starts no further call once budget_ns have passed since its reading
 * of the clock. At least one call is made if one is ready, also with a budget of 0.
 * The rest stays due, as with tw_run_max. Cost: one reading of the clock a call
 * more. */
TW_API size_t tw_run_for_ns(tw_loop *loop, uint64_t budget_ns);

/* The same as tw_run with a reading of the loop's clock that the caller has taken
 * already. A reading below an earlier one, tw_time_ns's among them, counts as that
 * earlier one; a jump forwards is caught up with in order. A program whose time is
 * not that of the loop's clock, a simulation's, gives the loop that clock as
 * options.clock: relative starts, tw_time and tw_timeout_ms read it. */
TW_API size_t tw_advance(tw_loop *loop, uint64_t now_ns);

/* The clock reading at which to run next, UINT64_MAX if no run would ever do
 * anything. Never after the earliest deadline, plus options.slack_ns if that has not
 * come by the latest reading of the clock. Before it, with a run that makes no calls,
 * in two cases only: once where the earliest has been cancelled or moved; and once for
 * every 4,096 timers of a slot that holds more of them than that, on their way; there,
 * cancelled calls and parked timers count until their cells are dropped. From on_drop,
 * while tw_cancel_all has more to hand over: now.
 * Cost: O(1), and once 2 ns for each timer that was stopped in the tick that the clock is
 * in. */
TW_API uint64_t tw_next_ns(tw_loop *loop);

/* The earliest deadline of all that is pending, exact; UINT64_MAX: nothing will be
 * due. For a call of tw_call_soon or from another thread: tw_now_ns. Unlike tw_next_ns
 * it is of no use for sleeping where slots of very many timers have to be emptied on
 * the way, and it may read all the cells of a slot, or of several whose timers have
 * moved on. From on_drop, while tw_cancel_all has more to hand over: now. */
TW_API uint64_t tw_earliest_ns(tw_loop *loop);

/* The same as a timeout for poll or epoll_wait: -1 to wait without one, 0 when
 * something is due, else milliseconds, rounded up, at most INT_MAX. Reads the
 * clock. It knows what other threads have posted or started until then; what comes
 * afterwards wakes tw_run_forever and tw_fd, and nothing else: a poll with this timeout
 * sleeps on. So a loop that other threads post to waits for tw_fd, too. */
TW_API int tw_timeout_ms(tw_loop *loop);

/* ---------------------------------------------- or let it drive itself */
#ifndef TICKWHEEL_NO_RUNNER

/* Runs the loop, sleeping in between, until tw_stop. A loop with nothing to do
 * sleeps until something is posted to it. Signals that are handled do not end
 * it. When it has returned it may be called again.
 * Returns 0; -1 with EINVAL, with EBUSY from inside a callback, with ENOTSUP if
 * the loop has a clock of its own (options.clock: the library cannot know how
 * long to sleep on it), or with the errno of a file descriptor that could not be
 * made (EMFILE, ENFILE, ENOMEM); then nothing was run, and it may be tried again.
 * After fork: in the child, this call and tw_fd make new descriptors, so the
 * loop may go on in both processes, each with its own copy of what is pending. That
 * holds for a callback that forks, too, and returns in both: the child's
 * tw_run_forever goes on with descriptors of its own, or returns -1 if there are none
 * to be had. The child may as well just free the loop. Where another thread forks than
 * the loop's, the child may use the loop only if that was not in a run. A fork by other
 * means than the C library's fork is seen at the next call of these. */
TW_API int tw_run_forever(tw_loop *loop);

/* The same, but returns 0, too, when nothing is pending: no call and no timer, those of
 * other threads included, and no post on its way. What is never due is pending, a parked
 * timer is not. It runs the loop once in any case. A cancel in another thread that may
 * have been that of the last call wakes it. */
TW_API int tw_run_until_empty(tw_loop *loop);

/* Makes tw_run_forever return after the run under way; called before it, it
 * makes the next tw_run_forever return at once after one run, as asyncio does.
 * From the loop's thread; from another, post it with tw_call_soon_threadsafe.
 * What is pending then stays so, for the next run. */
TW_API void tw_stop(tw_loop *loop);

/* A file descriptor that is readable when tw_run would do something: for an
 * outer poller, level-triggered. It belongs to the loop; do not read or close
 * it. Made at the first call; later ones return the same. It may become readable
 * once for a timer that was stopped meanwhile; that run makes no calls.
 * Returns it, or -1: EINVAL, ENOTSUP and the system's errors as tw_run_forever,
 * EBUSY if the loop is being freed; ENOTSUP, too, where the system has no
 * descriptors that tell time (all but Linux): there use tw_timeout_ms.
 * Cost: one system call in a run that sets the next wake-up, and in a start that
 * is due before it; none in other starts. After fork the child must call it
 * again before it next uses the loop: it gets another descriptor. Until then its loop
 * leaves the parent's alone, also where a callback has forked and returns. */
TW_API int tw_fd(tw_loop *loop);

/* Calls callback(arg) on the loop's thread in its next run (or the one after, if
 * that continues a tw_run_max that was cut short), in order for each calling
 * thread, and wakes a sleeping tw_run_forever or tw_fd. From any thread at any
 * time until tw_loop_free is called, without a lock. Not from a signal handler:
 * it needs memory from malloc (there, tw_post_send). Such a call cannot be
 * cancelled and runs in the loop's own context. Posted to a loop that nobody
 * runs it waits; if it is still waiting in tw_loop_free, it is handed to
 * options.on_drop. Nothing bounds how many may wait: a loop that cannot keep up
 * with its posters makes ever longer runs.
 * To free a loop that other threads post to: have them stop posting (join them),
 * then free it.
 * Returns 0, or -1: EINVAL, ENOMEM, EBUSY (from on_drop: the loop is being
 * freed). Cost: an atomic exchange or two; a malloc of 1 KiB for every 32 calls of a
 * thread (or 64, where pointers are short), which keeps the last one until it ends;
 * and a system call if the loop has to be woken. */
TW_API int tw_call_soon_threadsafe(tw_loop *loop, tw_callback *callback, void *arg);

/* Calls callback(arg) once on the loop's thread, when `delay` seconds have passed, or
 * when the clock has reached `when`: tw_call_later and tw_call_at from any thread at any
 * time until tw_loop_free is called, without a lock. Not from a signal handler.
 *   delay    counted from a reading of the clock that the calling thread takes in this
 *            call, also with options.cached_now; where the loop has read or was told
 *            a later time, from that. options.clock is then called by any thread.
 * The call comes in with the loop's next run, or with tw_next_ns or tw_timeout_ms, if
 * the loop's thread asks one of them first: 4,096 at once where the run is a bounded
 * one, and in these two, which say that the loop is to be run while there are
 * more. A sleeping tw_run_forever or tw_fd is woken
 * if it is due, options.slack_ns included, before they would wake anyway. Among equal
 * deadlines it counts as scheduled when it came in, after those that other threads had
 * started before it. It runs in the loop's own
 * context. It is pending from here on: tw_pending_count and tw_stats count it. If it
 * is still pending in tw_loop_free, it is handed to options.on_drop: have the other
 * threads stop before, as for tw_call_soon_threadsafe.
 * If the loop has no memory for it when it comes in, it is run all the same when it is
 * due.
 * Returns a handle: for tw_cancel_threadsafe and tw_cancel_and_wait in any thread, and
 * for tw_cancel, tw_pending, tw_when_ns and tw_reschedule_... in the loop's. Or 0:
 * EINVAL, ENOMEM, EBUSY (from on_drop), ENOBUFS (options.max_pending; of the loop's own
 * timers it counts those that were pending when it was last run, or started one).
 * Cost: O(1), four atomic exchanges and 96 bytes from malloc, which are used again and
 * stay until tw_loop_free; a reading of the clock for _later; a system call if the
 * loop has to be woken. The loop pays some 100 ns more for it than for one of its own. */
TW_API tw_handle tw_call_later_threadsafe(tw_loop *loop, double delay, tw_callback *callback,
                                          void *arg);
TW_API tw_handle tw_call_later_threadsafe_ns(tw_loop *loop, uint64_t delay_ns,
                                             tw_callback *callback, void *arg);
TW_API tw_handle tw_call_at_threadsafe(tw_loop *loop, double when, tw_callback *callback,
                                       void *arg);
TW_API tw_handle tw_call_at_threadsafe_ns(tw_loop *loop, uint64_t when_ns, tw_callback *callback,
                                          void *arg);

/* Cancels a call that was started from any thread, from any thread. true: the callback
 * will not start, and the library does not touch arg any more, which may be freed at once.
 * false: it has started (and may be running), or has run, or was cancelled or dropped; or,
 * with EINVAL, the handle is none that a call above gives. Of several cancels of one call,
 * one returns true. Its memory comes back within the next runs; of a call that the loop has
 * not seen yet, at once. The loop is not woken for it. Cost: three atomic exchanges. */
TW_API bool tw_cancel_threadsafe(tw_loop *loop, tw_handle handle);

/* The same; but before it returns false it waits until the callback, if it is running,
 * has returned: whatever the callback uses may be freed then. For on_drop, where
 * tw_cancel_all hands the call over at this moment, it does not wait. On the thread that makes
 * the call, which is the loop's own, it never waits: neither in the callback itself nor
 * in one that it has called. Two loops whose callbacks wait for each other wait for
 * ever. Cost: the waiting sleeps, and costs the loop one load a call of this kind. */
TW_API bool tw_cancel_and_wait(tw_loop *loop, tw_handle handle);

#endif /* TICKWHEEL_NO_RUNNER */

/* A post: such a call that lives in a struct of yours, for what happens again and
 * again ("there is work in the queue", "a signal came"). While it is on its way,
 * sending it again changes nothing: the call comes once, after the last of them. */
struct tw_post {                 /* complete so that it can be embedded; private */
    struct tw_post *next_;
    tw_callback *callback_;
    void *arg_;
    int state_;                  /* whether it is on its way, and whose memory it is */
};
typedef struct tw_post tw_post;

#ifndef TICKWHEEL_NO_RUNNER

/* Makes a post ready to be sent. Not for one that is on its way.
 *   callback  called as callback(arg) on the loop's thread; not NULL. */
TW_API void tw_post_init(tw_post *post, tw_callback *callback, void *arg);

/* Sends the post, unless it is on its way already. From any thread, and from a
 * signal handler: it takes no memory and no lock. What was written before it is
 * seen by the callback. It may be sent again from inside the callback, and to
 * another loop; its memory may be freed once the callback has started, if nobody
 * can send it any more. Otherwise as tw_call_soon_threadsafe.
 * Returns 0, or -1: EINVAL, EBUSY. Cost: an atomic exchange while it is on its
 * way. */
TW_API int tw_post_send(tw_loop *loop, tw_post *post);

#endif /* TICKWHEEL_NO_RUNNER */

/* --------------------------- timers embedded in your own structs (level 2)
 *
 * For a timer that lives as long as the thing it watches: a connection, a
 * request. Starting one allocates nothing for the timer itself; the loop holds
 * 8 bytes for it. Put the struct anywhere that does not move while it is
 * active or parked. */

typedef struct tw_bare_timer tw_bare_timer;

struct tw_bare_timer {           /* complete so that it can be embedded; private */
    uint64_t deadline_;          /* when it is due, ns */
    uint32_t sequence_low_;      /* when it was scheduled: a number of 48 bits */
    uint16_t sequence_high_;
    uint16_t state_;             /* where it is, of which loop, and whether it is parked */
    void *place_;                /* the one cell that points here */
};

struct tw_timer {                /* complete so that it can be embedded; private */
    tw_bare_timer bare_;
    tw_callback *callback_;
    void *arg_;
};
typedef struct tw_timer tw_timer;

/* The same as tw_timer_init where a static initialiser is wanted. A timer of zeroes
 * is idle, too: it may be asked, stopped and parked, but not started. */
#define TW_TIMER_INIT(callback, arg) {{0, 0, 0, 0, NULL}, (callback), (arg)}

/* Makes a timer ready to be started. Not for a timer that is active or parked.
 *   callback  called as callback(arg) when it fires; not NULL. */
TW_API void tw_timer_init(tw_timer *timer, tw_callback *callback, void *arg);

/* Starts the timer, or moves it if it is active: never two calls for one timer.
 * It may be started again from inside its own callback.
 *   delay_ns from a reading of the clock taken in this call.
 * Returns 0, or -1: EINVAL, ENOMEM, ENOBUFS (options.max_pending), EBUSY (the
 * timer is active or parked on another loop, or the loop is being freed). An
 * active timer is moved without fail. A timer remembers three bits of its
 * loop's number: among eight loops made one after another a mistake is always
 * seen, among more in seven cases of eight. Cost: O(1), often a few stores into its own
 * line when it is active or parked and moves further out. */
TW_API int tw_timer_start_later_ns(tw_loop *loop, tw_timer *timer, uint64_t delay_ns);
TW_API int tw_timer_start_at_ns(tw_loop *loop, tw_timer *timer, uint64_t when_ns);

/* Starts the timer for a moment from earliest_ns to latest_ns, as tw_call_between_ns.
 * An active timer that is due in there is left as it is. */
TW_API int tw_timer_start_between_ns(tw_loop *loop, tw_timer *timer, uint64_t earliest_ns,
                                     uint64_t latest_ns);

/* Stops the timer, active, parked or neither. When it returns, the loop holds
 * no pointer to it, and its memory may be freed. Also from inside its own
 * callback (which may free it without stopping it: a timer whose callback has
 * started is forgotten already). A timer of another loop is left alone, with
 * errno EBUSY, as in tw_timer_start_at_ns. Cost: O(1). */
TW_API void tw_timer_stop(tw_loop *loop, tw_timer *timer);

/* Stops the timer, but lets the loop keep its place: it will not fire, and
 * starting it again soon is cheapest: before its old deadline, to be due no earlier
 * than that, as the timeout of the next request on a connection is. Where new deadlines
 * are as often earlier, tw_timer_stop costs no more, and less in cache. Stop it before
 * its memory is freed. A timer of another loop is left alone, as by tw_timer_stop. A parked
 * timer does not count as pending and wakes nobody; the loop holds its 8 bytes until its
 * old deadline has passed. */
TW_API void tw_timer_park(tw_loop *loop, tw_timer *timer);

/* Whether the timer will fire: started, and not since stopped, parked or
 * fired. */
TW_API bool tw_timer_active(const tw_timer *timer);

/* Its deadline, or UINT64_MAX if it is not active. */
TW_API uint64_t tw_timer_when_ns(const tw_timer *timer);

/* ------------------------------------------------------------- bare timers
 *
 * Starts a bare timer, or moves it if it is active, as tw_timer_start_later_ns and _at_ns
 * do. It is for hosts whose timers all end in one function of theirs, which finds the
 * struct around the timer by itself: the first 24 bytes of a tw_timer, without callback and
 * argument. A loop made with options.on_bare takes them as its only embedded timers
 * (a tw_timer there is EINVAL, and so is a bare one on any other loop, wherever it is
 * active); calls by handle it takes as ever. With its cell a bare timer costs 32.3 bytes.
 *
 *     struct connection { tw_bare_timer idle; int fd; };
 *     static void on_bare(void *hook_arg, tw_bare_timer *timer)
 *     {
 *         close_idle((struct connection *)timer);
 *     }
 *
 * A tw_bare_timer of zeroes is an idle one. Each function is as its tw_timer_...
 * twin, errors, costs and all. */
TW_API int tw_bare_start_later_ns(tw_loop *loop, tw_bare_timer *timer, uint64_t delay_ns);
TW_API int tw_bare_start_at_ns(tw_loop *loop, tw_bare_timer *timer, uint64_t when_ns);

/* Stops a bare timer, parks it, or looks at it, as the tw_timer_... twins do.
 * Returns, from tw_bare_stop, whether it was active: it would have fired, and now never
 * will. EINVAL on a loop without options.on_bare. */
TW_API bool tw_bare_stop(tw_loop *loop, tw_bare_timer *timer);
TW_API void tw_bare_park(tw_loop *loop, tw_bare_timer *timer);
TW_API bool tw_bare_active(const tw_bare_timer *timer);
TW_API uint64_t tw_bare_when_ns(const tw_bare_timer *timer);

/* ------------------------------------------------------------------ contexts
 *
 * What contextvars are to asyncio. A context is a struct of the caller's that
 * begins with a tw_context. A call by handle runs with the context it was given
 * or, without one, with the context that was current when it was scheduled: so
 * what a callback schedules inherits its context. While it is pending, the call
 * holds one reference: retain when it is scheduled, release after it has run or
 * when it is cancelled or dropped. enter is called before the callback and
 * leave after it. Embedded timers, and calls from other threads, carry no
 * context: they run in the loop's own, the one that tw_context_set set outside
 * of any callback, without enter and leave. */

typedef struct tw_context_ops {          /* each may be NULL */
    void (*retain)(tw_context *context);
    void (*release)(tw_context *context);
    void (*enter)(tw_context *context);
    void (*leave)(tw_context *context);
} tw_context_ops;

struct tw_context {
    const tw_context_ops *ops;           /* NULL: no hooks at all */
};

/* As tw_call_later and tw_call_at, with a context. NULL: the current one. */
TW_API tw_handle tw_call_later_in(tw_loop *loop, double delay, tw_callback *callback, void *arg,
                                  tw_context *context);
TW_API tw_handle tw_call_at_in(tw_loop *loop, double when, tw_callback *callback, void *arg,
                               tw_context *context);

/* The context that is current: NULL if there is none. */
TW_API tw_context *tw_context_current(const tw_loop *loop);

/* Makes a context current and returns the one before. It calls no hook and
 * takes no reference: the caller keeps it alive while it is current. Inside a
 * callback it lasts until the callback returns. */
TW_API tw_context *tw_context_set(tw_loop *loop, tw_context *context);

/* ------------------------------------------------------------------- options */

/* Where a loop's memory comes from. Called by the loop's thread only, in
 * starting calls, tw_reserve, tw_trim, tw_loop_new, tw_loop_free, and, for memory
 * that it can do without, in runs and where a timer is moved. */
struct tw_allocator {
    /* At least `bytes` bytes, a multiple of `alignment` (a power of two of at
     * most 2 MiB), or NULL. Memory that is not aligned so is given back and counts
     * as none. Blocks of 2 MiB and more are worth huge pages. */
    void *(*alloc)(void *allocator_arg, size_t bytes, size_t alignment);
    void (*free)(void *allocator_arg, void *memory, size_t bytes);
    void *allocator_arg;
};

#define TW_MISSED_SKIP 0       /* tw_call_every: leave out deadlines that were missed */
#define TW_MISSED_CATCH_UP 1   /* make one call for each */

#define TW_CLOCK_MONOTONIC 0
#define TW_CLOCK_BOOTTIME 1

/* What a loop is made with. All zero, but for size, is the default. A caller compiled
 * against an older, shorter struct keeps working: fields it does not have are taken as
 * 0. A size that holds no option at all, and later options that are not 0 and that
 * this version does not know, are EINVAL. */
struct tw_options {
    size_t size;          /* sizeof(tw_options) */
    uint64_t tick_ns;     /* grain of the wheel, rounded up to a power of two; 0: 2^20, about
                             1.05 ms. At most 2^63. Costs, not accuracy: a tenth of the shortest
                             common timeout is a good choice, unless most deadlines then lie beyond
                             the span, tick * 2^25: 2^27 (134 ms) reaches 52 days */
    uint64_t slack_ns;    /* how far tw_next_ns may put a wake-up off, to coalesce; 0: not at all.
                             What is due already is not put off */
    size_t reserve;       /* timers to make room for at once, as tw_reserve */
    size_t max_pending;   /* a start beyond it fails with ENOBUFS; 0: no cap */
    uint64_t (*clock)(void *clock_arg); /* ns; NULL: CLOCK_MONOTONIC */
    void *clock_arg;
    const tw_allocator *allocator;      /* copied; NULL: malloc, with huge pages for large blocks */
    int missed;                         /* TW_MISSED_SKIP or TW_MISSED_CATCH_UP */
    uint64_t slow_callback_ns;          /* a callback that takes so long is reported to on_slow;
                                           0: off. Costs two readings of the clock a callback */
    void (*on_slow)(void *hook_arg, tw_callback *callback, void *arg, uint64_t took_ns);
                                        /* after the callback, which may have freed what arg points
                                           to */
    void (*on_drop)(void *hook_arg, tw_callback *callback, void *arg); /* see tw_loop_free
                                                                          and tw_cancel_all */
    void *hook_arg;
    int clock_id;         /* without options.clock: TW_CLOCK_MONOTONIC, or TW_CLOCK_BOOTTIME, which
                             also counts the time that the machine was suspended. Others, or one
                             beside options.clock: EINVAL; ENOTSUP where the system has no
                             descriptors that tell the time by it (all but Linux) */
    void (*on_bare)(void *hook_arg, tw_bare_timer *timer);
                          /* called for each bare timer that is due; see "bare timers". NULL: the
                             loop takes tw_timers. To on_drop and on_slow a bare timer is given as
                             `arg`, with a callback of NULL */
    bool nested;          /* a run from inside a callback is a run like another, of all that is due
                             by then; the one around it goes on behind it. Otherwise it is refused.
                             With it a run that fires a timer takes some twice the instructions.
                             tw_run_forever and tw_run_until_empty are refused in any case */
    bool cached_now;      /* relative starts and moves count from the latest reading of the clock
                             instead of reading it: by tw_update_now, tw_time, tw_timeout_ms or a
                             run. They are
                             early by as much as that reading is old: for programs that take one
                             after each wait */
};

/* All defaults, with the size set:  tw_options options = TW_OPTIONS_INIT; */
#define TW_OPTIONS_INIT                                                                            \
    {sizeof(tw_options), 0, 0, 0, 0, NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, 0, NULL, 0, 0}

/* Makes room: after it, `timers` timers in all, of either level and with any
 * delay, are started without allocating, and their memory has been touched, so
 * that no page fault is left for later. 72 bytes a timer, and what tw_reserve_calls
 * takes beside them. A cancelled call and a
 * parked timer keep their cell for a while, and count. Running them allocates
 * nothing either, unless more than a thousandth of them, or more than 4096, are
 * due in one tick.
 * Returns 0, or -1: EINVAL, ENOMEM (with part of the room possibly made). */
TW_API int tw_reserve(tw_loop *loop, size_t timers);

/* The same for calls by handle alone, 72 bytes each, and for embedded timers, 8 bytes
 * each; for calls, the blocks of nodes are whole. Beside them 5 KiB at least, 260 bytes a
 * timer while there are few, and 480 KiB from some 2,000 timers on: in each slot of the
 * wheel a chunk of 32 cells may be half empty. Without a reserve, chunks are made as they
 * are needed, and 10,000 timers over a minute take 63 KiB beside their 8 bytes. */
TW_API int tw_reserve_calls(tw_loop *loop, size_t calls);
TW_API int tw_reserve_embedded(tw_loop *loop, size_t timers);

/* ---------------------------------------------------------------- looking in */

/* What tw_stats_get gives. A later version may add fields at the end. */
struct tw_stats {
    size_t size;          /* set by the caller: sizeof(tw_stats) */
    /* now */
    size_t pending;       /* calls and timers still to run */
    size_t parked;        /* cells held for parked timers and cancelled calls */
    size_t overflow;      /* timers beyond the wheel's span */
    size_t bytes;         /* held from the allocator; calls from other threads have malloc's */
    /* since the loop began; started = fired + cancelled + pending */
    uint64_t started;     /* a periodic call counts again for each of its calls */
    uint64_t fired;       /* callbacks made */
    uint64_t cancelled;   /* by tw_cancel, tw_cancel_all, tw_timer_stop or tw_timer_park */
    uint64_t rearmed;     /* moved while pending; counted modulo 2^48 */
    uint64_t moved;       /* timers moved closer by cascades, those from beyond the span included */
    uint64_t moved_max;   /* the most of them in one tick */
    uint64_t late[64];    /* late[k]: callbacks run at a clock reading 2^(k-1) to 2^k - 1 ns past
                             their deadline; late[0]: on it. tw_call_soon does not count */
    /* more */
    uint64_t relocated;   /* starts of parked and moves of pending timers that were more than a
                             store: they had to leave their cell */
    uint64_t visited;     /* cells read by cascades and opened ticks, and calls and posts of other
                             threads that were taken in */
    uint64_t wakeups;     /* tw_run_forever woke from its sleep */
    uint64_t alarms;      /* the system was told when to wake the loop, or to wake an outer
                             poller */
};

/* Ready to be filled:  tw_stats stats = TW_STATS_INIT; */
#define TW_STATS_INIT                                                                              \
    {sizeof(tw_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, {0}, 0, 0, 0, 0}

/* Fills `out` as far as out->size says; a longer one's rest is left alone.
 * Cost: copies about 600 bytes. */
TW_API void tw_stats_get(const tw_loop *loop, tw_stats *out);

/* Calls and timers still to run. Calls that other threads have posted are not among
 * them: they count as started when they are made. */
TW_API size_t tw_pending_count(const tw_loop *loop);

/* What is known of a pending call, or an active timer. */
typedef struct tw_call_info {
    size_t size;             /* sizeof(tw_call_info) as the library was built */
    uint64_t when_ns;        /* its deadline; of a soon call, the loop's clock when it was
                                scheduled */
    uint64_t interval_ns;    /* of a periodic call; 0: once */
    tw_callback *callback;   /* NULL: a bare timer */
    void *arg;
    tw_handle handle;        /* 0: an embedded timer */
    tw_timer *timer;         /* NULL: a call by handle. A bare timer's address, if callback is
                                NULL */
    tw_context *context;     /* that it will run in; NULL: the loop's own */
} tw_call_info;

/* Shows each pending call and each active timer once, in no particular order. Those
 * that other threads have started are among them, as far as they are known in this
 * moment; what was posted is not.
 *   visit    called as visit(visit_arg, info); returns false to end it. Inside it the
 *            loop is not changed: what would change it is refused with EBUSY. But the
 *            calls of any thread (tw_..._threadsafe) go through; what they start is
 *            not shown. It may be left by a C++ exception, not by longjmp.
 * Returns how many were shown; 0 with EINVAL if loop or visit is NULL.
 * Cost: O(pending + parked), and some 2,000 slots. From inside a callback, too. */
TW_API size_t tw_foreach(const tw_loop *loop,
                         bool (*visit)(void *visit_arg, const tw_call_info *info),
                         void *visit_arg);

/* Gives back the memory that pending timers do not need, after a peak: that of cells,
 * which are moved together for it, of sorting, and of calls by handle in blocks of up to
 * 32,768 (2 MiB) that none is pending in; and that of calls from other threads, where the
 * system takes back pages (Linux), in blocks each twice the last. Room that was reserved
 * is given back, too, and parked timers may lose their place. A loop with nothing pending
 * then holds less than 64 KiB. What goes back goes to the allocator: glibc's may keep it
 * (malloc_trim).
 * Returns how many bytes were given back; 0 with EINVAL or EBUSY, or if there is no
 * memory to move the cells to.
 * Cost: O(pending + parked + slots); it reads and writes every timer. */
TW_API size_t tw_trim(tw_loop *loop);

/* Begins to record what happens to the loop's timers: starts, moves, stops,
 * parks, firings and runs, with the time and the deadline of each, as a trace
 * that bench/replay runs again (docs/TRACES.md). What is pending already comes in
 * when it is next moved. Calls from other threads are not recorded.
 *   write    called as write(arg, bytes, count) with up to 64 KiB of the trace, from
 *            inside any call on the loop; it must not use the loop itself, and
 *            returns 0. Anything else ends the recording, but not the loop.
 *   arg      handed to write
 * After fork the recording goes on in the parent only. In the child write is never
 * called, not even for what was recorded before; tw_recording returns false, and a
 * recording of its own may be started. What write itself has buffered is shared as
 * ever: a write that uses stdio wants fflush before fork, or _exit in the child.
 * Returns 0, or -1: EINVAL, ENOMEM, EBUSY (it is recorded already, or being freed).
 * Cost: 84 KiB, and 42 to 80 bytes for each timer pending or parked; four to six
 * bytes of trace an operation; and its time: some 10 ns for ten thousand timers,
 * 90 ns for a million, whose numbers have to be looked up out of cache. A loop that
 * is not recorded pays nothing in starts, moves, stops and parks of timers in the
 * wheel, and a test in each run and firing. */
TW_API int tw_record_start(tw_loop *loop,
                           int (*write)(void *arg, const void *bytes, size_t count), void *arg);

/* Ends the recording: writes its last bytes and its end, without which it counts
 * as cut short. tw_loop_free does so, too.
 * Returns 0, or -1: EINVAL if nothing was recorded; EIO if write failed, now or
 * before, and ENOMEM if memory ran out for the numbers of the timers: then the
 * recording had ended there; EPERM if it is that of the parent process, which goes on
 * there. */
TW_API int tw_record_stop(tw_loop *loop);

/* Whether the loop is being recorded; false also after a recording has failed. */
TW_API bool tw_recording(const tw_loop *loop);

/* Walks everything and verifies the invariants of docs/DESIGN.md, but for those between
 * threads. Returns NULL if all hold, else a sentence that names the first broken one: the
 * mark of a timer whose memory was freed or overwritten while active or parked. For tests
 * and debugging: O(n). */
TW_API const char *tw_check(const tw_loop *loop);

/* The library's version, TW_VERSION_STRING as it was built. */
TW_API const char *tw_version(void);

#ifdef __cplusplus
}
#endif
#endif
