/* SPDX-License-Identifier: MIT */
/*
 * tickwheel_glib: a GMainContext carries a wheel.
 *
 *     tw_loop *wheel = tw_loop_new(NULL);
 *     GSource *source = tw_glib_attach(NULL, wheel);
 *     tw_call_later(wheel, 0.5, hello, "world");
 *     g_main_loop_run(main_loop);
 *     tw_glib_detach(source);
 *     tw_loop_free(wheel);
 *
 * Header only: link GLib (2.36 or later) and tickwheel. For the thread that runs the
 * context; all of it may be called from callbacks of the context and of the wheel.
 *
 * One GSource stands for all timers; g_source_set_priority and the like work on it.
 * It watches tw_fd, where there is one: timers are to the nanosecond, and calls from
 * other threads (tw_call_soon_threadsafe, tw_post_send and the like) wake the
 * context. Where there is none (a wheel with options.clock, a system other than
 * Linux), it says how long GLib may sleep, in whole milliseconds, rounded up; calls
 * from other threads then wait for the next time that the wheel is due, unless
 * g_main_context_wakeup follows. Either way GLib asks before each sleep: nothing has
 * to be told when a timer is started.
 *
 * In a main loop that a callback of the wheel runs, timers wait until it has ended,
 * unless the wheel has options.nested. GLib's contexts do not outlive a fork: the child
 * may detach, and free the wheel.
 */
#ifndef TICKWHEEL_GLIB_H
#define TICKWHEEL_GLIB_H

#include <errno.h>
#include <glib.h>
#include <tickwheel.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tw_glib {
    GSource source;    /* first: GLib knows nothing of the rest */
    tw_loop *wheel;    /* NULL: detached */
    gpointer tag;      /* of tw_fd; NULL: there is none */
    bool refused;      /* the wheel could not be run inside one of its callbacks */
} tw_glib;

/* Not for callers. */
static inline bool tw_glib_due_(const tw_glib *on)
{
    return !on->refused && tw_timeout_ms(on->wheel) == 0;
}

static inline gboolean tw_glib_prepare_(GSource *source, gint *timeout_ms)
{
    const tw_glib *on = (const tw_glib *)source;
    *timeout_ms = on->tag || on->refused ? -1 : tw_timeout_ms(on->wheel);
    return *timeout_ms == 0;
}

/* After the sleep, whatever ended it. */
static inline gboolean tw_glib_check_(GSource *source)
{
    const tw_glib *on = (const tw_glib *)source;
    return on->tag ? (g_source_query_unix_fd(source, on->tag) & G_IO_IN) != 0 : tw_glib_due_(on);
}

/* GLib may call it inside itself, in a main loop that a callback runs: a source for
 * which that is forbidden, and which has a descriptor, costs a second turn of the
 * context each time. If the wheel may not be run in there, GLib is not to see that it
 * is due until the callback has returned. */
static inline gboolean tw_glib_dispatch_(GSource *source, GSourceFunc unused, gpointer data)
{
    tw_glib *on = (tw_glib *)source;
    (void)unused, (void)data;
    errno = 0;
    bool refused = tw_run(on->wheel) == 0 && errno == EBUSY;
    if (refused != on->refused && on->tag && !g_source_is_destroyed(source))
        g_source_modify_unix_fd(source, on->tag, refused ? (GIOCondition)0 : G_IO_IN);
    on->refused = refused;
    return G_SOURCE_CONTINUE;
}

/* Makes a source for the wheel, and attaches it to the context.
 *   context  NULL: the default one
 *   wheel    carried by this context alone; not to be freed before it is detached
 * Returns the source, to be given to tw_glib_detach, or NULL with errno: EINVAL,
 * EMFILE, ENFILE, ENOMEM, EBUSY (the wheel is being freed). */
static inline GSource *tw_glib_attach(GMainContext *context, tw_loop *wheel)
{
    static GSourceFuncs functions = {tw_glib_prepare_, tw_glib_check_, tw_glib_dispatch_,
                                     NULL, NULL, NULL};
    if (!wheel) {
        errno = EINVAL;
        return NULL;
    }
    int fd = tw_fd(wheel);
    if (fd < 0 && errno != ENOTSUP)
        return NULL;
    GSource *source = g_source_new(&functions, sizeof(tw_glib));
    tw_glib *on = (tw_glib *)source;
    on->wheel = wheel;
    on->tag = fd >= 0 ? g_source_add_unix_fd(source, fd, G_IO_IN) : NULL;
    g_source_set_can_recurse(source, TRUE);
    g_source_set_name(source, "tickwheel");
    (void)g_source_attach(source, context);
    return source;
}

/* Detaches the wheel, which stays as it is and may be freed (not from one of its
 * callbacks), and gives the source's reference back.
 *   source   NULL: nothing happens. The context may be gone already. */
static inline void tw_glib_detach(GSource *source)
{
    if (!source)
        return;
    g_source_destroy(source);
    g_source_unref(source);
}

#ifdef __cplusplus
}
#endif
#endif
