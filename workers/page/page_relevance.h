/* SPDX-License-Identifier: Apache-2.0 */
/* Is a page about what its job is about? The same answer in every module. */
#ifndef PAGE_RELEVANCE_H
#define PAGE_RELEVANCE_H

#include "gleaner/worker.h"
#include "text_buffer.h"

/** Does one of the module's words, its setting `relevance` (separated by commas), stand in one of
 *  the texts? Letters of ASCII in either case; white space is one space; marks of markdown do not
 *  part a phrase. No words: everything is relevant. */
bool page_is_relevant(const struct gleaner_host *host, struct gleaner_task *task,
                      const struct text_slice texts[], size_t count);
/** Are there words at all? */
bool page_has_relevance(const struct gleaner_host *host, struct gleaner_task *task);

#endif
