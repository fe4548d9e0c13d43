/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changes while the process runs: settings by `gleaner set` and by SIGHUP, modules by SIGHUP
 * and `gleaner reload`. All of it on the main thread.
 *
 * A change is tried on a copy of the settings and checked as a whole; then libgleaner takes its
 * part or refuses it; only then anything holds, and that cannot fail any more. What was set at run
 * time is the strongest source, until the process ends.
 */
#include "process_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct live {
    struct work *work;
    struct settings *settings; /* in force; work->settings is the same */
    int argc;
    char *const *argv;
    unsigned groups;
    struct control *control;
    bool has_old_modules; /* replaced, and somebody was inside at the last look */
};

/* ---- telling the rooms ---- */

static uint32_t narrow(uint64_t value)
{
    return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

/* The only part that may be refused; so it comes first. */
static enum gleaner_status tell_database(struct work *work, const struct settings *settings,
                                         struct base_error *error)
{
    if (work->db == NULL) {
        return GLEANER_OK;
    }
    struct gleaner_db_options options;
    struct gleaner_error why = {0};
    work_db_options(settings, &options);
    enum gleaner_status status = gleaner_db_configure(work->db, &options, &why);
    return status == GLEANER_OK ? GLEANER_OK : base_error_set(error, status, "%s", why.message);
}

static void tell_rooms(struct work *work, const struct settings *settings)
{
    enum base_log_level level;
    if (base_log_level_parse(settings->log_level, &level)) {
        base_log_set_level(settings->database_debug ? BASE_LOG_DEBUG : level);
    }
    struct fetch_options fetch;
    work_fetch_options(settings, &fetch);
    fetch_configure(work->fetch, &fetch);
    const struct worker_live workers = work_worker_live(settings, work->kind);
    worker_group_configure(work->workers, &workers);
    const struct queue_live queue = {
        .max_attempts = narrow(settings->max_attempts),
        .retry_base_ms = narrow(settings->retry_base_ms),
        .retry_cap_ms = narrow(settings->retry_cap_ms),
    };
    queue_configure(work->queue, &queue);
    work->sources.max_pages = settings->pages == UINT64_MAX ? 0 : settings->pages;
    work_set_patience(work, settings->drain_ms,
                      work->kind == WORK_CRAWL ? EXIT_STOPPED : EXIT_COMPLETE);
}

/* ---- one change ---- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool is_changed(const struct settings *before, const struct settings *after, size_t index)
{
    return !same_text(before->origins[index].text, after->origins[index].text);
}

static void report(const struct settings *before, const struct settings *after, size_t index,
                   struct base_buffer *out)
{
    const struct setting *setting = &settings_table[index];
    bool is_now = settings_may_change(before, after, index);
    base_log_warn("process", "event=setting_changed key=%s applied=%s", setting->key,
                  is_now ? "now" : "at_restart");
    base_buffer_printf(out, "%s = ", setting->key);
    settings_print_value(after, index, out);
    base_buffer_append_str(out, " (was ");
    settings_print_value(before, index, out);
    base_buffer_append_str(out, is_now ? ")\n" : "): at a restart\n");
}

/* `to` takes over what may change and differs. */
static enum gleaner_status take_over(struct settings *to, const struct settings *in_force,
                                     const struct settings *after, struct base_error *error)
{
    enum gleaner_status status = GLEANER_OK;
    for (size_t i = 0; status == GLEANER_OK && i < settings_count; i++) {
        const struct setting_origin *origin = &after->origins[i];
        if (is_changed(in_force, after, i) && origin->text != NULL &&
            settings_may_change(in_force, after, i)) {
            status = settings_apply(to, i, origin->text, origin, error);
        }
    }
    return status;
}

/* The rooms are told what will be in force, never what waits for a restart: `after` may name
 * another server. */
static enum gleaner_status apply(struct live *live, const struct settings *after,
                                 struct base_buffer *out, struct base_error *error)
{
    const struct settings before = *live->settings;
    struct settings next = before;
    next.arena = (struct base_arena){0};
    enum gleaner_status status = take_over(&next, &before, after, error);
    if (status == GLEANER_OK) {
        status = tell_database(live->work, &next, error);
    }
    base_arena_fini(&next.arena);
    if (status != GLEANER_OK) {
        return status;
    }
    for (size_t i = 0; i < settings_count; i++) {
        if (is_changed(&before, after, i)) {
            report(&before, after, i, out);
        }
    }
    /* The texts were read once already: no memory is the only failure that is left. */
    status = take_over(live->settings, &before, after, error);
    tell_rooms(live->work, live->settings);
    return status;
}

/* ---- gleaner set ---- */

static enum gleaner_status set_one(struct settings *candidate, char *line, struct base_error *error)
{
    static const struct setting_origin origin = {.source = SOURCE_RUN_TIME};
    char *equals = strchr(line, '=');
    size_t index;
    if (equals == NULL) {
        return base_error_set(error, GLEANER_E_CONFIG,
                              "'%s' is not KEY=VALUE, as in fetch.delay_ms=500", line);
    }
    *equals = '\0';
    enum gleaner_status status = settings_find(line, &index, error);
    if (status != GLEANER_OK) {
        return status;
    }
    if (!settings_table[index].is_live) {
        return base_error_set(error, GLEANER_E_CONFIG,
                              "%s cannot change while the process runs: it needs a restart", line);
    }
    return settings_apply(candidate, index, equals + 1, &origin, error);
}

static enum gleaner_status check_server(const struct settings *in_force,
                                        const struct settings *candidate, struct base_error *error)
{
    if (settings_same_place(in_force->target, candidate->target)) {
        return GLEANER_OK;
    }
    return base_error_set(error, GLEANER_E_CONFIG,
                          "database.uri: user, password and options can change while the process "
                          "runs; another server or database needs a restart, because leases, "
                          "frontier and spool are of this one");
}

enum gleaner_status live_set(struct live *live, const char *text, struct base_buffer *out,
                             struct base_error *error)
{
    char *lines = strdup(text);
    if (lines == NULL) {
        return base_error_set(error, GLEANER_E_NOMEM, "no memory");
    }
    /* Shares the strings of what is in force, but puts new ones into an arena of its own. */
    struct settings candidate = *live->settings;
    candidate.arena = (struct base_arena){0};
    enum gleaner_status status = GLEANER_OK;
    for (char *rest = lines, *line; status == GLEANER_OK && (line = strsep(&rest, "\n")) != NULL;) {
        status = *line != '\0' ? set_one(&candidate, line, error) : GLEANER_OK;
    }
    if (status == GLEANER_OK) {
        status = settings_check(&candidate, error);
    }
    if (status == GLEANER_OK) {
        status = check_server(live->settings, &candidate, error);
    }
    if (status == GLEANER_OK) {
        status = apply(live, &candidate, out, error);
    }
    base_arena_fini(&candidate.arena);
    free(lines);
    return status;
}

/* ---- SIGHUP, gleaner reload ---- */

/* What was set at run time stays the strongest. */
static enum gleaner_status keep_run_time(const struct settings *in_force, struct settings *fresh,
                                         struct base_error *error)
{
    enum gleaner_status status = GLEANER_OK;
    for (size_t i = 0; status == GLEANER_OK && i < settings_count; i++) {
        const struct setting_origin *origin = &in_force->origins[i];
        if (origin->source == SOURCE_RUN_TIME) {
            status = settings_apply(fresh, i, origin->text, origin, error);
        }
    }
    return status == GLEANER_OK ? settings_check(fresh, error) : status;
}

static enum gleaner_status reload_settings(struct live *live, struct base_buffer *out,
                                           struct base_error *error)
{
    struct settings fresh;
    enum gleaner_status status = settings_load(&fresh, live->argc, live->argv, live->groups, error);
    if (status == GLEANER_OK) {
        status = keep_run_time(live->settings, &fresh, error);
    }
    if (status == GLEANER_OK) {
        status = apply(live, &fresh, out, error);
    }
    settings_fini(&fresh);
    return status;
}

enum gleaner_status live_reload(struct live *live, const char *text, struct base_buffer *out,
                                struct base_error *error)
{
    (void)text;
    enum gleaner_status status = reload_settings(live, out, error);
    if (status == GLEANER_OK) {
        status = module_reload_changed(live->work->modules, out, error);
        live->has_old_modules = true;
    }
    return status;
}

/* ---- gleaner config --live ---- */

enum gleaner_status live_show(struct live *live, const char *text, struct base_buffer *out,
                              struct base_error *error)
{
    (void)text;
    (void)error;
    settings_print(live->settings, out);
    return GLEANER_OK;
}

/* ---- turns ---- */

static enum gleaner_status ask_set(void *ctx, const char *text, struct base_buffer *out,
                                   struct base_error *error)
{
    struct live *live = ctx;
    return control_ask(live->control, live_set, text, out, error);
}

static enum gleaner_status ask_reload(void *ctx, const char *text, struct base_buffer *out,
                                      struct base_error *error)
{
    struct live *live = ctx;
    return control_ask(live->control, live_reload, text, out, error);
}

static enum gleaner_status ask_show(void *ctx, const char *text, struct base_buffer *out,
                                    struct base_error *error)
{
    struct live *live = ctx;
    return control_ask(live->control, live_show, text, out, error);
}

/* The store takes calls of any thread: nothing for main to do. */
static enum gleaner_status ask_queue(void *ctx, const char *text, struct base_buffer *out,
                                     struct base_error *error)
{
    struct live *live = ctx;
    return queue_answer(live->work, text, out, error);
}

static const struct admin_control controls[] = {
    {"GET", "/config", ask_show},
    {"POST", "/settings", ask_set},
    {"POST", "/reload", ask_reload},
    {"POST", "/queue", ask_queue},
};

enum gleaner_status live_open(struct work *work, struct settings *settings, int argc,
                              char *const argv[], unsigned groups, struct base_error *error)
{
    struct live *live = calloc(1, sizeof *live);
    if (live == NULL || control_create(&live->control) != GLEANER_OK) {
        free(live);
        return base_error_set(error, GLEANER_E_NOMEM, "no memory");
    }
    live->work = work;
    live->settings = settings;
    live->argc = argc;
    live->argv = argv;
    live->groups = groups;
    work->live = live;
    work->controls = controls;
    work->control_count = BASE_ARRAY_LEN(controls);
    return GLEANER_OK;
}

void live_serve(struct work *work)
{
    if (signals_take_reload()) {
        struct base_error error = {0};
        struct base_buffer out = {0};
        if (live_reload(work->live, "", &out, &error) != GLEANER_OK) {
            base_log_error("process", "event=reload_refused reason=\"%s\"", error.message);
        }
        base_buffer_fini(&out);
    }
    control_serve(work->live->control, work->live);
    if (work->live->has_old_modules) {
        work->live->has_old_modules = module_reap(work->modules) > 0;
    }
}

void live_stop(struct work *work)
{
    if (work->live != NULL) {
        control_close(work->live->control);
    }
}

void live_close(struct work *work)
{
    if (work->live != NULL) {
        control_destroy(&work->live->control);
        free(work->live);
        work->live = NULL;
    }
}
