/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEXT_EMIT_H
#define TEXT_EMIT_H

#include "text_extract.h"

/** Give the host what was found: links to follow, one document. */
enum gleaner_verdict text_emit(struct text_context *context);

#endif
