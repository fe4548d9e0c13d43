/* SPDX-License-Identifier: Apache-2.0 */
/* A registry with a host that counts, for the suites of runtime/module. */
#ifndef MODULE_FIXTURE_H
#define MODULE_FIXTURE_H

#include "module.h"

extern struct module_registry *fixture_registry;

void fixture_setup(void);
void fixture_teardown(void);
const struct gleaner_host *fixture_host(void);
/** How often the fixture modules counted `name` (open, handle, handle_after_close, close). */
uint64_t fixture_count(const char *name);
/** Path of a built fixture module, in a static buffer. */
const char *fixture_path(const char *name);
enum gleaner_status fixture_load(const char *name, struct base_error *error);

#endif
