/* SPDX-License-Identifier: Apache-2.0 */
/* The wall clock steps under the process: libfaketime (preloaded; the program starts itself again
 * with it) moves CLOCK_REALTIME an hour on, two hours back, ten years on. CLOCK_MONOTONIC stays, as
 * it does when somebody sets a clock. Deadlines, ages and intervals are monotonic here: nothing may
 * happen. libmongoc waits with CLOCK_REALTIME in places. The server's clock is its own. */
#include "rig.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CLIENTS = 10, WRITERS = 20, BETWEEN_MS = 1500 };

#define MARK "FAULT_CLOCK_FILE"

static const char *find_library(void)
{
    static char found[256];
    glob_t paths;
    if (glob("/usr/lib/*/faketime/libfaketimeMT.so.1", 0, NULL, &paths) != 0) {
        return NULL;
    }
    snprintf(found, sizeof found, "%s", paths.gl_pathv[0]);
    globfree(&paths);
    return found;
}

static void set_clock(const char *offset)
{
    FILE *file = fopen(getenv(MARK), "we");
    BASE_ASSERT(file != NULL);
    fprintf(file, "%s\n", offset);
    fclose(file);
}

static void step(struct rig_trial *trial)
{
    static const char *const offsets[] = {"+1h", "-1h", "+10y", "+0"};
    double *moved_s = trial->ctx;
    for (size_t i = 0; i < BASE_ARRAY_LEN(offsets); i++) {
        int64_t before_ms = base_wall_ms();
        set_clock(offsets[i]);
        rig_sleep_ms(BETWEEN_MS);
        double moved = (double)(base_wall_ms() - before_ms) / 1e3;
        *moved_s = moved > *moved_s ? moved : *moved_s;
    }
}

static int run_steps(uint32_t seconds)
{
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    struct gleaner_db_options options;
    double moved_s = 0;
    (void)seconds;
    BASE_ASSERT(server != NULL);
    rig_options(&options, fixture_mongod_uri(server), CLIENTS);
    struct rig_trial trial = {.server = server,
                              .members = 1,
                              .threads = WRITERS,
                              .pause_us = 2000,
                              .patience_ms = 30000,
                              .warm_ms = 500,
                              .back_limit_ms = 60000,
                              .inject = step,
                              .ctx = &moved_s};
    (void)rig_both(&trial, &options, "the wall clock steps +1 h, -2 h, +10 years, back",
                   &(struct rig_bars){.none_fails = true, .longest_ms = 1000, .accepted = 1});
    printf("the clock really moved, by up to %.0f days: %s\n", moved_s / 86400,
           rig_verdict(moved_s > 300.0 * 86400));
    fixture_mongod_end(&server);
    return 0;
}

/* Ourselves again, with the library; the servers that we start are not to have it. */
static int start_again(char **argv)
{
    const char *library = find_library();
    char path[] = "/tmp/gleaner-clock-XXXXXX";
    if (library == NULL) {
        return rig_skip("needs libfaketime (Debian package; `./dev fault clock` installs it)");
    }
    int fd = mkstemp(path);
    BASE_ASSERT(fd >= 0 && write(fd, "+0\n", 3) == 3);
    close(fd);
    setenv(MARK, path, 1);
    setenv("LD_PRELOAD", library, 1);
    setenv("FAKETIME_TIMESTAMP_FILE", path, 1);
    setenv("FAKETIME_NO_CACHE", "1", 1);
    setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1", 1);
    setenv("DONT_FAKE_MONOTONIC", "1", 1);
    execv("/proc/self/exe", argv);
    return 1;
}

static const struct rig_fault faults[] = {
    {"clock", "the wall clock steps (libfaketime)", run_steps},
};

int main(int argc, char **argv)
{
    bool is_listing = argc > 1 && strcmp(argv[1], "--list") == 0;
    if (!is_listing && getenv(MARK) == NULL) {
        return fixture_mongod_program() == NULL ? fixture_mongod_skip_code() : start_again(argv);
    }
    unsetenv("LD_PRELOAD");
    int code = rig_main(argc, argv, faults, BASE_ARRAY_LEN(faults));
    if (!is_listing) {
        unlink(getenv(MARK));
    }
    return code;
}
