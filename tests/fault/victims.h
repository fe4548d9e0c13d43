/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file victims.h
 * A fail point meets one of many clients, the server is healthy: what do the others notice? Shared
 * by the programs that ask so (db_one_socket_error.c, db_not_primary.c).
 */
#ifndef FAULT_VICTIMS_H
#define FAULT_VICTIMS_H

#include "db_load.h"

enum {
    VICTIMS_CLIENTS = 16,
    VICTIMS_ROUNDS_MAX = 16,
    VICTIMS_SETTLE_MS = 400,
    VICTIMS_WATCH_MS = 1500,
    VICTIMS_BAR_MS = 50
};

struct victims {
    double longest_ms[VICTIMS_ROUNDS_MAX * VICTIMS_CLIENTS]; /**< of each other thread */
    size_t count;
    double back_ms[VICTIMS_ROUNDS_MAX * 2]; /**< of each victim: from its failure to its next
                                                 success */
    size_t met;                             /**< operations that the fail point met */
    uint64_t failed;                        /**< operations beyond these */
};

/**
 * The load runs, `data` (JSON members of a fail point's data, for `find`) meets one operation, and
 * is watched for VICTIMS_WATCH_MS. server NULL: nothing is met, what the machine does by itself.
 */
void victims_round(struct load *load, const struct fixture_mongod *server, unsigned member,
                   const char *data, struct victims *victims);
double victims_p99(struct victims *victims);
void victims_print_header(void);
void victims_print(const char *who, struct victims *victims, const char *verdict);
/** The bar of the others: none failed, p99 <= VICTIMS_BAR_MS, or what it was without any error on a
 *  machine that holds threads up for longer than that. */
bool victims_is_met(struct victims *ours, struct victims *quiet);

#endif
