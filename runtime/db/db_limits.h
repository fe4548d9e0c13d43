/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file db_limits.h
 * What each number of struct gleaner_db_options may be: default, least, most. Named once, so that
 * the settings of our own process are checked by the same limits before they get here. The reason
 * of each default is in README.md.
 */
#ifndef DB_LIMITS_H
#define DB_LIMITS_H

#define DB_MAX_POOL_SIZE 10, 1, 100
#define DB_MIN_POOL_SIZE 2, 1, 100
#define DB_MAX_CONNECTING 2, 1, 16
#define DB_WAIT_QUEUE_TIMEOUT_MS 0, 0, 4294967295u
#define DB_MAX_IDLE_MS 60000, 100, 4294967295u
#define DB_SERVER_SELECTION_MS 2000, 100, 60000
#define DB_CONNECT_MS 5000, 50, 120000
#define DB_SOCKET_MS 10000, 100, 600000
#define DB_HEARTBEAT_MS 10000, 500, 300000
#define DB_HEALTH_INTERVAL_MS 30000, 100, 4294967295u
#define DB_UNHEALTHY_AFTER 2, 1, 100
#define DB_POOL_CHECK_INTERVAL_MS 45000, 100, 4294967295u
#define DB_CONNECTION_CHECK_INTERVAL_MS 60000, 100, 4294967295u
#define DB_REFRESH_INTERVAL_MS 14400000, 1000, 4294967295u
#define DB_RECONNECT_LIMIT 10, 1, 128
#define DB_RECONNECT_WINDOW_MS 300000, 1000, 4294967295u
#define DB_BACKOFF_BASE_MS 500, 1, 600000
#define DB_BACKOFF_CAP_MS 30000, 1, 3600000
#define DB_RETURN_CHECKS 3, 1, 1000
#define DB_RETURN_SPAN_MS 3000, 1, 3600000
#define DB_DRIVER_POOLS 2, 1, 16
#define DB_CLOSE_WAIT_MS 500, 1, 500
#define DB_SLOW_MS 100, 1, 4294967295u /* the most: no commands are watched */

/* What a program may ask for as max_pool_size_limit; its default depends on max_pool_size. */
#define DB_MAX_POOL_SIZE_LIMIT 0, 1, 100

#endif
