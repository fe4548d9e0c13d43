/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROCESS_SETTINGS_INTERNAL_H
#define PROCESS_SETTINGS_INTERNAL_H

#include "settings.h"

/* What stood on the command line, before it is applied: it is read first (it may name the file)
 * and applied last (it is the strongest source). Points into argv. */
struct command_line_entry {
    size_t index; /* in settings_table */
    const char *value;
};
struct command_line {
    struct command_line_entry *entries;
    size_t count;
    const char **operands;
    size_t operand_count;
};

GLEANER_MUST_CHECK enum gleaner_status command_line_parse(struct command_line *line, int argc,
                                                          char *const argv[], unsigned groups,
                                                          struct base_error *error);
void command_line_fini(struct command_line *line);
bool command_line_has(const struct command_line *line, const char *option);
/** The last value given, or NULL. */
const char *command_line_value(const struct command_line *line, const char *option);
GLEANER_MUST_CHECK enum gleaner_status command_line_apply(const struct command_line *line,
                                                          struct settings *settings,
                                                          struct base_error *error);
GLEANER_MUST_CHECK enum gleaner_status settings_add_operand(struct settings *settings,
                                                            const char *text);

/** Does it begin as a connection string does? */
bool settings_is_uri(const char *text);

/** "unlimited" and "auto", each only where it is the default. */
bool settings_parse_word(const struct setting *setting, const char *text, uint64_t *out);

#endif
