/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MONGO_TEST_H
#define MONGO_TEST_H

#include "mongo.h"
#include "mongod.h"
#include <bson/bson.h>

/* Times short enough that a test of a dead server ends soon. */
static inline struct mongo_endpoint *open_endpoint(const char *uri, uint32_t socket_ms)
{
    struct mongo_options options = {.uri = uri,
                                    .app_name = "gleaner/test/1",
                                    .default_db = "gleaner_test",
                                    .server_selection_ms = 1500,
                                    .connect_ms = 1500,
                                    .socket_ms = socket_ms,
                                    .retry_writes = true};
    struct mongo_endpoint *endpoint = NULL;
    struct base_error error = {0};
    if (mongo_endpoint_open(&options, &endpoint, &error) != GLEANER_OK) {
        base_log_error("test", "%s", error.message);
    }
    return endpoint;
}

#endif
