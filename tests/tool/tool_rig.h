/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a tool on text and gives its answers as JSON. */
#ifndef TOOL_RIG_H
#define TOOL_RIG_H

#include "tool.h"
#include <jansson.h>

typedef int (*rig_tool)(const struct tool_options *options);

/* What a tool printed, and its exit code. Freed with rig_output_fini(). */
struct rig_output {
    char *out, *err;
    size_t out_len, err_len;
    int code;
};

/** Options with everything a tool may ask for; no network but loopback. */
struct tool_options rig_options(void);
/** Run on `input`. */
void rig_run(rig_tool tool, const struct tool_options *options, const char *input, size_t len,
             struct rig_output *output);
void rig_output_fini(struct rig_output *output);

/** --batch on `input`; the answers, one for each line, as a JSON array. Each line must be JSON. */
json_t *rig_batch_bytes(rig_tool tool, const char *input, size_t len);
json_t *rig_batch(rig_tool tool, const char *input);

/* A row of a table: a question and what its answer must hold (more may be there). */
struct rig_case {
    const char *question, *answer;
};
void rig_expect(rig_tool tool, const struct rig_case *cases, size_t count);

/** The registry with the text module, for scrape. Loaded once, freed by rig_modules_end(). */
struct module_registry *rig_modules(void);
void rig_modules_end(void);

#endif
