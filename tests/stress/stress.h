/* SPDX-License-Identifier: Apache-2.0 */
/* What every stress program takes and says: --seconds N, --seed N (0 or none: taken from the
 * kernel), the seed on standard output before the first thread starts. */
#ifndef STRESS_H
#define STRESS_H

#include "base.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct stress_options {
    uint64_t seconds;
    uint64_t seed;
    uint64_t end_ns; /* monotonic, from the moment of parsing */
};

static inline struct stress_options stress_parse(const char *program, int argc, char **argv)
{
    struct stress_options options = {.seconds = 2};
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t value = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seconds") == 0) {
            options.seconds = value;
        } else if (strcmp(argv[i], "--seed") == 0) {
            options.seed = value;
        } else {
            fprintf(stderr, "%s: --seconds N --seed N, not %s\n", program, argv[i]);
            exit(2);
        }
    }
    struct base_random random;
    base_random_init(&random, options.seed);
    if (options.seed == 0) {
        options.seed = base_random_next(&random) | 1;
    }
    options.end_ns = base_mono_ns() + options.seconds * BASE_NS_PER_S;
    printf("%s: seed %" PRIu64 ", %" PRIu64 " s\n", program, options.seed, options.seconds);
    fflush(stdout);
    return options;
}

#endif
