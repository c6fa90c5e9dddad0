/* SPDX-License-Identifier: MIT */
/*
 * drop: handing over what is pending, when it will not run any more.
 */
#ifndef TW_DROP_H
#define TW_DROP_H

#include "loop.h"

/* Drops everything there is: the loop is being freed. */
void drop_all(tw_loop *loop);

#endif
