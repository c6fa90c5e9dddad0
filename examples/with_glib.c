/*
 * with_glib: one GSource carries a whole wheel. To use it, copy struct
 * wheel_source and its functions; the rest is a check.
 *
 * GLib asks each source before every sleep how long it may last, so there is
 * nothing to arm, and timers may be started from any callback of the context
 * without a word to GLib. It sleeps in whole milliseconds, rounded up here.
 *
 *     with_glib [SEED]      checks ten thousand timers, and counts the wake-ups
 */
#include "trial.h"

#include <glib.h>

struct wheel_source {
    GSource source; /* first: GLib knows nothing of the rest */
    tw_loop *wheel;
};

static gboolean wheel_prepare(GSource *source, gint *timeout_ms)
{
    *timeout_ms = tw_timeout_ms(((struct wheel_source *)source)->wheel);
    return *timeout_ms == 0;
}

/* After the sleep, whatever ended it. */
static gboolean wheel_check(GSource *source)
{
    return tw_timeout_ms(((struct wheel_source *)source)->wheel) == 0;
}

static gboolean wheel_dispatch(GSource *source, GSourceFunc unused, gpointer data)
{
    (void)unused, (void)data;
    tw_run(((struct wheel_source *)source)->wheel);
    return G_SOURCE_CONTINUE;
}

/* The wheel stays when the source is destroyed. */
static GSource *wheel_source_new(tw_loop *wheel)
{
    static GSourceFuncs functions = {
        .prepare = wheel_prepare,
        .check = wheel_check,
        .dispatch = wheel_dispatch,
    };
    GSource *source = g_source_new(&functions, sizeof(struct wheel_source));
    ((struct wheel_source *)source)->wheel = wheel;
    return source;
}

/* ------------------------------------------------------------- the check */

static gboolean on_event(gpointer none)
{
    (void)none;
    trial_event();
    return G_SOURCE_REMOVE;
}

int main(int argc, char **argv)
{
    GSource *source = wheel_source_new(trial_new(argc, argv));
    g_source_attach(source, NULL);
    g_timeout_add(TRIAL_EVENT_MS, on_event, NULL); /* stands for a socket */
    size_t wakeups = 0;
    for (; !trial_over(); wakeups++)
        g_main_context_iteration(NULL, TRUE);
    g_source_destroy(source);
    g_source_unref(source);
    return trial_end("GLib", wakeups, 0);
}
