/* SPDX-License-Identifier: Apache-2.0 */
/* The document services behind struct gleaner_host; include/gleaner/worker.h documents them. */
#ifndef WORKER_DOCUMENT_H
#define WORKER_DOCUMENT_H

#include "gleaner/worker.h"

enum gleaner_status document_begin(struct gleaner_task *task, const char *collection,
                                   const char *key, size_t key_len);
void document_text(struct gleaner_task *task, const char *name, const char *text, size_t len);
void document_int(struct gleaner_task *task, const char *name, int64_t value);
void document_bool(struct gleaner_task *task, const char *name, bool value);
void document_date(struct gleaner_task *task, const char *name, int64_t ms_since_1970);
void document_null(struct gleaner_task *task, const char *name);
void document_open(struct gleaner_task *task, const char *name, bool is_array);
void document_close(struct gleaner_task *task);
enum gleaner_status document_commit(struct gleaner_task *task);
void document_abort(struct gleaner_task *task);

#endif
