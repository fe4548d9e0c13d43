/* SPDX-License-Identifier: Apache-2.0 */
/* What belongs to libgleaner itself and not to the room: its version, for those who ask. */
#include "gleaner/status.h"

GLEANER_API const char *gleaner_version(void);

const char *gleaner_version(void)
{
    return GLEANER_VERSION;
}
