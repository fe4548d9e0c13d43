/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SETTINGS_RIG_H
#define SETTINGS_RIG_H

#include "settings.h"

/* Settings read from sources that a test controls: an empty environment, a working directory and a
 * home of its own, a command line. Criterion gives each test its own process. */
struct rig {
    char directory[64];
    struct settings settings;
    struct base_error error;
    enum gleaner_status status;
};
void rig_open(struct rig *rig);
void rig_write(const struct rig *rig, const char *name, const char *text);
/** Load with these arguments (NULL-terminated) for a command that takes all groups. */
void rig_load(struct rig *rig, ...);
void rig_close(struct rig *rig);
/** Line of `gleaner config` that starts with this key; "" if none. */
const char *rig_config_line(struct rig *rig, const char *key);

#endif
