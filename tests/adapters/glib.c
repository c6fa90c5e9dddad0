/* SPDX-License-Identifier: MIT */
/* The cases on a GMainContext. */
#include "outer.h"

#include <stdlib.h>
#include <tickwheel_glib.h>

static GMainContext *context;
static GSource *on;

static void open_context(void)
{
    context = g_main_context_new();
}

static int attach(tw_loop *wheel)
{
    GSource *fresh = tw_glib_attach(context, wheel);
    if (!fresh)
        return -1;
    on = fresh;
    return 0;
}

static void detach(void)
{
    tw_glib_detach(on);
    on = NULL;
}

static void turn(void)
{
    g_main_context_iteration(context, TRUE);
}

static void run(void)
{
    while (on)
        turn();
}

static void close_context(void)
{
    g_main_context_unref(context);
}

static gboolean on_event(gpointer event)
{
    (*(void (**)(void))event)();
    return G_SOURCE_REMOVE;
}

static void in_a_while(void (*event)(void))
{
    static void (*latest)(void);
    latest = event;
    GSource *source = g_timeout_source_new(5);
    g_source_set_callback(source, on_event, &latest, NULL);
    g_source_attach(source, context);
    g_source_unref(source);
}

const struct outer outer = {
    .name = "GLib",
    .nests = true,
    .open = open_context,
    .close = close_context,
    .attach = attach,
    .detach = detach,
    .turn = turn,
    .run = run,
    .in_a_while = in_a_while,
};
