/* SPDX-License-Identifier: MIT */
/* tickwheel.c, which the build writes (cmake/TickwheelSingleFile.cmake), in the
 * folder that the include path names. */
#include "tickwheel.c"
