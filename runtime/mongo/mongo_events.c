/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's command events, on the thread that runs the command. They come between the caller
 * and the wire: nothing here waits, and only the first sight of a shape writes more than counters.
 *
 * Only with all three does the driver build the event at all; without a watch none is set. Of a
 * bulk the driver copies the documents into the started event (bench monitor_cost says what that
 * costs); the store's raw commands are not copied. */
#include "mongo_internal.h"
#include "mongo_watch.h"

static struct mongo_watch *watch_of(void *ctx)
{
    struct mongo_endpoint *endpoint = ctx;
    return endpoint->watch;
}

static void BSON_CALL on_started(const mongoc_apm_command_started_t *event)
{
    mongo_watch_begin(watch_of(mongoc_apm_command_started_get_context(event)),
                      mongoc_apm_command_started_get_database_name(event),
                      mongoc_apm_command_started_get_command_name(event),
                      mongoc_apm_command_started_get_command(event),
                      mongoc_apm_command_started_get_request_id(event));
}

static void BSON_CALL on_succeeded(const mongoc_apm_command_succeeded_t *event)
{
    mongo_watch_end(watch_of(mongoc_apm_command_succeeded_get_context(event)),
                    mongoc_apm_command_succeeded_get_request_id(event),
                    mongoc_apm_command_succeeded_get_duration(event), MONGO_SUCCEEDED);
}

static void BSON_CALL on_failed(const mongoc_apm_command_failed_t *event)
{
    mongo_watch_end(watch_of(mongoc_apm_command_failed_get_context(event)),
                    mongoc_apm_command_failed_get_request_id(event),
                    mongoc_apm_command_failed_get_duration(event), MONGO_FAILED);
}

void mongo_events_add(mongoc_apm_callbacks_t *callbacks)
{
    mongoc_apm_set_command_started_cb(callbacks, on_started);
    mongoc_apm_set_command_succeeded_cb(callbacks, on_succeeded);
    mongoc_apm_set_command_failed_cb(callbacks, on_failed);
}
