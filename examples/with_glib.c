/* SPDX-License-Identifier: MIT */
/*
 * with_glib: a GMainContext carries a wheel, by tickwheel_glib.h.
 *
 *     cc with_glib.c trial.c support.c -ltickwheel $(pkg-config --cflags --libs glib-2.0)
 *     with_glib [SEED]      checks ten thousand timers, and counts the turns of the loop
 */
#include "trial.h"

#include <tickwheel_glib.h>

static gboolean on_event(gpointer none)
{
    (void)none;
    trial_event(); /* starts timers: GLib need not be told */
    return G_SOURCE_REMOVE;
}

int main(int argc, char **argv)
{
    size_t turns = 0;
    GSource *source = tw_glib_attach(NULL, trial_new(argc, argv));
    if (source == NULL)
        return 1;
    g_timeout_add(TRIAL_EVENT_MS, on_event, NULL); /* stands for a socket */

    for (; !trial_over(); turns++) /* a program has g_main_loop_run(loop) here */
        g_main_context_iteration(NULL, TRUE);

    tw_glib_detach(source);
    return trial_end("GLib", turns);
}
