/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file base.h
 * The door of runtime/base: what every room stands on. No threads, no driver, no I/O but the log.
 */
#ifndef BASE_H
#define BASE_H

#include "base_assert.h"
#include "base_buffer.h"
#include "base_clock.h"
#include "base_error.h"
#include "base_hash.h"
#include "base_log.h"
#include "base_metrics.h"
#include "gleaner/status.h"

#endif
