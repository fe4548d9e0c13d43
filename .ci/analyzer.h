/* SPDX-License-Identifier: Apache-2.0 */
/* Read by clang-tidy alone, before each source of runtime/: base_error_set() returns its status.
 * Its body is in another file, so that without this the analyzer believes that it may turn an error
 * into GLEANER_OK, and reports what would follow from that. */
#include "base_error.h"
#define base_error_set(error, status, ...)                                                         \
    ((void)(base_error_set)((error), (status), __VA_ARGS__), (status))
